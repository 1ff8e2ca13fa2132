import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { newestCheckpoint } from '../../../activities/repository/checkpoints.ts';
import type { RepositoryContext } from '../../../activities/repository/context.ts';
import type { Repository } from '../../../activities/repository/index.ts';
import { sha256Of } from '../../../activities/repository/measure.ts';
import { openTiers } from '../../../activities/repository/tiers.ts';
import { withdraw } from '../../../activities/repository/withdraw.ts';
import { canonicalJson } from '../../../domain/json.ts';
import type { BackupFacts, BackupRef } from '../../../domain/manifest.ts';
import type { RetentionPlan } from '../../../domain/retention.ts';
import { contentOf, makeRepository, PLATFORM, store, type TestRepository, take } from '../../support/repository.ts';

// Every write is flushed to the disk, which a busy machine makes slow.
vi.setConfig({ testTimeout: 60_000 });

const TIERS = ['local', 'remote'];
const DAY_MS = 86_400_000;
const made: TestRepository[] = [];
afterEach(() => {
  for (const repository of made.splice(0)) repository.remove();
});

const refTo = (backupId: string): BackupRef => ({ system: 'redis', backupId });

async function sealAt(repository: TestRepository, backupId: string, ageDays: number, some: Partial<BackupFacts> = {}) {
  const then = repository.again(undefined, () => new Date(Date.now() - ageDays * DAY_MS));
  const taken = await take(then, refTo(backupId), { 'dump.rdb': Buffer.from(`content of ${backupId}`) }, some);
  await store(then, taken, TIERS);
}

/** Three old backups, then a proven one and a new one; the tiers keep 7 days. */
async function agedRepository(): Promise<TestRepository> {
  const repository = makeRepository();
  made.push(repository);
  for (const id of ['old1', 'old2', 'old3']) await sealAt(repository, id, 30);
  await sealAt(repository, 'proven', 2);
  await sealAt(repository, 'new', 0);
  await repository.activities.recordProof({ backup: refTo('proven'), run: 'v', checks: [] });
  return repository;
}

const contextOf = (repository: TestRepository): RepositoryContext => ({
  platform: PLATFORM,
  configuration: repository.configuration,
  stores: openTiers(repository.configuration.tiers),
  witnessDirectory: repository.witnessDirectory,
  now: () => new Date(),
});
const readCheckpointEntries = async (repository: TestRepository) =>
  (await newestCheckpoint(contextOf(repository)))?.checkpoint.backups ?? [];
const planOf = (repository: Repository) => repository.activities.planRetention({ run: 'r' });
const goingIn = (plan: RetentionPlan) =>
  plan.decisions.filter(({ keep }) => !keep).map(({ backup, tier }) => `${backup.backupId} ${tier}`);
const listed = async (repository: Repository) =>
  (await repository.activities.listBackups({ system: null, tier: null })).map(({ backupId }) => backupId);
const dataOf = (repository: TestRepository, backupId: string) =>
  TIERS.map((tier) => existsSync(join(repository.directory, tier, 'backups', 'redis', backupId, 'dump.rdb')));
const withoutGrace = (repository: TestRepository) => repository.again((same) => ({ ...same, deleteGrace: '0s' }));

test('retention withdraws first, keeps the data for the grace, and deletes it afterwards', async () => {
  const repository = await agedRepository();
  const plan = await planOf(repository);
  expect(plan.refusals).toEqual([]);
  expect(goingIn(plan)).toEqual(['old3', 'old2', 'old1'].flatMap((id) => TIERS.map((tier) => `${id} ${tier}`)));
  await repository.activities.applyRetention({ plan, phase: 'withdraw' });
  await repository.activities.applyRetention({ plan, phase: 'withdraw' });
  expect(await listed(repository)).toEqual(['new', 'proven']);
  await repository.activities.applyRetention({ plan, phase: 'delete' });
  expect(dataOf(repository, 'old1')).toEqual([true, true]);
  await withoutGrace(repository).activities.applyRetention({ plan, phase: 'delete' });
  expect(dataOf(repository, 'old1')).toEqual([false, false]);
  expect(readdirSync(join(repository.directory, 'local', 'backups', 'redis')).sort()).toEqual(['new', 'proven']);
  expect(existsSync(join(repository.directory, 'local', 'withdrawn'))).toBe(false);
  expect((await contentOf(repository, refTo('proven'), 'dump.rdb')).toString()).toBe('content of proven');
});

