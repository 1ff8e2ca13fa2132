// A message's properties and headers as bytes: taken apart only as far as needed, put together again unchanged.
// Order and types: AMQP 0-9-1, section 4.2.6 (content header) and RabbitMQ's field types.
import { Pieces, Reading } from './wire-format.ts';

/** Properties in the order of their flag bits, from bit 15 down, with the way each is written. */
const PROPERTIES = [
  ['contentType', 'short'],
  ['contentEncoding', 'short'],
  ['headers', 'long'],
  ['deliveryMode', 'octet'],
  ['priority', 'octet'],
  ['correlationId', 'short'],
  ['replyTo', 'short'],
  ['expiration', 'short'],
  ['messageId', 'short'],
  ['timestamp', 'time'],
  ['type', 'short'],
  ['userId', 'short'],
  ['appId', 'short'],
  ['clusterId', 'short'],
] as const;

export type PropertyName = (typeof PROPERTIES)[number][0];

/** One header: its name, and its value with the type byte in front. */
export interface Header {
  readonly name: Buffer;
  readonly value: Buffer;
}

export interface MessageProperties {
  /** Raw values without their lengths; `headers` is kept apart. */
  readonly values: ReadonlyMap<PropertyName, Buffer>;
  /** Null when the message has no header table at all, which is not the same as an empty one. */
  readonly headers: readonly Header[] | null;
}

/** Takes the property bytes of a content header apart. @throws {RangeError} when they are not well formed. */
export function parseProperties(bytes: Buffer): MessageProperties {
  const reading = new Reading(bytes);
  const flags = reading.u16();
  const values = new Map<PropertyName, Buffer>();
  let headers: readonly Header[] | null = null;
  for (const [index, [name, form]] of PROPERTIES.entries()) {
    if ((flags & (1 << (15 - index))) === 0) continue;
    if (form === 'long') headers = parseHeaders(reading.long());
    else values.set(name, form === 'short' ? reading.short() : reading.take(form === 'octet' ? 1 : 8));
  }
  if (reading.left() !== 0) throw new RangeError('properties have bytes that no flag explains');
  return { values, headers };
}

/** The property bytes of a content header. The reverse of `parseProperties`. */
export function formatProperties({ values, headers }: MessageProperties): Buffer {
  let flags = 0;
  const body = new Pieces();
  for (const [index, [name, form]] of PROPERTIES.entries()) {
    const value = form === 'long' ? headers && formatHeaders(headers) : values.get(name);
    if (!value) continue;
    flags |= 1 << (15 - index);
    if (form === 'short') body.short(value);
    else if (form === 'long') body.long(value);
    else body.raw(value);
  }
  return Buffer.concat([new Pieces().u16(flags).bytes(), body.bytes()]);
}

const EXPIRATION_BIT = 1 << (15 - PROPERTIES.findIndex(([name]) => name === 'expiration'));

/** Whether a message ends by itself some time, told from its flags. */
export const hasExpiration = (bytes: Buffer): boolean => (bytes.readUInt16BE(0) & EXPIRATION_BIT) !== 0;

/** A header whose value is a text. */
export function textHeader(name: string, text: Buffer): Header {
  return { name: Buffer.from(name), value: new Pieces().raw(Buffer.from('S')).long(text).bytes() };
}

function formatHeaders(headers: readonly Header[]): Buffer {
  const pieces = new Pieces();
  for (const { name, value } of headers) pieces.short(name).raw(value);
  return pieces.bytes();
}

function parseHeaders(table: Buffer): Header[] {
  const reading = new Reading(table);
  const headers: Header[] = [];
  while (reading.left() > 0) {
    const name = reading.short();
    const left = reading.left();
    const from = table.length - left;
    skipValue(reading);
    headers.push({ name, value: table.subarray(from, table.length - reading.left()) });
  }
  return headers;
}

// Length of a value by its type byte; S, x, F and A say theirs.
const FIXED: Readonly<Record<string, number>> = {
  t: 1,
  b: 1,
  B: 1,
  s: 2,
  u: 2,
  I: 4,
  i: 4,
  f: 4,
  l: 8,
  L: 8,
  d: 8,
  T: 8,
  D: 5,
  V: 0,
};

function skipValue(reading: Reading): void {
  const type = String.fromCharCode(reading.u8());
  const fixed = FIXED[type];
  if (fixed !== undefined) reading.take(fixed);
  else if ('SxFA'.includes(type)) reading.long();
  else throw new RangeError(`a header has the unknown type ${JSON.stringify(type)}`);
}
