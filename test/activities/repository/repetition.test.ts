import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type { Repository } from '../../../activities/repository/index.ts';
import { withScope } from '../../../activities/shared/activity-context.ts';
import type { BackupRef, TakenBackup } from '../../../domain/manifest.ts';
import { backupFolder, MANIFEST } from '../../../domain/repository-layout.ts';
import { contentOf, factsOf, makeRepository, store, type TestRepository, take } from '../../support/repository.ts';

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

async function* bytes(...chunks: string[]) {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

test('faults 3: a second begin finds the backup that the first attempt finished', async () => {
  const repository = newRepository();
  const first = await take(repository, refTo('b1'), { 'dump.rdb': Buffer.from('1') });
  expect(await repository.writerFor('alpha').begin(refTo('b1'))).toEqual({ alreadyTaken: first });
});

test('faults 2: an attempt that wakes up after another has begun cannot finish, and leaves nothing that counts', async () => {
  const repository = newRepository();
  const writer = repository.writerFor('alpha');
  const frozen = await writer.begin(refTo('b1'));
  if ('alreadyTaken' in frozen) throw new Error('nothing was taken yet');
  await frozen.addArtifact({ name: 'dump.rdb', role: 'dump' }, bytes('frozen'));
  const taken = await take(repository, refTo('b1'), { 'dump.rdb': Buffer.from('second') });
  await expect(frozen.addArtifact({ name: 'more.rdb', role: 'dump' }, bytes('late'))).rejects.toMatchObject({
    code: 'ENOENT',
  });
  await expect(frozen.finish(factsOf(refTo('b1')))).rejects.toMatchObject({ code: 'ENOENT' });
  await frozen.abandon();
  await store(repository, taken, TIERS);
  expect((await contentOf(repository, refTo('b1'), 'dump.rdb')).toString()).toBe('second');
});

test('abandon removes everything, also twice, and an error of the source passes unchanged and leaves no file', async () => {
  const repository = newRepository();
  const open = await repository.writerFor('alpha').begin(refTo('b1'));
  if ('alreadyTaken' in open) throw new Error('nothing was taken yet');
  const broken = Object.assign(new Error('the dump ended early'), { code: 'EIO' });
  async function* source() {
    yield Buffer.alloc(100_000);
    throw broken;
  }
  await expect(open.addArtifact({ name: 'dump.rdb', role: 'dump' }, source())).rejects.toBe(broken);
  const folder = join(repository.directory, 'spool', 'redis', 'b1');
  expect(readdirSync(folder).flatMap((attempt) => readdirSync(join(folder, attempt)))).toEqual([]);
  await open.abandon();
  await open.abandon();
  expect(readdirSync(folder)).toEqual([]);
});

test('a finished backup whose files are gone is taken again', async () => {
  const repository = newRepository();
  const first = await take(repository, refTo('b1'), { 'dump.rdb': Buffer.from('1') });
  rmSync(join(first.spoolDirectory, 'dump.rdb'));
  expect(await repository.writerFor('alpha').begin(refTo('b1'))).not.toHaveProperty('alreadyTaken');
});

test('what killed workers left in the spool goes after a week, and nothing that is younger', async () => {
  const repository = newRepository();
  const young = await take(repository, refTo('young'), { 'dump.rdb': Buffer.from('1') });
  const { spoolDirectory: old } = await take(repository, refTo('old'), { 'dump.rdb': Buffer.from('1') });
  const readings = join(repository.directory, 'spool', '.reading');
  mkdirSync(readings);
  for (const name of ['old', 'young']) writeFileSync(join(readings, name), 'x');
  const eightDaysAgo = Date.now() / 1000 - 8 * 86_400;
  const paths = [...readdirSync(old).map((name) => join(old, name)), old, join(old, '..'), join(readings, 'old')];
  for (const path of paths) utimesSync(path, eightDaysAgo, eightDaysAgo);
  await repository.writerFor('alpha').begin(refTo('next'));
  expect(readdirSync(readings)).toEqual(['young']);
  expect(readdirSync(join(repository.directory, 'spool', 'redis')).sort()).toEqual(['next', 'young']);
  expect(await repository.writerFor('alpha').begin(refTo('young'))).toEqual({ alreadyTaken: young });
});

async function copied(repository: TestRepository, backupId: string): Promise<TakenBackup> {
  const taken = await take(repository, refTo(backupId), { 'dump.rdb': Buffer.from(backupId) });
  for (const tier of TIERS) await repository.activities.copyToTier({ taken, tier });
  return taken;
}

const sealAgain = (repository: Repository, taken: TakenBackup) => store(repository, taken, TIERS);

test('faults 3: copy, read back and seal, each run twice, store one backup under one sequence', async () => {
  const repository = newRepository();
  const taken = await copied(repository, 'b1');
  const first = await sealAgain(repository, taken);
  const later = repository.again(undefined, () => new Date(Date.now() + 60_000));
  expect(await store(later, taken, TIERS)).toEqual(first);
  expect(await repository.activities.listBackups({ system: null, tier: null })).toHaveLength(1);
  expect(readdirSync(join(repository.directory, 'local', 'checkpoints'))).toHaveLength(1);
});

test.each([
  [
    'before the second signature',
    [
      'remote/backups/redis/b1/manifest.json.sig',
      'local/backups/redis/b1/manifest.json',
      'remote/backups/redis/b1/manifest.json',
      'local/checkpoints/0000000001.json',
      'remote/checkpoints/0000000001.json',
      'witness/checkpoints/0000000001',
    ],
  ],
  [
    'before the second manifest',
    [
      'remote/backups/redis/b1/manifest.json',
      'local/checkpoints/0000000001.json',
      'remote/checkpoints/0000000001.json',
      'witness/checkpoints/0000000001',
    ],
  ],
  [
    'before the checkpoint',
    ['local/checkpoints/0000000001.json', 'remote/checkpoints/0000000001.json', 'witness/checkpoints/0000000001'],
  ],
  ['before the second checkpoint', ['remote/checkpoints/0000000001.json', 'witness/checkpoints/0000000001']],
  ['before the witness', ['witness/checkpoints/0000000001']],
])('faults 3: a seal that was killed %s is finished by the next try with the same bytes', async (_when, lost) => {
  const repository = newRepository();
  const taken = await copied(repository, 'b1');
  const first = await sealAgain(repository, taken);
  const manifest = join(repository.directory, 'local', backupFolder(refTo('b1')), MANIFEST);
  const before = readFileSync(manifest, 'utf8');
  for (const path of lost) rmSync(join(repository.directory, path));
  const again = await sealAgain(repository, taken);
  expect(again).toEqual(first);
  expect(readFileSync(manifest, 'utf8')).toBe(before);
  for (const path of lost) expect(existsSync(join(repository.directory, path))).toBe(true);
  expect(await repository.activities.listBackups({ system: null, tier: null })).toEqual([first]);
});

test('many sealers at once, in this process and as strangers, give every backup a sequence of its own', async () => {
  const repository = newRepository();
  const ids = Array.from({ length: 8 }, (_, index) => `b${index}`);
  const takens = await Promise.all(ids.map((id) => copied(repository, id)));
  const summaries = await Promise.all(takens.map((taken) => sealAgain(repository.again(), taken)));
  expect(summaries.map(({ sequence }) => sequence).sort()).toEqual(ids.map((_, index) => index + 1));
  expect(await repository.activities.listBackups({ system: null, tier: null })).toHaveLength(ids.length);
});

test('a checkpoint number that another sealer took is passed over, and both backups stay', async () => {
  const repository = newRepository();
  await sealAgain(repository, await copied(repository, 'b1'));
  const taken = await copied(repository, 'b2');
  // The claim of a sealer in another process that died before it sealed anything.
  writeFileSync(
    join(repository.directory, 'local', 'sequences', '0000000002.json'),
    '{"backupId":"b9","run":"x","system":"redis"}',
  );
  expect(await sealAgain(repository, taken)).toMatchObject({ sequence: 3 });
  expect(await repository.activities.listBackups({ system: null, tier: null })).toHaveLength(2);
});

test('a seal that comes after its undo, or after it was cancelled, seals nothing', async () => {
  const repository = newRepository();
  const taken = await copied(repository, 'b1');
  const { activities } = repository;
  const copies = await Promise.all(TIERS.map((tier) => activities.readBack({ taken, tier })));
  await activities.discardUnsealed({ backup: refTo('b1') });
  await expect(activities.seal({ taken, copies, run: 'r' })).rejects.toMatchObject({ code: 'ARTIFACT_MISSING' });
  const cancelled = new Error('cancelled');
  const scope = { signal: AbortSignal.abort(cancelled), progress: null };
  await expect(withScope(scope, () => activities.seal({ taken, copies, run: 'r' }))).rejects.toBe(cancelled);
  expect(await activities.listBackups({ system: null, tier: null })).toEqual([]);
});

test('faults 2: a sealer that stood still while its backup was undone elsewhere seals nothing when it wakes', async () => {
  const repository = newRepository();
  const taken = await copied(repository, 'b1');
  const copies = await Promise.all(TIERS.map((tier) => repository.activities.readBack({ taken, tier })));
  // The clock is read after the sealer has looked and before it signs.
  const undoneMeanwhile = repository.again(undefined, () => {
    for (const tier of TIERS)
      rmSync(join(repository.directory, tier, backupFolder(refTo('b1')), 'dump.rdb'), { force: true });
    return new Date();
  });
  const sealing = undoneMeanwhile.activities.seal({ taken, copies, run: 'r' });
  await expect(sealing).rejects.toMatchObject({ code: 'ARTIFACT_MISSING' });
  expect(await repository.activities.listBackups({ system: null, tier: null })).toEqual([]);
});

/** As if the sealer had died when the manifest was stored and the checkpoint not yet. */
function loseCheckpoints({ directory }: TestRepository, from: number): void {
  for (const folder of ['local/checkpoints', 'remote/checkpoints', 'witness/checkpoints'])
    for (const name of readdirSync(join(directory, folder)))
      if (Number.parseInt(name, 10) >= from) rmSync(join(directory, folder, name));
}

test('faults 11: a seal that ran out of space between manifest and checkpoint is listed by the next one, whole', async () => {
  const repository = newRepository();
  await store(repository, await take(repository, refTo('b1'), { 'dump.rdb': Buffer.from('1') }), TIERS);
  for (const id of ['b2', 'torn'])
    await store(repository, await take(repository, refTo(id), { 'dump.rdb': Buffer.from(id) }), TIERS);
  loseCheckpoints(repository, 2);
  rmSync(join(repository.directory, 'remote', backupFolder(refTo('b2')), MANIFEST)); // It had reached the first tier.
  rmSync(join(repository.directory, 'remote', backupFolder(refTo('torn')), 'dump.rdb'));
  const known = async () =>
    (await repository.again().activities.listBackups({ system: null, tier: null })).map(({ backupId }) => backupId);
  expect(await known()).toEqual(['b1']);
  await expect(repository.activities.discardUnsealed({ backup: refTo('b2') })).rejects.toThrow('was sealed');

  await store(repository, await take(repository, refTo('b3'), { 'dump.rdb': Buffer.from('3') }), TIERS);
  expect(await known()).toEqual(['b3', 'b2', 'b1']);
  for (const tier of TIERS)
    expect((await contentOf(repository.again(), refTo('b2'), 'dump.rdb', tier)).toString()).toBe('b2');
});

test('a claim that no trusted key stands behind neither stops a seal nor gets into the list', async () => {
  const repository = newRepository();
  await store(repository, await take(repository, refTo('b1'), { 'dump.rdb': Buffer.from('1') }), TIERS);
  const forged = join(repository.directory, 'local', backupFolder(refTo('forged')));
  mkdirSync(forged, { recursive: true });
  for (const name of ['manifest.json', 'manifest.json.sig'])
    writeFileSync(
      join(forged, name),
      readFileSync(join(repository.directory, 'local', backupFolder(refTo('b1')), name)),
    );
  const claim = JSON.stringify({ system: 'redis', backupId: 'forged', run: 'x' });
  writeFileSync(join(repository.directory, 'local/sequences/0000000002.json'), claim);
  writeFileSync(join(repository.directory, 'local/sequences/0000000003.json'), 'not JSON');
  await store(repository, await take(repository, refTo('b2'), { 'dump.rdb': Buffer.from('2') }), TIERS);
  const listed = await repository.again().activities.listBackups({ system: null, tier: null });
  expect(listed.map(({ backupId, sequence }) => [backupId, sequence])).toEqual([
    ['b2', 4],
    ['b1', 1],
  ]);
});