test('faults 26: a withdrawn backup cannot be opened, not even when its signed manifest is put back', async () => {
  const repository = await agedRepository();
  await repository.activities.applyRetention({ plan: await planOf(repository), phase: 'withdraw' });
  await expect(repository.reader.open(refTo('old1'))).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
  const [aside, back] = ['withdrawn', 'backups'].map((name) =>
    join(repository.directory, 'local', name, 'redis', 'old1'),
  ) as [string, string];
  for (const name of ['manifest.json', 'manifest.json.sig']) copyFileSync(join(aside, name), join(back, name));
  await expect(repository.reader.open(refTo('old1'))).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
});

test('a plan is refused when a backup it deletes is held since', async () => {
  const repository = await agedRepository();
  const plan = await planOf(repository);
  await repository.activities.holdBackup({ backup: refTo('old1'), reason: 'audit', person: 'ann' });
  await expect(repository.activities.applyRetention({ plan, phase: 'withdraw' })).rejects.toMatchObject({
    code: 'PLAN_CHANGED',
  });
  expect(await listed(repository)).toHaveLength(5);
});

test('a backup that is held between the plan and the checkpoint stays in the list with what it needs, and the rest goes', async () => {
  const repository = makeRepository();
  made.push(repository);
  await sealAt(repository, 'old1', 30);
  await sealAt(repository, 'old2', 30, { parents: ['old1'] });
  await sealAt(repository, 'old3', 30);
  for (const [id, age] of [
    ['proven', 2],
    ['new', 0],
  ] as const)
    await sealAt(repository, id, age);
  await repository.activities.recordProof({ backup: refTo('proven'), run: 'v', checks: [] });
  const plan = await planOf(repository);
  const before = await readCheckpointEntries(repository);
  await repository.activities.holdBackup({ backup: refTo('old2'), reason: 'audit', person: 'ann' });
  const findings = await withdraw(contextOf(repository), plan, plan);
  expect(findings.filter(({ level }) => level === 'warning').map(({ subject }) => subject)).toEqual([
    ...TIERS.map(() => 'redis/old2'),
    ...TIERS.map(() => 'redis/old1'),
  ]);
  expect(await listed(repository)).toEqual(['new', 'proven', 'old2', 'old1']);
  expect(await readCheckpointEntries(repository)).toEqual(before.filter(({ backupId }) => backupId !== 'old3'));
  await withoutGrace(repository).activities.applyRetention({ plan: await planOf(repository), phase: 'delete' });
  expect([dataOf(repository, 'old2'), dataOf(repository, 'old3')]).toEqual([
    [true, true],
    [false, false],
  ]);
  expect((await contentOf(repository, refTo('old2'), 'dump.rdb')).toString()).toBe('content of old2');
});

test('a hold is brought back also when the try that withdrew the backup was interrupted after it moved the manifest', async () => {
  const repository = await agedRepository();
  const plan = await planOf(repository);
  const holds = join(repository.directory, 'local', 'holds');
  await repository.activities.holdBackup({ backup: refTo('old1'), reason: 'audit', person: 'ann' });
  const [hold = ''] = readdirSync(holds);
  const text = readFileSync(join(holds, hold));
  for (const tier of TIERS) rmSync(join(repository.directory, tier, 'holds', hold));
  await withdraw(contextOf(repository), plan, plan);
  for (const tier of TIERS) writeFileSync(join(repository.directory, tier, 'holds', hold), text);
  await withdraw(contextOf(repository), plan, plan);
  expect(await listed(repository)).toEqual(['new', 'proven', 'old1']);
  expect((await contentOf(repository, refTo('old1'), 'dump.rdb')).toString()).toBe('content of old1');
});

