// faults 10: backups are stored while retention withdraws and deletes. Neither waits for the other, so every order of
// their steps must be harmless; each round takes another one, told by its seed.
import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as tick } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Repository } from '../../../activities/repository/index.ts';
import { Failure } from '../../../domain/failures.ts';
import type { BackupRef } from '../../../domain/manifest.ts';
import { contentOf, makeRepository, store, type TestRepository, take } from '../../support/repository.ts';

const ROUNDS = 30;
const TIERS = ['local', 'remote'];
const MONTH_MS = 30 * 86_400_000;
const seed = Number(process.env.HOLDFAST_SEED ?? (process.env.CI ? 26_903 : randomInt(100_000)));

let repository: TestRepository;
beforeAll(async () => {
  repository = makeRepository();
  const aMonthAgo = repository.again(undefined, () => new Date(Date.now() - MONTH_MS));
  for (let round = 0; round < ROUNDS; round += 1) {
    const old = refTo(`old-${round}`);
    await store(aMonthAgo, await takeOne(aMonthAgo, old), TIERS);
    await repository.activities.holdBackup({ backup: old, reason: 'its round has not come', person: 'ann' });
  }
  const proven = refTo('proven');
  await store(repository, await takeOne(repository, proven), TIERS);
  await repository.activities.recordProof({ backup: proven, run: 'v', checks: [] });
}, 300_000);
afterAll(() => repository?.remove());

const refTo = (backupId: string): BackupRef => ({ system: 'redis', backupId });
const bytesOf = ({ backupId }: BackupRef) => Buffer.from(`content of ${backupId} `.repeat(500));
const takeOne = (into: Repository, ref: BackupRef) => take(into, ref, { 'dump.rdb': bytesOf(ref) });

/** Numbers from 0 to 1, the same for the same seed. */
function generator(start: number): () => number {
  let state = start;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
}

/** Activities that begin a random while after they are called. */
function hesitant(of: Repository, random: () => number): Repository['activities'] {
  const late = async (work: (input: unknown) => Promise<unknown>, input: unknown) => {
    for (let ticks = random() * 60; ticks > 0; ticks -= 1) await tick();
    return work(input);
  };
  const entries = Object.entries(of.activities) as [string, (input: unknown) => Promise<unknown>][];
  return Object.fromEntries(entries.map(([verb, work]) => [verb, (input: unknown) => late(work, input)])) as never;
}

// Retention that meets a half-stored backup keeps everything and says so; the next application takes what may go.
const REFUSALS = ['PLAN_CHANGED', 'RETENTION_REFUSED'];

async function expire(of: Repository, random: () => number): Promise<void> {
  const { planRetention, applyRetention } = hesitant(of, random);
  const plan = await planRetention({ run: 'r' });
  try {
    for (const phase of ['withdraw', 'delete'] as const) await applyRetention({ plan, phase });
  } catch (error) {
    if (!(error instanceof Failure && REFUSALS.includes(error.code))) throw error;
  }
}

test.each(Array.from({ length: ROUNDS }, (_, round) => round))(
  `faults 10: in round %i (seed ${seed}) what is being stored ends whole, and what may go goes`,
  { timeout: 120_000 },
  async (round) => {
    const random = generator(seed + round);
    const impatient = repository.again((same) => ({ ...same, deleteGrace: '0s' }));
    const [old, fresh] = [refTo(`old-${round}`), refTo(`new-${round}`)];
    await repository.activities.releaseBackup({ backup: old, reason: 'its round', person: 'ann' });
    const storing = async () => {
      const taken = await takeOne(repository, fresh);
      await store({ ...repository, activities: hesitant(repository, random) }, taken, TIERS);
      await repository.activities.clearSpool({ backup: fresh });
    };
    await Promise.all([storing(), expire(impatient, random), expire(impatient, random)]);
    expect(await contentOf(repository, fresh, 'dump.rdb')).toEqual(bytesOf(fresh));
    await expire(impatient, () => 0);
    const listed = (await repository.activities.listBackups({ system: null, tier: null })).map(
      ({ backupId }) => backupId,
    );
    expect(listed).toContain(fresh.backupId);
    expect(listed).toContain('proven');
    expect(listed).not.toContain(old.backupId);
    for (const tier of TIERS) {
      expect(await contentOf(repository, fresh, 'dump.rdb', tier)).toEqual(bytesOf(fresh));
      expect(existsSync(join(repository.directory, tier, 'backups', 'redis', old.backupId))).toBe(false);
    }
  },
);
