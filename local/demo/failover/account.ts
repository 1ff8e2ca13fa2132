// The demo's own judgement, without Holdfast: the workload's lists beside what is in the stores, and the clients' wait.
import { readFile } from 'node:fs/promises';
import type { MarkedSystem } from '../../../domain/markers.ts';
import { markerStores } from '../../marker-stores.ts';
import type { SiteAccess } from '../../site.ts';
import type { WorkloadInput } from './workload-process.ts';

/** One acknowledged marker, in the order of acknowledgement. */
export interface Acknowledged {
  readonly marker: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export type Lists = Readonly<Record<MarkedSystem, readonly Acknowledged[]>>;

export const MARKED: readonly MarkedSystem[] = ['postgres', 'redis', 'rabbitmq'];

const bySystem = async <T>(make: (system: MarkedSystem) => Promise<T>): Promise<Readonly<Record<MarkedSystem, T>>> => {
  const entries = MARKED.map(async (system) => [system, await make(system)] as const);
  return Object.fromEntries(await Promise.all(entries)) as Readonly<Record<MarkedSystem, T>>;
};

/** What the workload wrote down so far. */
export const readLists = (files: WorkloadInput['lists']): Promise<Lists> =>
  bySystem(async (system) => {
    const text = await readFile(files[system], 'utf8').catch(() => ''); // The workload makes it with its first marker.
    const lines = text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter((line) => line !== '');
    return lines.map((line) => ({ marker: Number(line.split(' ')[1]), at: Date.parse(line.split(' ')[0] ?? '') }));
  });

/** The markers that the stores of a site hold. */
export type Held = Readonly<Record<MarkedSystem, readonly number[]>>;

/** Every marker that the stores of a site hold. Nobody else may use them meanwhile. */
export async function readStores(access: SiteAccess): Promise<Held> {
  const stores = markerStores(access);
  try {
    return await bySystem(async (system) => (await stores.find((store) => store.system === system)?.read()) ?? []);
  } finally {
    await Promise.all(stores.map((store) => store.close()));
  }
}

export interface Found {
  /** Acknowledged before the site died, and not there any more. */
  readonly lost: number;
  /** From the first acknowledgement that is lost to the last one before the site died. */
  readonly lostSeconds: number;
  /** Acknowledged after the site died, at the new one, and not there: never allowed. */
  readonly lostLater: number;
}

/** What is lost, by comparing the list of a store with what is in it. */
export function compare(list: readonly Acknowledged[], held: readonly number[], diedAt: number): Found {
  const there = new Set(held);
  const absent = list.filter(({ marker }) => !there.has(marker));
  const lost = absent.filter(({ at }) => at <= diedAt);
  const last = list.findLast(({ at }) => at <= diedAt);
  const first = lost[0];
  const lostSeconds = first === undefined || last === undefined ? 0 : (last.at - first.at) / 1000;
  return { lost: lost.length, lostSeconds, lostLater: absent.length - lost.length };
}

const LONGEST_GAP_MS = 3000;

/**
 * When the first clean window began: from then on every store acknowledged without a longer gap, for the whole window.
 * @returns null while there was none yet.
 */
export function cleanSince(lists: Lists, diedAt: number, windowMs: number, now: number): number | null {
  const later = MARKED.map((system) => lists[system].flatMap(({ at }) => (at > diedAt ? [at] : [])));
  const beginnings = later.flat().sort((one, other) => one - other);
  return (
    beginnings.find((from) => from + windowMs <= now && later.every((at) => isSteady(at, from, from + windowMs))) ??
    null
  );
}

function isSteady(times: readonly number[], from: number, to: number): boolean {
  const first = times.findLastIndex((at) => at <= from);
  if (first < 0) return false;
  let last = times[first] as number;
  for (const at of times.slice(first + 1)) {
    if (last >= to || at - last > LONGEST_GAP_MS) break;
    last = at;
  }
  return to - last <= LONGEST_GAP_MS;
}

/** When the last of the stores took a marker again. @returns null while one has not. */
export function servedSince(lists: Lists, diedAt: number): number | null {
  const firsts = MARKED.map((system) => lists[system].find(({ at }) => at > diedAt)?.at);
  return firsts.some((at) => at === undefined) ? null : Math.max(...firsts.map(Number));
}

/** What a store held at one look, and all that was acknowledged after a moment before it: all of it has to be there later. */
export const owed = (list: readonly Acknowledged[], since: number, held: readonly number[]): ReadonlySet<number> =>
  new Set([...held, ...list.flatMap(({ at, marker }) => (at > since ? [marker] : []))]);

/**
 * How long clients of the store that waited longest had no answer around a moment, in milliseconds.
 * @returns null while one of them has had none since.
 */
export function interruption(lists: Lists, at: number): number | null {
  const gaps = MARKED.map((system) => {
    const before = lists[system].findLast((one) => one.at <= at);
    const after = lists[system].find((one) => one.at > at);
    return before === undefined || after === undefined ? null : after.at - before.at;
  });
  return gaps.some((gap) => gap === null) ? null : Math.max(...gaps.map(Number));
}