test('faults 33: a plan is refused when a backup sealed since needs one that it deletes', async () => {
  const repository = await agedRepository();
  const plan = await planOf(repository);
  await sealAt(repository, 'child', 0, { parents: ['old1'] });
  await expect(repository.activities.applyRetention({ plan, phase: 'withdraw' })).rejects.toMatchObject({
    code: 'PLAN_CHANGED',
  });
  expect(goingIn(await planOf(repository)).some((place) => place.startsWith('old1'))).toBe(false);
});

test('faults 32: no plan deletes the last proven backup, not even one that was made for it, digest and all', async () => {
  const repository = await agedRepository();
  const { digest: _, ...plan } = await planOf(repository);
  const decisions = plan.decisions.map((one) => ({ ...one, keep: false, reason: 'because I say so' }));
  const forced = { ...plan, decisions, digest: sha256Of(canonicalJson({ ...plan, decisions })) };
  for (const phase of ['withdraw', 'delete'] as const) {
    const applied = repository.activities.applyRetention({ plan: forced, phase });
    if (phase === 'withdraw')
      await expect(applied).rejects.toMatchObject({
        code: 'PLAN_CHANGED',
        message: expect.stringContaining('is to be kept now'),
      });
    else await applied; // Nothing was withdrawn, so nothing is deleted.
  }
  expect(await listed(repository)).toHaveLength(5);
  expect(dataOf(repository, 'proven')).toEqual([true, true]);
});

test('a plan that was edited is refused', async () => {
  const repository = await agedRepository();
  const plan = await planOf(repository);
  const decisions = plan.decisions.map((one) => ({ ...one, keep: false }));
  await expect(
    repository.activities.applyRetention({ plan: { ...plan, decisions }, phase: 'withdraw' }),
  ).rejects.toMatchObject({ code: 'PLAN_CHANGED' });
});

test('faults 20: a short listing makes a plan that deletes nothing and cannot be applied', async () => {
  const repository = await agedRepository();
  const plan = await planOf(repository);
  rmSync(join(repository.directory, 'remote', 'backups', 'redis', 'old2'), { recursive: true });
  expect(await planOf(repository)).toMatchObject({
    decisions: [],
    refusals: [expect.stringContaining('LISTING_INCOMPLETE')],
  });
  await expect(repository.activities.applyRetention({ plan, phase: 'withdraw' })).rejects.toMatchObject({
    code: 'RETENTION_REFUSED',
  });
  await expect(repository.activities.applyRetention({ plan, phase: 'delete' })).rejects.toMatchObject({
    code: 'RETENTION_REFUSED',
  });
});

test('faults 35: a clock that differs from the tiers deletes nothing', async () => {
  const repository = await agedRepository();
  const ahead = repository.again(undefined, () => new Date(Date.now() + DAY_MS));
  const plan = await planOf(ahead);
  expect(plan.refusals.join()).toContain('clock skew');
  expect(goingIn(plan)).toEqual([]);
});

test('the checkpoint is written before a manifest moves: a withdrawal that stopped in between is finished by the next try', async () => {
  const repository = await agedRepository();
  const plan = await planOf(repository);
  const remote = join(repository.directory, 'remote');
  await repository.activities.applyRetention({ plan, phase: 'withdraw' });
  rmSync(join(remote, 'withdrawn', 'redis', 'old1', 'withdrawal.json'));
  await withoutGrace(repository).activities.applyRetention({ plan, phase: 'delete' });
  expect(dataOf(repository, 'old1')).toEqual([false, true]);
  await repository.activities.applyRetention({ plan, phase: 'withdraw' });
  await withoutGrace(repository).activities.applyRetention({ plan, phase: 'delete' });
  expect(dataOf(repository, 'old1')).toEqual([false, false]);
});

test('a backup whose parent is not stored is not sealed', async () => {
  const repository = makeRepository();
  made.push(repository);
  await expect(sealAt(repository, 'child', 0, { parents: ['none'] })).rejects.toMatchObject({
    code: 'BACKUP_NOT_FOUND',
  });
});
