import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type { BackupRef } from '../../../domain/manifest.ts';
import {
  makeRecipient,
  makeRepository,
  makeSigner,
  store,
  type TestRepository,
  take,
} from '../../support/repository.ts';

// Every write is flushed to the disk, which a busy machine makes slow.
vi.setConfig({ testTimeout: 60_000 });

const TIERS = ['local', 'remote'];
const made: TestRepository[] = [];
afterEach(() => {
  for (const repository of made.splice(0)) repository.remove();
});

function newRepository(): TestRepository {
  const repository = makeRepository();
  made.push(repository);
  return repository;
}

const refTo = (backupId: string): BackupRef => ({ system: 'redis', backupId });

async function sealed(repository: TestRepository, backupId = 'b1'): Promise<BackupRef> {
  const ref = refTo(backupId);
  await store(repository, await take(repository, ref, { 'dump.rdb': Buffer.from(`content of ${backupId}`) }), TIERS);
  return ref;
}

const listOf = (repository: TestRepository) => repository.activities.listBackups({ system: null, tier: null });

test('prepare writes repository.json once, leaves no probe, and refuses another platform', async () => {
  const repository = newRepository();
  const first = await repository.activities.prepare({ run: 'r' });
  expect(first.tiers).toMatchObject([
    { name: 'local', kind: 'folder', createOnly: true },
    { name: 'remote', kind: 'folder', createOnly: true },
  ]);
  expect(first.findings.every(({ level }) => level !== 'failed')).toBe(true);
  await repository.activities.prepare({ run: 'r' });
  expect(readdirSync(join(repository.directory, 'local')).sort()).toEqual(['.tmp', 'repository.json']);
  writeFileSync(
    join(repository.directory, 'remote', 'repository.json'),
    '{"created":"x","format":1,"platform":"other"}',
  );
  await expect(repository.activities.prepare({ run: 'r' })).rejects.toMatchObject({ code: 'REPOSITORY_FOREIGN' });
});

test('inspect tells every failing tier and key at once, each with the command that mends it', async () => {
  const repository = newRepository();
  rmSync(join(repository.directory, 'local'), { recursive: true });
  const other = makeSigner(repository.directory, 'other');
  const broken = repository.again((same) => ({
    ...same,
    signing: { ...same.signing, key: `\${file:${other.privateKey}}` },
  }));
  const failed = (await broken.inspect()).findings.filter(({ level }) => level === 'failed');
  expect(failed.map(({ subject, code }) => [subject, code])).toEqual([
    ['tier local', 'STORE_UNREACHABLE'],
    ['repository.signing', 'MANIFEST_UNTRUSTED'],
  ]);
  expect(failed.every(({ mend }) => mend !== undefined)).toBe(true);
});

test('a private key that opens nothing stops no backup and is told; one that everybody can read is refused', async () => {
  const repository = newRepository();
  const other = makeRecipient(repository.directory, 'other');
  const holding = (path: string) =>
    repository.again((same) => ({
      ...same,
      keys: { ...same.keys, private: [{ name: 'restore', key: `\${file:${path}}` }] },
    })).activities;
  for (const [path, code] of [
    [other.privateKey, 'WRONG_KEY'],
    [join(repository.directory, 'gone.pem'), 'SECRET_UNRESOLVED'],
  ] as const) {
    const { findings } = await holding(path).prepare({ run: 'r' });
    const told = findings.filter(({ level }) => level !== 'ok');
    expect(told).toMatchObject([{ level: 'warning', subject: 'repository.keys', code }]);
    expect(told[0]?.message).toContain('open and prove NONE');
  }
  chmodSync(other.privateKey, 0o644);
  await expect(holding(other.privateKey).prepare({ run: 'r' })).rejects.toMatchObject({ code: 'FILE_TOO_OPEN' });
});

test('a proof by the same run is recorded once, and makes the backup proven from any one tier', async () => {
  const repository = newRepository();
  const ref = await sealed(repository);
  const proof = { backup: ref, run: 'verify-1', checks: ['3 keys as recorded'] };
  await repository.activities.recordProof(proof);
  await repository.activities.recordProof(proof);
  const folder = join('proofs', 'redis', 'b1');
  expect(readdirSync(join(repository.directory, 'local', folder))).toHaveLength(1);
  expect(await listOf(repository)).toMatchObject([{ ...ref, standing: 'proven', tiers: TIERS }]);
  rmSync(join(repository.directory, 'local', folder), { recursive: true });
  expect(await listOf(repository)).toMatchObject([{ standing: 'proven' }]);
});

