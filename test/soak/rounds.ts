// What is tried every half minute while everything else goes on: a loss and its restore, judged by the workload's own
// ledger; a test restore; a damaged copy that must be noticed, passed over and told.
import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackupSummary, Manifest } from '../../domain/manifest.ts';
import type { PlatformStatus } from '../../domain/status/platform.ts';
import { SYSTEM_NAMES, SYSTEMS, type SystemName } from '../../domain/systems.ts';
import type { RestoreSystemResult, VerifyBackupsResult } from '../../workflows/messages.ts';
import { dr } from '../client/dr.ts';
import type { Harness } from '../integration/harness.ts';
import { storePid } from '../support/store-process.ts';
import type { Chance } from './chance.ts';
import { flipOneBit, signal } from './faults.ts';
import type { Judge } from './oracles.ts';
import { runToEnd } from './runs.ts';
import { persistently, type Workload } from './workload.ts';

export interface Soak {
  readonly harness: Harness;
  readonly chance: Chance;
  readonly judge: Judge;
  readonly workloads: readonly Workload[];
  nextId(word: string): string;
}

/** One round: what was done, in one line. */
export type Round = (soak: Soak) => Promise<string>;

export const ROUNDS: readonly Round[] = [
  (soak) => loseAndRestoreMarkers(soak, 'postgres'),
  restoreFile,
  (soak) => loseAndRestoreMarkers(soak, 'redis'),
  testRestore,
  (soak) => loseAndRestoreMarkers(soak, 'rabbitmq'),
  damageOneCopy,
  lookAtFrozenStore,
];

async function loseAndRestoreMarkers(soak: Soak, system: SystemName): Promise<string> {
  const workload = soak.workloads.find(({ store }) => store.system === system);
  if (workload === undefined) throw new Error(`no workload writes into ${system}`);
  return workload.whilePaused(async () => {
    const from = Date.now();
    const told = await restoreMarkers(soak, workload);
    workload.ledger.markDisturbed({ from, to: Date.now() });
    return told;
  });
}

async function restoreMarkers(soak: Soak, { store, ledger, replay }: Workload): Promise<string> {
  const { judge } = soak;
  await persistently(() => store.lose());
  const done = await restore(soak, store.system, { scope: store.scope, target: 'live' });
  const found = await persistently(() => store.read());
  if (done === null) {
    await replay(ledger.absentFrom(new Set(found)));
    return `markers of ${store.system}: not restored`;
  }
  const { backup } = done.plan.request;
  const manifest = await ask<Manifest>(soak, { kind: 'showBackup', backup });
  const taking = { from: Date.parse(manifest.startedAt), to: Date.parse(manifest.finishedAt) };
  const judgement = ledger.judge(found, taking);
  judge.markers(`${store.system}/${backup.backupId}`, judgement);
  const again = { scope: store.scope, target: 'live', backupId: backup.backupId };
  if (soak.chance.next(3) === 0) await restoreAgain(soak, store.system, again, found, () => store.read());
  await replay(ledger.absentFrom(new Set(found)));
  const exactly = judgement.isExact ? '' : ', taken during a restore';
  return `markers of ${store.system} from ${backup.backupId}: ${found.length} back, ${judgement.lostByAge} younger than the backup${exactly}`;
}

/** O8: the same request once more changes nothing. A queue that holds messages is left alone, and that is told. */
async function restoreAgain(
  soak: Soak,
  system: SystemName,
  wish: RestoreWish, // By the backup's own name: the newest is another one meanwhile.
  before: readonly number[],
  read: () => Promise<number[]>,
): Promise<void> {
  const id = soak.nextId('again');
  await runToEnd(soak.harness, 'restoreSystem', id, restoreInput(system, wish));
  const after = await persistently(read);
  soak.judge.same('O8', `a second restore of ${system}`, hashOf(before), hashOf(after));
}

const hashOf = (numbers: readonly number[]): string => createHash('sha256').update(numbers.join()).digest('hex');

// The file is the platform's own and nothing writes it: it must come back to the letter.
async function restoreFile(soak: Soak): Promise<string> {
  const path = 'orchestrator/.env';
  const file = join(soak.harness.platform.site.configDirectory, path);
  const before = await readFile(file, 'utf8');
  await rm(file);
  const done = await restore(soak, 'config', { scope: { kind: 'file', names: { path } }, target: 'live' });
  const after = await readFile(file, 'utf8').catch(() => 'not there');
  if (done !== null) soak.judge.same('O3', `config file ${path}`, hashText(before), hashText(after));
  else await writeFile(file, before, { mode: 0o600 });
  return `file ${path}: ${done === null ? 'not restored' : 'back'}`;
}

const hashText = (text: string): string => createHash('sha256').update(text).digest('hex');

