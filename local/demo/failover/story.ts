// The failover's story: two sites under a live load, one of them dies, people agree, the other takes over, and the
// workload's own lists say what was lost and how long it waited.
import { setTimeout as wait } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { createLedger } from '../../../activities/ledger/index.ts';
import { objectivesOf } from '../../../client/output/account.ts';
import { configurationSchema } from '../../../domain/configuration/schema.ts';
import type { FailoverRecord } from '../../../domain/failover-record.ts';
import { failoverWorkflowId } from '../../../domain/run-names.ts';
import { runState } from '../../../workflows/messages.ts';
import { type Checksums, differences, siteChecksums } from '../../checksums.ts';
import { markerStores } from '../../marker-stores.ts';
import type { Person } from '../../people.ts';
import { killAll } from '../../processes.ts';
import { typed } from '../product.ts';
import type { Running } from '../running.ts';
import { count, type Screen, time } from '../screen.ts';
import { backUp, load, measure, told, verify } from '../story.ts';
import { cleanSince, compare, type Found, type Lists, MARKED, readLists, readStores, servedSince } from './account.ts';
import { lossTable, partTable, stepTable } from './closing-tables.ts';
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
}

/** How many more markers every store gets after the last backup: what the failover has to lose. */
const MARKERS_AT_RISK = 150;
const CLEAN_WINDOW_MS = 20_000;
const PATIENCE_MS = 180_000;

/** Tells the whole story and compares everything. @returns with `good` false when something is not as it has to be. */
export async function tellFailover(spec: FailoverSpec): Promise<TakenOver> {
  const end = await takeOver(spec);
  const isSame = await compareRest(end.stage, spec.screen, end.before);
  return { ...end, good: end.good && isSame };
}

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
  await failOver(stage, screen, ['failover', 'run', '--to', 'east', ...(proves ? [] : ['--unproven'])]);
  const cleanAt = await awaitCleanWindow(stage, screen, { diedAt, windowMs: cleanWindowMs });
  await workload.stop();
  const servedAt = Number(servedSince(await readLists(stage.lists), diedAt));
  return { stage, before, diedAt, good: await account(stage, screen, { diedAt, servedAt, cleanAt }) };
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

const leastOf = (lists: Lists): number => Math.min(...MARKED.map((system) => lists[system].length));

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; !(await isSo()); await wait(200))
    if (Date.now() > deadline) throw new Error(`waited too long until ${what}`);
}

async function killWest(stage: TwoSites, screen: Screen): Promise<number> {
  const { west, lists } = stage;
  const least = leastOf(await readLists(lists)) + MARKERS_AT_RISK;
  await until(`every store has ${least} markers`, async () => leastOf(await readLists(lists)) >= least);
  screen.chapter('West dies:  kill -9 of every process of it');
  const killed = killAll(stage.westPids, west.directory);
  const diedAt = Date.now();
  screen.good(`${killed.length} processes killed: its stores, its worker and its front door`);
  return diedAt;
}

async function failOver(stage: TwoSites, screen: Screen, words: readonly string[]): Promise<void> {
  const { platform, people, witness } = stage;
  const run = failoverWorkflowId(platform.name);
  screen.chapter(`Somebody fails over:  ${typed(words)}`);
  const show = (line: string) => screen.line(`  │ ${line}`);
  const ended = witness.watch(words, show);
  await Promise.race([approvalAsked(platform.temporal.address, run), ended]);
  for (const person of people) await approve(stage, screen, run, person);
  const exit = await ended;
  if (exit !== 0 && exit !== 3) throw new Error(`${typed(words)} ended with ${exit}`);
}

// It shows the plan once more before it signs; here only what it ends with is shown.
async function approve({ platform, witness }: TwoSites, screen: Screen, run: string, person: Person): Promise<void> {
  const words = ['approve', run, '--as', person.name, '--key', person.privateKey, '--confirm', platform.name];
  screen.line(`  ${screen.paint('bold', typed(words))}`);
  const lines: string[] = [];
  const exit = await witness.watch(words, (line) => void lines.push(line));
  if (exit !== 0) throw new Error(`${typed(words)} ended with ${exit}:\n${lines.join('\n')}`);
  screen.good(lines.findLast((line) => line.startsWith('approved by')) ?? 'approved');
}

