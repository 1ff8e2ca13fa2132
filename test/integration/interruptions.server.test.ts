// faults 1, 3, 4: whatever is killed in the middle of a backup or a restore, of any system, one correct result or a clean
// slate is left. All systems run at once, so that one kill strikes each of them somewhere else.
import { readFileSync } from 'node:fs';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BackupSummary } from '../../domain/manifest.ts';
import { SYSTEM_NAMES, SYSTEMS, type SystemName } from '../../domain/systems.ts';
import { loadDataset } from '../../local/dataset.ts';
import { descendantsOf } from '../../local/processes.ts';
import { type Harness, startHarness } from './harness.ts';

// A clean checkout is judged by moments that can be repeated; everywhere else they differ from run to run.
const seed = Number(process.env.HOLDFAST_SEED ?? (process.env.CI ? 26_903 : Date.now() % 100_000));
let harness: Harness;
let number = 0;

beforeAll(async () => {
  process.stdout.write(`interruptions: seed ${seed} (repeat with HOLDFAST_SEED=${seed})\n`);
  harness = await startHarness();
  await loadDataset(harness.platform.site.access, { scale: 0.1, seed: 1 });
  await harness.startWorker();
});
afterAll(() => harness.close());

/** A moment within the run, different for every scenario, the same for the same seed. */
const moment = (scenario: string): number => {
  const mixed = [...`${seed}${scenario}`].reduce((sum, character) => (sum * 31 + character.charCodeAt(0)) % 9973, 7);
  return 200 + (mixed / 9973) * 5000;
};

async function strikeAfter(scenario: string, strike: () => Promise<unknown>): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, moment(scenario)));
  await strike();
}

const VICTIMS: Readonly<Record<string, (runs: readonly WorkflowHandle[]) => Promise<unknown>>> = {
  'the worker is killed': async () => {
    await harness.endWorker('SIGKILL');
    await harness.startWorker();
  },
  'the Temporal server is killed and comes back with its database': async () => {
    await harness.platform.ownTemporal?.stop('SIGKILL');
    await harness.platform.ownTemporal?.start();
  },
  'a child process is killed': async () => {
    const [victim] = descendantsOf(harness.workerPid());
    if (victim !== undefined) process.kill(victim, 'SIGKILL');
  },
};

const kindOf = (system: SystemName): string => SYSTEMS[system].defaultKinds[0] ?? '';

const startBackups = () =>
  Promise.all(
    SYSTEM_NAMES.map((system) =>
      harness.start('backUpSystem', `backup-${system}-${++number}`, { scheduled: true, system, kind: kindOf(system) }),
    ),
  );

const startRestores = (backups: ReadonlyMap<SystemName, BackupSummary>) =>
  Promise.all(
    SYSTEM_NAMES.map((system) => {
      const backup = { system, backupId: backups.get(system)?.backupId ?? '' };
      const scope = { kind: 'whole', names: {} };
      const request = { backup, tier: null, scope, target: 'scratch', expectedIdentity: null, options: {} };
      return harness.start('restoreSystem', `restore-${system}-${++number}`, {
        scheduled: true,
        system,
        dryRun: false,
        request,
      });
    }),
  );

async function listed(): Promise<readonly BackupSummary[]> {
  const question = { kind: 'listBackups', system: null, tier: null };
  return (await harness.start('ask', `ask-${++number}`, { scheduled: false, question })).result();
}

async function expectNothingLeft(): Promise<void> {
  await expect.poll(() => harness.leftovers(), { timeout: 60_000, interval: 1000 }).toEqual([]);
}

async function expectAllWhole(): Promise<void> {
  const input = {
    scheduled: true,
    systems: SYSTEM_NAMES,
    maximumAgeSeconds: {},
    depth: 'stored',
    backup: null,
    all: true,
  };
  const result = await (await harness.start('verifyBackups', `verify-${++number}`, input)).result();
  expect(result.verdict).toBe('passed');
}

describe.each(Object.entries(VICTIMS))('faults 1, 3, 4: when %s', (name, strike) => {
  it('in the middle of backups, each run stores exactly one whole backup and leaves nothing else', {
    timeout: 400_000,
  }, async () => {
    const before = (await listed()).length;
    const runs = await startBackups();
    await strikeAfter(`backup ${name}`, () => strike(runs));
    const results = await Promise.all(runs.map((run) => run.result()));
    const ids = results.map(({ backup }) => backup.backupId);
    const now = await listed();
    expect(now.length - before).toBe(runs.length);
    expect(ids.filter((id) => !now.some(({ backupId }) => backupId === id))).toEqual([]);
    await expectNothingLeft();
    await expectAllWhole();
  });

  it('in the middle of restores, each ends compared and cleaned up', { timeout: 400_000 }, async () => {
    const newest = new Map((await listed()).toReversed().map((backup) => [backup.system, backup]));
    const runs = await startRestores(newest);
    await strikeAfter(`restore ${name}`, () => strike(runs));
    const results = await Promise.all(runs.map((run) => run.result()));
    expect(results.map(({ report }) => report.outcome)).toEqual(runs.map(() => 'succeeded'));
    await expectNothingLeft();
  });
});

describe('when runs are cancelled', () => {
  it('in the middle of backups, each is stored whole or never was', { timeout: 300_000 }, async () => {
    const before = new Set((await listed()).map(({ backupId }) => backupId));
    const runs = await startBackups();
    await strikeAfter('cancel backup', () => Promise.all(runs.map((run) => run.cancel().catch(ignoreFinished))));
    const outcomes = await Promise.allSettled(runs.map((run) => run.result()));
    const stored = outcomes.flatMap((outcome) =>
      outcome.status === 'fulfilled' ? [outcome.value.backup.backupId] : [],
    );
    const now = (await listed()).map(({ backupId }) => backupId).filter((id) => !before.has(id));
    expect(now.toSorted()).toEqual(stored.toSorted());
    await expectNothingLeft();
    await expectAllWhole();
  });

  it('in the middle of restores, no scratch is left', { timeout: 300_000 }, async () => {
    const newest = new Map((await listed()).toReversed().map((backup) => [backup.system, backup]));
    const runs = await startRestores(newest);
    await strikeAfter('cancel restore', () => Promise.all(runs.map((run) => run.cancel().catch(ignoreFinished))));
    await Promise.allSettled(runs.map((run) => run.result()));
    await expectNothingLeft();
  });
});

/** A run that is over before it is cancelled is not what this is about. */
function ignoreFinished(error: Error): void {
  if (error.name !== 'WorkflowNotFoundError') throw error;
}

describe('the log of the worker', () => {
  it('tells of no error that nobody caught', () => {
    expect(readFileSync(harness.workerLog, 'utf8')).not.toMatch(/unhandled|uncaught/i);
  });
});
