// The first half of the failover's story: two sites under a live load, one of them dies, people agree, the other is made by
// Terraform and takes over, and the workload's own lists say what was lost and how long it waited.
import type { FailoverRecord } from '../../../domain/failover-record.ts';
import type { Checksums } from '../../checksums.ts';
import { markerStores } from '../../marker-stores.ts';
import { killAll } from '../../processes.ts';
import { typed } from '../product.ts';
import type { Running } from '../running.ts';
import { count, type Screen, time } from '../screen.ts';
import { backUp, load, measure, verify } from '../story.ts';
import { compare, type Found, type Held, type Lists, MARKED, readLists, readStores, servedSince } from './account.ts';
import { lossTable, partTable, stepTable, type Told } from './closing-tables.ts';
import { isAlarmed, newestRecord, objectivesOfStage } from './ledger.ts';
import { awaitCleanWindow, leastOf, until } from './patience.ts';
import { agreeToGround, approveAll, carryOut } from './people-at-work.ts';
import { startTwoSites, type TwoSites } from './stage.ts';

export interface FailoverSpec {
  readonly running: Running;
  readonly screen: Screen;
  readonly scale: number;
  /** False fails over from stored backups, which nobody has proven yet. */
  readonly proves?: boolean;
  readonly cleanWindowMs?: number;
}

export interface TakenOver {
  readonly stage: TwoSites;
  readonly good: boolean;
  /** What west held besides the markers. */
  readonly before: Checksums;
  /** When west was killed, in milliseconds since 1970. */
  readonly diedAt: number;
  /** The markers that east held when the account was given. */
  readonly held: Held;
  readonly told: Told;
}

/** How many more markers every store gets after the last backup: what the failover has to lose. */
const MARKERS_AT_RISK = 150;
export const CLEAN_WINDOW_MS = 20_000;

/** Starts two sites under a live load, kills one, lets the other take over, and gives the account of it. */
export async function takeOver(spec: FailoverSpec): Promise<TakenOver> {
  const { running, screen, scale, proves = true, cleanWindowMs = CLEAN_WINDOW_MS } = spec;
  screen.chapter('Start two sites and a witness: each site with PostgreSQL, Redis, RabbitMQ, configuration and TLS');
  const started = Date.now();
  const stage = await startTwoSites(running, (part) => screen.good(`${part} after ${time(Date.now() - started)}`));
  screen.line(`  everything is below ${stage.platform.directory}`);
  screen.line(`  Temporal's Web UI: ${stage.platform.temporal.uiUrl}`);
  await load(stage.west, screen, { scale, seed: 1 });
  const before = await measure(stage.west, screen);
  const workload = await startWork(stage, screen);
  await backUp(stage.witness, screen);
  if (proves) await verify(stage.witness, screen);
  const diedAt = await killWest(stage, screen);
  const words = ['failover', 'run', '--to', 'east', ...(proves ? [] : ['--unproven'])];
  screen.chapter(`Somebody fails over:  ${typed(words)}`);
  await carryOut(stage, screen, words, [agreeToGround, approveAll]);
  const cleanAt = await awaitCleanWindow(stage, screen, { site: 'east', downAt: diedAt, windowMs: cleanWindowMs });
  await workload.stop();
  return { stage, before, diedAt, ...(await account(stage, screen, { diedAt, cleanAt })) };
}

async function startWork(stage: TwoSites, screen: Screen) {
  const { publicName, west } = stage;
  screen.chapter(`Start a workload and an outside probe, both through ${publicName.name} and its DNS servers`);
  const stores = markerStores(west.access);
  for (const store of stores) await store.prepare();
  for (const store of stores) await store.close();
  const workload = await stage.startClients();
  await until('the workload writes', async () => leastOf(await readLists(stage.lists)) > 0);
  screen.good('numbered markers: a committed row, an acknowledged key and a confirmed message, one after the other');
  screen.line('  what each store has acknowledged is written down outside of both sites');
  return workload;
}

