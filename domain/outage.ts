// What a probe outside of every site saw of the public name: one record when it failed first, another when it was well
// again. Where the detection of a failover begins; without a record nobody knows, and nobody guesses.
import { canonicalJson } from './json.ts';
import { ISO_TIME, parseJson, shapeOf } from './record-shape.ts';

export interface Outage {
  /** ISO time of the first probe that failed. */
  readonly since: string;
  /** Who probed what, in words: `the demo's probe of app.orders.example`. */
  readonly by: string;
  /** ISO time of the first probe that was answered again; null while it lasts. */
  readonly until: string | null;
}

export interface OutageRecord {
  readonly format: 1;
  readonly platform: string;
  readonly what: 'down' | 'up';
  readonly at: string;
  readonly by: string;
}

/** `2026-11-24T03-00-00.000Z-down.json`: names sort as their times do. */
export const outageName = ({ at, what }: Pick<OutageRecord, 'at' | 'what'>): string =>
  `${at.replaceAll(':', '-')}-${what}.json`;

export const isOutageName = (name: string): boolean => /^\d{4}-[\dTZ.-]+-(down|up)\.json$/.test(name);

export const formatOutage = (record: OutageRecord): string => `${canonicalJson({ ...record })}\n`;

/** @throws {Failure} LEDGER_BROKEN when the text is no such record. */
export function parseOutage(text: string, name: string): OutageRecord {
  const shape = shapeOf(parseJson(text, name, 'LEDGER_BROKEN'), name, 'LEDGER_BROKEN');
  const what = shape.text('what', /^(down|up)$/) === 'down' ? 'down' : 'up';
  const facts = { platform: shape.text('platform'), at: shape.text('at', ISO_TIME), by: shape.text('by') };
  return { format: 1, what, ...facts };
}

/** The outage that a run was started for: the newest that had not ended when the run began. */
export function outageAt(records: readonly OutageRecord[], startedAt: string, openedAt: string): Outage | null {
  const isDuring = ({ since, until }: Outage) =>
    Date.parse(since) <= Date.parse(openedAt) && (until === null || Date.parse(until) >= Date.parse(startedAt));
  return outagesIn(records).findLast(isDuring) ?? null;
}

/** The newest outage, whether it lasts or has ended; null before the first. */
export const newestOutage = (records: readonly OutageRecord[]): Outage | null => outagesIn(records).at(-1) ?? null;

function outagesIn(records: readonly OutageRecord[]): readonly Outage[] {
  const sorted = [...records].sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
  const outages: Outage[] = [];
  for (const { what, at, by } of sorted) {
    const last = outages.at(-1);
    const isOpen = last !== undefined && last.until === null;
    if (what === 'down' && !isOpen) outages.push({ since: at, by, until: null });
    if (what === 'up' && isOpen) outages[outages.length - 1] = { ...last, until: at };
  }
  return outages;
}
