// From single looks at the public name to outages. What comes and goes is one outage: it has ended only when every look
// was answered for long enough, and a time in which nobody looked counts for nothing.
import type { OutageRecord } from './outage.ts';

export interface WatchRules {
  /** Looks in a row that have to fail before it is an outage. */
  readonly downAfter: number;
  /** How long every look has to be answered before the outage has ended. */
  readonly cleanMs: number;
  /** Looks further apart than this are no row: nobody knows what was between them. */
  readonly gapMs: number;
}

/** One look at everything. */
export interface Sight {
  /** ISO time of its beginning. */
  readonly at: string;
  /** True when everything answered. */
  readonly isWell: boolean;
}

/** The newest looks that saw the same. */
interface Row {
  readonly isWell: boolean;
  readonly count: number;
  readonly firstAt: string;
  readonly lastAt: string;
}

export interface Watch {
  /** ISO time of the first failed look of the outage that lasts; null while there is none. */
  readonly since: string | null;
  readonly row: Row | null;
}

export type OutageChange = Pick<OutageRecord, 'what' | 'at'>;

/** Where a witness begins that has just been started; an outage that lasts is known from the ledger. */
export const watchFrom = (since: string | null): Watch => ({ since, row: null });

/** The watch after one more look, and what it changed. */
export function watchOn(
  { since, row: before }: Watch,
  sight: Sight,
  rules: WatchRules,
): { readonly watch: Watch; readonly change: OutageChange | null } {
  const row = extended(before, sight, rules);
  if (since === null && !row.isWell && row.count >= rules.downAfter)
    return { watch: { since: row.firstAt, row }, change: { what: 'down', at: row.firstAt } };
  if (since !== null && row.isWell && msBetween(row.firstAt, row.lastAt) >= rules.cleanMs)
    return { watch: { since: null, row }, change: { what: 'up', at: row.firstAt } };
  return { watch: { since, row }, change: null };
}

function extended(row: Row | null, { at, isWell }: Sight, { gapMs }: WatchRules): Row {
  const gap = row === null ? 0 : msBetween(row.lastAt, at);
  // A clock that was set back tells as little as a gap.
  if (row === null || row.isWell !== isWell || gap > gapMs || gap < 0)
    return { isWell, count: 1, firstAt: at, lastAt: at };
  return { ...row, count: row.count + 1, lastAt: at };
}

const msBetween = (from: string, to: string): number => Date.parse(to) - Date.parse(from);