async function approvalAsked(address: string, run: string): Promise<void> {
  const connection = await Connection.connect({ address });
  try {
    const handle = new Client({ connection }).workflow.getHandle(run);
    // Before the run has begun, and while it plans, there is nothing to ask.
    const questions = () =>
      handle.query(runState).then(
        (state) => state.questions,
        () => [],
      );
    await until('the run asks for approvals', async () => (await questions()).some(({ step }) => step === 'approve'));
  } finally {
    await connection.close();
  }
}

async function awaitCleanWindow(
  { lists }: TwoSites,
  screen: Screen,
  { diedAt, windowMs }: { readonly diedAt: number; readonly windowMs: number },
): Promise<number> {
  screen.chapter('The workload goes on by itself: it asks DNS again');
  await until('every store takes markers again', async () => servedSince(await readLists(lists), diedAt) !== null);
  screen.good('east takes its markers');
  let since: number | null = null;
  await until('the workload has a clean window', async () => {
    since = cleanSince(await readLists(lists), diedAt, windowMs, Date.now());
    return since !== null;
  });
  screen.good(`clean for ${time(windowMs)} (this demo's window; a real judgement waits for a minute)`);
  return Number(since);
}

interface Times {
  readonly diedAt: number;
  /** When every store had taken a marker again. */
  readonly servedAt: number;
  readonly cleanAt: number;
}

async function account({ platform, east, lists }: TwoSites, screen: Screen, times: Times): Promise<boolean> {
  const { witness } = platform.configuration;
  const record = await createLedger({ platform: platform.name, witnessDirectory: witness.directory }).newestFailover();
  if (record === null) throw new Error('the failover wrote no account');
  const found = await findLosses(await readLists(lists), await readStores(east.access), times.diedAt);
  const objectives = objectivesOf(configurationSchema.parse(platform.configuration));
  screen.chapter('Recovery time, in parts');
  for (const line of partTable(record, objectives)) screen.line(line);
  screen.chapter('Its steps');
  for (const line of stepTable(record)) screen.line(line);
  screen.chapter('What was lost');
  for (const line of lossTable(record, found, objectives)) screen.line(line);
  screen.chapter('Judged from outside, without Holdfast');
  return [waited(record, screen, times), lostAsTold(record, screen, found)].every(Boolean);
}

async function findLosses(
  lists: Lists,
  held: Awaited<ReturnType<typeof readStores>>,
  diedAt: number,
): Promise<Readonly<Record<(typeof MARKED)[number], Found>>> {
  const found = MARKED.map((system) => [system, compare(lists[system], held[system], diedAt)] as const);
  return Object.fromEntries(found) as Readonly<Record<(typeof MARKED)[number], Found>>;
}

// The account counts until the last cache may hold the old address; a client may be served sooner, never much later.
// What disturbs the clean window after that is not the failover's.
function waited(
  { outage, recoveryTime }: FailoverRecord,
  screen: Screen,
  { diedAt, servedAt, cleanAt }: Times,
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
const SLACK_SECONDS = 15;

function lostAsTold(
  { losses }: FailoverRecord,
  screen: Screen,
  found: Readonly<Record<(typeof MARKED)[number], Found>>,
): boolean {
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

async function compareRest({ east }: TwoSites, screen: Screen, before: Checksums): Promise<boolean> {
  screen.chapter('Remove the markers and compare everything else with what west held');
  const stores = markerStores(east.access);
  for (const store of stores) await store.remove();
  for (const store of stores) await store.close();
  const now = await siteChecksums(east);
  // The key of the demo's own authority lies beside the certificates, and belongs to no system.
  const found = differences(before, now).filter((line) => !line.startsWith('tls authority.key'));
  for (const line of found) screen.bad(line);
  if (found.length === 0) screen.good(`${told(now)}: no difference`);
  return found.length === 0;
}
