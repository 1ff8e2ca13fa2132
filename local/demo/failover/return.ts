// The second half of the failover's story: west is rebuilt as the standby, people agree once more, and west takes over
// again from a site that lives. The workload goes on through all of it, and nothing that it was told may be missing.
import type { FailoverRecord } from '../../../domain/failover-record.ts';
import { type Checksums, siteChecksums, siteDifferences } from '../../checksums.ts';
import { markerStores } from '../../marker-stores.ts';
import { typed } from '../product.ts';
import { count, type Screen, time } from '../screen.ts';
import { told } from '../story.ts';
import { type Held, interruption, MARKED, owed, readLists, readStores, servedSince } from './account.ts';
import { bothTable, partTable, stepTable, type Told } from './closing-tables.ts';
import { newestRecord, objectivesOfStage } from './ledger.ts';
import { awaitCleanWindow, until } from './patience.ts';
import { approveAll, carryOut, sayGo } from './people-at-work.ts';
import type { TwoSites } from './stage.ts';
import { SLACK_SECONDS, type TakenOver } from './take-over.ts';

export interface CameBack {
  readonly stage: TwoSites;
  readonly good: boolean;
  readonly told: Told;
}

export interface ReturnSpec {
  readonly screen: Screen;
  readonly cleanWindowMs: number;
}

/** Rebuilds west, hands the platform back to it under a live load, and gives the account of both ways. */
export async function comeBack({ screen, cleanWindowMs }: ReturnSpec, taken: TakenOver): Promise<CameBack> {
  const workload = await goOn(taken.stage, screen);
  const stage = await rebuild(taken.stage, screen);
  await lookFirst(stage, screen);
  const words = ['failback', 'run', '--to', 'west'];
  screen.chapter(`Somebody fails back:  ${typed(words)}`);
  await carryOut(stage, screen, words, [approveAll, sayGo]);
  const record = await newestRecord(stage);
  const downAt = fencedAt(record);
  await awaitCleanWindow(stage, screen, { site: 'west', downAt, windowMs: cleanWindowMs });
  await workload.stop();
  const lists = await readLists(stage.lists);
  const there = await readStores(stage.west.access);
  const lost = missing(lists, there, taken);
  const back: Told = {
    record,
    waitedMs: interruption(lists, downAt),
    lost: sum(lost),
    acknowledged: acknowledged(lists),
  };
  showAccount(stage, screen, taken.told, back);
  const good = [nothingLost(record, screen, lost), waited(back, screen)].every(Boolean);
  screen.chapter('What is left to do: west is the active site of the configuration again');
  const settled = await stage.settle('west');
  screen.good('written, and the workers have read it');
  return { stage: settled, good, told: back };
}

async function goOn({ lists, startWork }: TwoSites, screen: Screen) {
  screen.chapter('The workload goes on, now at east');
  const before = await readLists(lists);
  const next = (list: readonly { readonly marker: number }[]) => (list.at(-1)?.marker ?? 0) + 1;
  const since = Date.now();
  const workload = await startWork({
    ...{ postgres: next(before.postgres), redis: next(before.redis), rabbitmq: next(before.rabbitmq) },
  });
  await until('the workload writes again', async () => servedSince(await readLists(lists), since) !== null);
  screen.good('every store takes its markers');
  return workload;
}

async function rebuild(stage: TwoSites, screen: Screen): Promise<TwoSites> {
  screen.chapter('West is rebuilt as the standby: what was left of it goes, and it starts with nothing');
  const started = Date.now();
  return stage.rebuildWest((part) => screen.good(`${part} after ${time(Date.now() - started)}`));
}

async function lookFirst({ witness }: TwoSites, screen: Screen): Promise<void> {
  const words = ['failback', 'plan', '--to', 'west'];
  screen.chapter(`Is it ready to come back to?  ${typed(words)}`);
  const exit = await witness.watch(words, (line) => screen.line(`  │ ${line}`));
  if (exit !== 0) throw new Error(`${typed(words)} ended with ${exit}`);
}

/** A moment in which no client was served: east was cut off, and west not open yet. */
function fencedAt({ steps }: FailoverRecord): number {
  const fence = steps.find(({ id }) => id === 'fence');
  if (fence === undefined) throw new Error('the account of the failback has no fence');
  return Date.parse(fence.endedAt);
}

type Lost = Readonly<Record<(typeof MARKED)[number], number>>;

// What east held when it was looked at, and all that was acknowledged since west died: west has to have it.
function missing(lists: Awaited<ReturnType<typeof readLists>>, there: Held, { diedAt, held }: TakenOver): Lost {
  const each = MARKED.map((system) => {
    const found = new Set(there[system]);
    const all = [...owed(lists[system], diedAt, held[system])];
    return [system, all.filter((marker) => !found.has(marker)).length] as const;
  });
  return Object.fromEntries(each) as Lost;
}

const sum = (lost: Lost): number => MARKED.reduce((all, system) => all + lost[system], 0);
const acknowledged = (lists: Awaited<ReturnType<typeof readLists>>): number =>
  MARKED.reduce((all, system) => all + lists[system].length, 0);

function showAccount(stage: TwoSites, screen: Screen, out: Told, back: Told): void {
  const objectives = objectivesOfStage(stage);
  screen.chapter('The failback, in parts: how long clients were kept out');
  for (const line of partTable(back.record, objectives)) screen.line(line);
  screen.chapter('Its steps');
  for (const line of stepTable(back.record)) screen.line(line);
  screen.chapter('There and back');
  for (const line of bothTable(out, back)) screen.line(line);
  screen.chapter('Judged from outside, without Holdfast');
}

function nothingLost({ losses }: FailoverRecord, screen: Screen, lost: Lost): boolean {
  const verdicts = MARKED.map((system) => {
    const reported = losses[system]?.markers?.lost ?? null;
    const line = `${system}: ${count(lost[system])} acknowledged markers were lost on the way back, ${reported === null ? 'none' : count(reported)} were reported`;
    const good = lost[system] === 0 && reported === 0;
    if (good) screen.good(line);
    else screen.bad(line);
    return good;
  });
  return verdicts.every(Boolean);
}

function waited({ record, waitedMs }: Told, screen: Screen): boolean {
  const { seconds } = record.recoveryTime;
  const line = `clients waited ${waitedMs === null ? 'for ever' : time(waitedMs)} for their next marker; the account says ${time(seconds * 1000)}`;
  const good = waitedMs !== null && record.servedUntil !== null && waitedMs / 1000 <= seconds + SLACK_SECONDS;
  if (good) screen.good(line);
  else screen.bad(line);
  return good;
}

/** Removes the markers from west, and compares all the rest with what it held before it died. */
export async function compareRest({ west }: TwoSites, screen: Screen, before: Checksums): Promise<boolean> {
  screen.chapter('Remove the markers and compare everything else with what west held before it died');
  const stores = markerStores(west.access);
  for (const store of stores) await store.remove();
  for (const store of stores) await store.close();
  const now = await siteChecksums(west);
  const found = siteDifferences(before, now);
  for (const line of found) screen.bad(line);
  if (found.length === 0) screen.good(`${told(now)}: no difference`);
  return found.length === 0;
}
