// Carries keys from the scratch server into the live one, writing down before each batch what it replaces.
import type { Redis } from 'ioredis';
import { reportProgress, throwIfCancelled } from '../shared/activity-context.ts';
import { type KeyPrint, printKeys } from './canonical.ts';
import { batch } from './commands.ts';
import { type KeySelection, selected } from './compare.ts';
import { type Exchange, exchangeKeys } from './exchange-keys.ts';
import { Journal, readJournalBackwards } from './journal.ts';
import { putBack } from './put-back.ts';

export interface Difference {
  readonly add: number;
  readonly replace: number;
  readonly same: number;
  /** By how much the live server would grow, by the servers' own estimates; below zero when it shrinks. */
  readonly growthBytes: number;
}

/** What a copy would do, key by key; changes nothing. */
export async function differenceOf(scratch: Redis, live: Redis, selection: KeySelection): Promise<Difference> {
  const counts = { add: 0, replace: 0, same: 0, growthBytes: 0 };
  for await (const { database, batch: keys } of selected(scratch, selection)) {
    await live.select(database);
    for (const pair of await pairsOf(scratch, live, keys)) {
      const change = changeOf(pair);
      if (change === null) continue;
      counts[change] += 1;
      if (change !== 'same') counts.growthBytes += (pair.wanted?.bytes ?? 0) - (pair.present?.bytes ?? 0);
    }
  }
  return counts;
}

function changeOf({ wanted, present }: Exchange): 'add' | 'replace' | 'same' | null {
  if (wanted === null) return null;
  if (present === null) return 'add';
  return isSame(wanted, present) ? 'same' : 'replace';
}

const isSame = (wanted: KeyPrint, present: KeyPrint | null) => present?.digest.equals(wanted.digest) ?? false;

async function pairsOf(scratch: Redis, live: Redis, keys: readonly Buffer[]): Promise<Exchange[]> {
  const [wanted, present] = [await printKeys(scratch, keys), await printKeys(live, keys)];
  return keys.map((key, index) => ({ key, wanted: wanted[index] ?? null, present: present[index] ?? null }));
}

/** Copies the selected keys that differ. A second run finds them equal and leaves them. */
export async function copyKeys(
  scratch: Redis,
  live: Redis,
  selection: KeySelection,
  journalFolder: string,
): Promise<{ readonly written: number; readonly same: number }> {
  const journal = await Journal.begin(journalFolder);
  let [written, same] = [0, 0];
  try {
    for await (const { database, batch: keys } of selected(scratch, selection)) {
      await live.select(database);
      const differing = await differingKeys(scratch, live, keys);
      await exchangeKeys({ live, database, journal, from: scratch }, differing);
      written += differing.length;
      same += keys.length - differing.length;
      progress('writing keys', written);
    }
  } finally {
    await journal.end();
  }
  return { written, same };
}

/** Removes keys of the live store that the backup does not have, each written down first. */
export async function removeSurplus(
  scratch: Redis,
  live: Redis,
  selection: KeySelection,
  journalFolder: string,
): Promise<number> {
  const journal = await Journal.begin(journalFolder);
  let removed = 0;
  try {
    for await (const { database, batch: keys } of selected(live, selection)) {
      await scratch.select(database);
      const there = await batch(
        scratch,
        keys.map((key) => ['EXISTS', key]),
      );
      const surplus = keys.filter((_, index) => Number(there[index]) === 0);
      const prints = await printKeys(live, surplus);
      const changes = surplus.map((key, index): Exchange => ({ key, wanted: null, present: prints[index] ?? null }));
      await exchangeKeys({ live, database, journal, from: scratch }, changes);
      removed += surplus.length;
    }
  } finally {
    await journal.end();
  }
  return removed;
}

/** Puts back what the journals of a folder hold, newest first. A second run puts the same back. */
export async function replayJournal(
  live: Redis,
  journalFolder: string,
): Promise<{ readonly back: number; readonly gone: number }> {
  let [back, gone] = [0, 0];
  for await (const entries of readJournalBackwards(journalFolder)) {
    throwIfCancelled();
    await putBack(live, entries);
    const wasThere = entries.filter(({ payload, piecesPath }) => payload !== null || piecesPath !== undefined).length;
    back += wasThere;
    gone += entries.length - wasThere;
    progress('putting keys back', back);
  }
  return { back, gone };
}

async function differingKeys(scratch: Redis, live: Redis, keys: readonly Buffer[]): Promise<Exchange[]> {
  const pairs = await pairsOf(scratch, live, keys);
  return pairs.filter((pair) => ['add', 'replace'].includes(changeOf(pair) ?? ''));
}

function progress(what: string, keys: number): void {
  reportProgress({ what: `${what} (${keys})`, doneBytes: 0, totalBytes: null, bytesPerSecond: 0 });
}