async function killWest(stage: TwoSites, screen: Screen): Promise<number> {
  const { west, lists } = stage;
  const least = leastOf(await readLists(lists)) + MARKERS_AT_RISK;
  await until(`every store has ${least} markers`, async () => leastOf(await readLists(lists)) >= least);
  screen.chapter('West dies:  kill -9 of every process of it');
  const killed = killAll(stage.westPids, west.directory);
  const diedAt = Date.now();
  screen.good(`${killed.length} processes killed: its stores, its worker and its front door`);
  await until('dr witness has told of it', () => isAlarmed(stage));
  screen.good('dr witness has written down when it began, alarmed once, and had a failover planned; it starts none');
  return diedAt;
}

interface Times {
  readonly diedAt: number;
  readonly cleanAt: number;
}

async function account(
  stage: TwoSites,
  screen: Screen,
  { diedAt, cleanAt }: Times,
): Promise<Pick<TakenOver, 'good' | 'held' | 'told'>> {
  const [record, objectives] = [await newestRecord(stage), objectivesOfStage(stage)];
  const [lists, held] = [await readLists(stage.lists), await readStores(stage.east.access)];
  const found = findLosses(lists, held, diedAt);
  screen.chapter('Recovery time, in parts');
  for (const line of partTable(record, objectives)) screen.line(line);
  screen.chapter('Its steps');
  for (const line of stepTable(record)) screen.line(line);
  screen.chapter('What was lost');
  for (const line of lossTable(record, found, objectives)) screen.line(line);
  screen.chapter('Judged from outside, without Holdfast');
  const servedAt = Number(servedSince(lists, diedAt));
  const good = [waited(record, screen, { diedAt, servedAt, cleanAt }), lostAsTold(record, screen, found)].every(
    Boolean,
  );
  return { good, held, told: toldOf(record, lists, found, servedAt - diedAt) };
}

function toldOf(record: FailoverRecord, lists: Lists, found: Losses, waitedMs: number): Told {
  const sum = (of: (system: (typeof MARKED)[number]) => number) => MARKED.reduce((all, system) => all + of(system), 0);
  const [acknowledged, lost] = [sum((system) => lists[system].length), sum((system) => found[system].lost)];
  return { record, waitedMs, acknowledged, lost };
}

type Losses = Readonly<Record<(typeof MARKED)[number], Found>>;

function findLosses(lists: Lists, held: Held, diedAt: number): Losses {
  const found = MARKED.map((system) => [system, compare(lists[system], held[system], diedAt)] as const);
  return Object.fromEntries(found) as Losses;
}

// The account counts until the last cache may hold the old address; a client may be served sooner, never much later.
// What disturbs the clean window after that is not the failover's.
function waited(
  { outage, recoveryTime }: FailoverRecord,
  screen: Screen,
  { diedAt, servedAt, cleanAt }: Times & { readonly servedAt: number },
): boolean {
  if (outage === null) screen.bad('the account knows of no outage, although the probe told one');
  const after = (at: number) => time(at - diedAt);
  const first = after(servedAt) === after(cleanAt) ? '' : `, and were first served after ${after(servedAt)}`;
  const line = `clients waited ${after(cleanAt)} from the kill to the first marker of the clean window${first}; the account says ${time(recoveryTime.seconds * 1000)}`;
  const good = outage !== null && (servedAt - diedAt) / 1000 <= recoveryTime.seconds + SLACK_SECONDS;
  if (good) screen.good(line);
  else screen.bad(line);
  return good;
}

/** The probe's first look after the kill, and the workload's next try: neither is at once on a busy machine. */
export const SLACK_SECONDS = 15;

function lostAsTold({ losses }: FailoverRecord, screen: Screen, found: Losses): boolean {
  const verdicts = MARKED.map((system) => {
    const { lost, lostLater } = found[system];
    const reported = losses[system]?.markers?.lost ?? null;
    const line = `${system}: ${count(lost)} acknowledged markers are not there, ${reported === null ? 'none' : count(reported)} were reported; ${lostLater} lost after the opening`;
    const good = lost === reported && lostLater === 0;
    if (good) screen.good(line);
    else screen.bad(line);
    return good;
  });
  return verdicts.every(Boolean);
}
