// Waiting for what the workload's own lists show.
import { setTimeout as wait } from 'node:timers/promises';
import { type Screen, time } from '../screen.ts';
import { cleanSince, type Lists, MARKED, readLists, servedSince } from './account.ts';
import type { TwoSites } from './stage.ts';

const PATIENCE_MS = 180_000;

/** @throws {Error} when it takes minutes. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; !(await isSo()); await wait(200))
    if (Date.now() > deadline) throw new Error(`waited too long until ${what}`);
}

/** How many markers the store has that has the fewest. */
export const leastOf = (lists: Lists): number => Math.min(...MARKED.map((system) => lists[system].length));

export interface WantedWindow {
  /** The site that serves now. */
  readonly site: string;
  /** A moment in which nobody served, in milliseconds since 1970. */
  readonly downAt: number;
  readonly windowMs: number;
}

/** @returns when the first clean window began. */
export async function awaitCleanWindow(
  { lists }: TwoSites,
  screen: Screen,
  { site, downAt, windowMs }: WantedWindow,
): Promise<number> {
  screen.chapter('The workload goes on by itself: it asks DNS again');
  await until('every store takes markers again', async () => servedSince(await readLists(lists), downAt) !== null);
  screen.good(`${site} takes its markers`);
  let since: number | null = null;
  await until('the workload has a clean window', async () => {
    since = cleanSince(await readLists(lists), downAt, windowMs, Date.now());
    return since !== null;
  });
  screen.good(`clean for ${time(windowMs)} (this demo's window; a real judgement waits for a minute)`);
  return Number(since);
}
