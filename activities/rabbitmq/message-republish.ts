// What must change in a message so that a broker takes it again, and how it is recognised afterwards.
// Nothing is lost: what a broker would refuse or act upon travels in a header of ours, `x-dr-…`.
import {
  formatProperties,
  type Header,
  type MessageProperties,
  parseProperties,
  textHeader,
} from './message-properties.ts';
import { Reading } from './wire-format.ts';

export interface RepublishRules {
  /** The account may publish in the name of others (tag `impersonator`); without it the broker refuses `user-id`. */
  readonly mayImpersonate: boolean;
  /** Keep messages from expiring while they are compared: scratch only. */
  readonly holdExpiration: boolean;
  /** Brokers from 4.0 on throw `x-death` away when it comes from a publisher. */
  readonly dropsDeaths: boolean;
}

/** Set by the broker at delivery; a restored message gets its own. */
const BROKER_HEADERS: ReadonlySet<string> = new Set(['x-delivery-count', 'x-stream-offset']);
/** Routing headers would send the message to further queues. */
const MOVED: ReadonlyMap<string, string> = new Map([
  ['CC', 'x-dr-cc'],
  ['BCC', 'x-dr-bcc'],
]);
const MOVED_BACK = new Map([...MOVED].map(([from, to]) => [to, from]));
const USER_ID = 'x-dr-user-id';
const EXPIRATION = 'x-dr-expiration';
const DEATHS = 'x-dr-x-death';

/** The property bytes to publish. */
export function forRepublish(bytes: Buffer, rules: RepublishRules): Buffer {
  const { values, headers } = parseProperties(bytes);
  const kept = new Map(values);
  const changed = (headers ?? []).filter(({ name }) => !BROKER_HEADERS.has(text(name))).map(renamed(MOVED));
  const deaths = changed.find(({ name }) => text(name) === 'x-death');
  if (deaths && rules.dropsDeaths) changed.push({ name: Buffer.from(DEATHS), value: deaths.value });
  const moveValue = (property: 'userId' | 'expiration', header: string) => {
    const value = kept.get(property);
    if (value && kept.delete(property)) changed.push(textHeader(header, value));
  };
  if (!rules.mayImpersonate) moveValue('userId', USER_ID);
  if (rules.holdExpiration) moveValue('expiration', EXPIRATION);
  return formatProperties({ values: kept, headers: headers === null && changed.length === 0 ? null : changed });
}

/** The properties as the application sent them, whether the message was restored or not: what a checksum is made of. */
export function asOriginal(bytes: Buffer): MessageProperties {
  const { values, headers } = parseProperties(bytes);
  const restored = new Map(values);
  const all = headers ?? [];
  const hasDeaths = all.some(({ name }) => text(name) === DEATHS);
  const kept: Header[] = [];
  for (const header of all.map(renamed(MOVED_BACK))) {
    const name = text(header.name);
    if (BROKER_HEADERS.has(name) || (hasDeaths && name === 'x-death')) continue;
    if (name === USER_ID) restored.set('userId', textOf(header.value));
    else if (name === EXPIRATION) restored.set('expiration', textOf(header.value));
    else kept.push(name === DEATHS ? { name: Buffer.from('x-death'), value: header.value } : header);
  }
  kept.sort((a, b) => Buffer.compare(a.name, b.name));
  // An empty header table and none at all are the same to a consumer, and brokers turn one into the other.
  return { values: restored, headers: kept.length === 0 ? null : kept };
}

const text = (name: Buffer): string => name.toString('latin1');

const renamed = (names: ReadonlyMap<string, string>) => (header: Header) => {
  const name = names.get(text(header.name));
  return name === undefined ? header : { name: Buffer.from(name), value: header.value };
};

const textOf = (value: Buffer): Buffer => new Reading(value, 1).long();