async function testRestore(soak: Soak): Promise<string> {
  const system = soak.chance.pick(SYSTEM_NAMES);
  const done = await restore(soak, system, { scope: { kind: 'whole', names: {} }, target: 'scratch' });
  return `test restore of ${system}: ${done === null ? 'failed' : done.report.outcome}`;
}

/** O6: one flipped bit in one tier is found, told as failed, and passed over by a restore. */
async function damageOneCopy(soak: Soak): Promise<string> {
  const { harness, chance, judge } = soak;
  const backups = await listed(soak);
  if (backups.length === 0) return 'nothing is stored yet';
  const { system, backupId } = chance.pick(backups);
  const backup = { system, backupId };
  const { file, at, mend } = await flipOneBit(join(harness.platform.directory, 'repository'), backup, chance);
  try {
    const run = await verify(soak, { depth: 'stored', backup, all: false });
    const verdict = run.failure === null ? 'passed' : run.failure.code;
    judge.same('O6', `verification of ${system}/${backupId} with one flipped bit`, 'VERIFICATION_FAILED', verdict);
    const request = { scope: { kind: 'whole', names: {} }, target: 'scratch', backupId };
    const done = await restore(soak, system, request);
    judge.that('O3', done !== null, `${system}/${backupId}: the whole copy in the other tier was not restored`);
    return `bit at ${at} of ${file.slice(file.indexOf('/backups/') + 9)}: found, and passed over`;
  } finally {
    await mend();
  }
}

/** O6: while a store is frozen, the status shows it as anything but well, and still shows the rest. */
async function lookAtFrozenStore({ harness, chance, judge }: Soak): Promise<string> {
  const { site, configurationFile } = harness.platform;
  const system = chance.pick(['postgres', 'redis'] as const);
  const pid = await storePid(site, system);
  if (pid === null) return `${system} does not run now`;
  process.kill(pid, 'SIGSTOP');
  const { stdout } = await dr(['status', '--json', '--config', configurationFile]).finally(() =>
    signal(pid, 'SIGCONT'),
  );
  const { sections, level } = JSON.parse(stdout) as PlatformStatus;
  const shown = sections.find(({ name }) => name === system)?.level;
  judge.that('O6', shown === 'unknown' || shown === 'failed', `frozen ${system} is shown as ${shown}`);
  judge.that('O6', level !== 'ok' && level !== 'warning', `with a frozen ${system} the whole is shown as ${level}`);
  const config = sections.find(({ name }) => name === 'config')?.level;
  judge.that('O6', config === 'ok', `beside a frozen ${system} the configuration is shown as ${config}`);
  return `status with ${system} frozen: ${shown}`;
}

interface RestoreWish {
  readonly scope: object;
  readonly target: string;
  readonly backupId?: string;
}

function restoreInput(system: SystemName, { scope, target, backupId = 'newest' }: RestoreWish): object {
  const backup = { system, backupId };
  const request = { backup, tier: null, scope, target, expectedIdentity: null, options: {} };
  return { scheduled: false, system, dryRun: false, unattended: target === 'scratch', request };
}

/** @returns null when it failed in a way that a fault explains; anything else is a violation. */
async function restore(soak: Soak, system: SystemName, wish: RestoreWish): Promise<RestoreSystemResult | null> {
  const id = soak.nextId(`restore-${system}`);
  const run = await runToEnd<RestoreSystemResult>(soak.harness, 'restoreSystem', id, restoreInput(system, wish));
  soak.judge.restored(system, run);
  return run.result;
}

/** Verifies without asking for ages: what was restored meanwhile makes nothing younger. */
export function verify(soak: Soak, what: { depth: string; backup: object | null; all: boolean }) {
  const input = { scheduled: true, systems: SYSTEM_NAMES, maximumAgeSeconds: {}, ...what };
  return runToEnd<VerifyBackupsResult>(soak.harness, 'verifyBackups', soak.nextId('verify'), input);
}

/** The backups that the repository lists, newest first. */
export const listed = (soak: Soak): Promise<readonly BackupSummary[]> =>
  ask(soak, { kind: 'listBackups', system: null, tier: null });

/** @throws when the question has no answer: everything is up again within the patience of `persistently`. */
export async function ask<T>(soak: Soak, question: object): Promise<T> {
  return persistently(async () => {
    const input = { scheduled: false, question };
    const run = await runToEnd<T>(soak.harness, 'ask', soak.nextId('ask'), input);
    if (run.result === null) throw new Error(run.failure?.message ?? 'no answer');
    return run.result;
  });
}

/** Every kind that the schedules take, as one run. */
export function backUpEverything(soak: Soak) {
  const systems = SYSTEM_NAMES.map((system) => ({ system, kinds: SYSTEMS[system].defaultKinds }));
  const input = { scheduled: true, systems, applyRetention: true };
  return runToEnd(soak.harness, 'backUpPlatform', soak.nextId('backup'), input);
}