test('a proof that was copied from another backup, or signed by nobody we trust, proves nothing', async () => {
  const repository = newRepository();
  const [first, second] = [await sealed(repository, 'b1'), await sealed(repository, 'b2')];
  await repository.activities.recordProof({ backup: first, run: 'verify-1', checks: [] });
  for (const tier of TIERS) {
    const proofs = join(repository.directory, tier, 'proofs', 'redis');
    mkdirSync(join(proofs, second.backupId));
    const [name] = readdirSync(join(proofs, first.backupId));
    renameSync(join(proofs, first.backupId, String(name)), join(proofs, second.backupId, String(name)));
  }
  writeFileSync(
    join(repository.directory, 'local', 'proofs', 'redis', 'b2', '20990101000000-0.json'),
    '{"record":"{}"}',
  );
  expect((await listOf(repository)).map(({ standing }) => standing)).toEqual(['stored', 'stored']);
});

test('a hold holds until it is released, and each person holds for themselves', async () => {
  const repository = newRepository();
  const ref = await sealed(repository);
  const { activities } = repository;
  for (const person of ['ann', 'ann', 'bob']) await activities.holdBackup({ backup: ref, reason: 'audit', person });
  expect(readdirSync(join(repository.directory, 'remote', 'holds')).sort()).toEqual([
    'redis.b1.1.json',
    'redis.b1.2.json',
  ]);
  expect(await listOf(repository)).toMatchObject([{ held: true }]);
  await activities.releaseBackup({ backup: ref, reason: 'done', person: 'ann' });
  await activities.releaseBackup({ backup: ref, reason: 'done', person: 'ann' });
  expect(await listOf(repository)).toMatchObject([{ held: false }]);
  await activities.holdBackup({ backup: ref, reason: 'audit', person: 'ann' });
  expect(await listOf(repository)).toMatchObject([{ held: true }]);
});

test('a release that nobody we trust has signed releases nothing', async () => {
  const repository = newRepository();
  const ref = await sealed(repository);
  await repository.activities.holdBackup({ backup: ref, reason: 'audit', person: 'ann' });
  writeFileSync(join(repository.directory, 'local', 'holds', 'redis.b1.1.released.json'), '{}');
  expect(await listOf(repository)).toMatchObject([{ held: true }]);
});

test('proofs and holds of a backup that does not exist are refused', async () => {
  const repository = newRepository();
  const backup = refTo('none');
  const person = { backup, reason: 'r', person: 'p' };
  await expect(repository.activities.recordProof({ backup, run: 'r', checks: [] })).rejects.toMatchObject({
    code: 'BACKUP_NOT_FOUND',
  });
  await expect(repository.activities.holdBackup(person)).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
  await expect(repository.activities.showBackup({ backup })).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
});

test('faults 20: a listing that lacks what was sealed is an error, never a shorter list', async () => {
  const repository = newRepository();
  const ref = await sealed(repository);
  const manifest = join(repository.directory, 'remote', 'backups', 'redis', ref.backupId, 'manifest.json');
  rmSync(manifest);
  await expect(listOf(repository)).rejects.toMatchObject({ code: 'LISTING_INCOMPLETE' });
  expect(await repository.activities.listBackups({ system: null, tier: 'local' })).toHaveLength(1);
});

test('one tier can be listed although another is gone', async () => {
  const repository = newRepository();
  const ref = await sealed(repository);
  rmSync(join(repository.directory, 'local'), { recursive: true });
  expect(await repository.activities.listBackups({ system: null, tier: 'remote' })).toMatchObject([ref]);
  await expect(listOf(repository)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
});

test('discardUnsealed removes what was copied, twice, and refuses a sealed backup', async () => {
  const repository = newRepository();
  const ref = refTo('half');
  const taken = await take(repository, ref, { 'dump.rdb': Buffer.from('half') });
  await repository.activities.copyToTier({ taken, tier: 'local' });
  await repository.activities.discardUnsealed({ backup: ref });
  await repository.activities.discardUnsealed({ backup: ref });
  expect(readdirSync(join(repository.directory, 'local')).filter((name) => name !== '.tmp')).toEqual([]);
  await store(repository, taken, TIERS);
  await expect(repository.activities.discardUnsealed({ backup: ref })).rejects.toMatchObject({
    code: 'RETENTION_REFUSED',
  });
});

test('checkStored finds a whole copy whole and names each thing that is wrong with a damaged one', async () => {
  const repository = newRepository();
  const ref = await sealed(repository);
  const folder = join(repository.directory, 'remote', 'backups', 'redis', ref.backupId);
  const check = async (tier: string) =>
    (await repository.activities.checkStored({ backup: ref, tier })).filter(({ level }) => level !== 'ok');
  expect(await check('remote')).toEqual([]);
  rmSync(join(folder, 'dump.rdb'));
  writeFileSync(join(folder, 'dump.rdb'), 'short');
  rmSync(join(folder, 'key.1'));
  writeFileSync(join(folder, 'stranger'), 'x');
  expect((await check('remote')).map(({ subject, code }) => [subject, code])).toEqual([
    ['objects', 'COULD_NOT_VERIFY'],
    ['dump.rdb', 'ARTIFACT_DAMAGED'],
    ['key.1', 'ARTIFACT_MISSING'],
  ]);
  expect(await check('local')).toEqual([]);
});
