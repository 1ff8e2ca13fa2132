// One backup of each system, damage done to each since, and restores over live data that a test's person agrees to.
import { unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { expect } from 'vitest';
import type { BackupRef } from '../../domain/manifest.ts';
import { SYSTEM_NAMES, SYSTEMS, type SystemName } from '../../domain/systems.ts';
import { systemChecksums } from '../../local/checksums.ts';
import { withDatabase } from '../../local/dataset/postgres-data.ts';
import { manage } from '../../local/dataset/rabbitmq-data.ts';
import { withRedis } from '../../local/dataset/redis-data.ts';
import { loadDataset } from '../../local/dataset.ts';
import type { RunningSite } from '../../local/site.ts';
import { approvePlan, type RestoreSystemResult, resolveStep, runState } from '../../workflows/messages.ts';
import { type Director, startDirector } from './director.ts';
import { type Harness, startHarness } from './harness.ts';

export interface LiveRestores {
  readonly harness: Harness;
  readonly director: Director;
  /** Takes from the live system, changes it and adds to it. */
  damage(system: SystemName): Promise<unknown>;
  /** What is there now: counts and checksums by name, made without Holdfast's code. */
  stateOf(system: SystemName): Promise<object>;
  /** Starts a restore of everything from the backup that was taken at the beginning. */
  start(system: SystemName): Promise<WorkflowHandle>;
  close(): Promise<void>;
}

/** How a run ended: one of the two is null. */
export interface Ending {
  readonly result: RestoreSystemResult | null;
  readonly error: unknown;
  /** Steps that waited for a person, who had them aborted. */
  readonly questions: readonly string[];
}

export async function openLiveRestores(): Promise<LiveRestores> {
  const director = await startDirector();
  const harness = await startHarness({ directorUrl: director.url });
  await loadDataset(harness.platform.site.access, { scale: 0.01, seed: 1 });
  await harness.startWorker();
  const backups = new Map(
    await Promise.all(SYSTEM_NAMES.map(async (system) => [system, await backUp(harness, system)] as const)),
  );
  let number = 0;
  return {
    ...{ harness, director },
    damage: (system) => DAMAGE[system](harness.platform.site),
    stateOf: (system) => stateOf(harness.platform.site, system),
    start: (system) => {
      number += 1;
      const scope = { kind: 'whole', names: {} };
      const target = { backup: backups.get(system), tier: null, scope, target: 'live', expectedIdentity: null };
      const input = { scheduled: false, system, dryRun: false, request: { ...target, options: {} } };
      return harness.start('restoreSystem', `restore-${system}-${number}`, input);
    },
    close: async () => {
      await harness.close();
      await director.close();
    },
  };
}

// Databases that take no connections have no checksums; that they are there counts too.
async function stateOf(site: RunningSite, system: SystemName): Promise<object> {
  const checksums = await systemChecksums(site, system);
  if (system !== 'postgres') return checksums;
  return withDatabase(site.access.postgres, 'postgres', async (client) => {
    const { rows } = await client.query<{ datname: string }>('select datname from pg_database');
    return { ...checksums, databases: Object.fromEntries(rows.map(({ datname }) => [datname, true])) };
  });
}

async function backUp(harness: Harness, system: SystemName): Promise<BackupRef> {
  const input = { scheduled: true, system, kind: SYSTEMS[system].defaultKinds[0] ?? '' };
  const { backup } = await (await harness.start('backUpSystem', `backup-${system}`, input)).result();
  return { system, backupId: backup.backupId };
}

/** Agrees to the plan, aborts when a step waits for a person, and waits for the end. */
export async function carryThrough(handle: WorkflowHandle, platform: string): Promise<Ending> {
  const questions: string[] = [];
  let ending: Ending | null = null;
  const settle = (how: Omit<Ending, 'questions'>) => {
    ending = { ...how, questions };
  };
  handle.result().then(
    (result) => settle({ result, error: null }),
    (error: unknown) => settle({ result: null, error }),
  );
  const answered = async () => {
    if (ending === null) await answer(handle, platform, questions);
    return ending;
  };
  await expect.poll(answered, { timeout: 400_000, interval: 200 }).not.toBeNull();
  return ending as unknown as Ending;
}

async function answer(handle: WorkflowHandle, platform: string, questions: string[]): Promise<void> {
  const state = await handle.query(runState).catch(() => null); // No worker, or no server, at this moment.
  const [question] = state?.questions ?? [];
  if (!state || !question) return;
  if (question.step === 'approve') {
    await handle.executeUpdate(approvePlan, { args: [{ digest: state.plan?.digest ?? '', platform, person: 'ann' }] });
    return;
  }
  questions.push(`${question.step}: ${question.message}`);
  const decision = { step: question.step, action: 'abort', reason: 'the test wants it undone' } as const;
  await handle.executeUpdate(resolveStep, { args: [decision] });
}

/** Waits until nothing is left that no sealed backup accounts for. */
export async function expectNothingLeft(harness: Harness): Promise<void> {
  await expect.poll(() => harness.leftovers(), { timeout: 60_000, interval: 500 }).toEqual([]);
}

/** What happened to the platform since the backup: something is gone, something was changed, something is new. */
const DAMAGE: Readonly<Record<SystemName, (site: RunningSite) => Promise<unknown>>> = {
  postgres: ({ access }) =>
    withDatabase(access.postgres, 'billing', async (client) => {
      await client.query('delete from app.orders where ctid in (select ctid from app.orders limit 10)');
      await client.query('create table if not exists app.later as select now() as at');
    }),
  redis: ({ access }) =>
    withRedis(access.redis, async (redis) => {
      await redis.flushall();
      await redis.set('later', 'written after the backup');
    }),
  rabbitmq: ({ access }) => manage(access.rabbitmq, 'DELETE', 'queues/agents/tasks'),
  config: async ({ configDirectory }) => {
    await unlink(join(configDirectory, 'orchestrator', '.env'));
    await writeFile(join(configDirectory, 'gateway', 'limits.conf'), 'burst = 1\n');
  },
  tls: async ({ tlsDirectory }) => {
    await unlink(join(tlsDirectory, 'gateway.key'));
    await writeFile(join(tlsDirectory, 'gateway.crt'), 'overwritten\n');
  },
};
