import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import type { BackupRef } from '../../../domain/manifest.ts';
import { contentOf, makeRepository, store, take } from '../../support/repository.ts';

// Every write is flushed to the disk, which a busy machine makes slow.
vi.setConfig({ testTimeout: 60_000 });

const repository = makeRepository();
afterAll(() => repository.remove());

const TIERS = ['local', 'remote'];
const refTo = (backupId: string): BackupRef => ({ system: 'redis', backupId });

test('a backup of no byte, one byte and several MiB comes back the same from every tier', async () => {
  const ref = refTo('20261123t050000z-rdb-000001');
  const contents = {
    'empty.bin': Buffer.alloc(0),
    'one.bin': Buffer.from('x'),
    'noise.bin': randomBytes(5 * 1024 * 1024 + 3),
    'text.bin': Buffer.alloc(7 * 1024 * 1024, 'holdfast '),
  };
  const summary = await store(repository, await take(repository, ref, contents), TIERS);
  expect(summary).toMatchObject({ ...ref, sequence: 1, standing: 'stored', tiers: TIERS });
  for (const tier of TIERS)
    for (const [name, content] of Object.entries(contents))
      expect((await contentOf(repository, ref, name, tier)).equals(content)).toBe(true);
});

test('a source may use one buffer for all its pieces: nothing is read from it after the next piece was asked for', async () => {
  const content = randomBytes(4 * 1024 * 1024 + 77);
  async function* lending() {
    const buffer = Buffer.alloc(100_000);
    for (let at = 0; at < content.length; at += buffer.length) {
      yield buffer.subarray(0, content.copy(buffer, 0, at, at + buffer.length));
      buffer.fill(0);
    }
  }
  const ref = refTo('20261123t050000z-rdb-00000a');
  await store(repository, await take(repository, ref, { 'lent.bin': lending() }), TIERS);
  expect((await contentOf(repository, ref, 'lent.bin')).equals(content)).toBe(true);
});

test('save writes a private file that appears whole and replaces nothing', async () => {
  const ref = refTo('20261123t050000z-rdb-000002');
  await store(repository, await take(repository, ref, { 'dump.rdb': Buffer.from('content') }), TIERS);
  const path = join(repository.directory, 'saved.rdb');
  const stored = await repository.reader.open(ref);
  await stored.save('dump.rdb', path);
  expect(readFileSync(path, 'utf8')).toBe('content');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  await expect(stored.save('dump.rdb', path)).rejects.toMatchObject({ code: 'TARGET_NOT_EMPTY' });
});

test('a sealed backup is listed, newest first, and its manifest can be shown', async () => {
  const ref = refTo('20261123t050000z-rdb-000003');
  await store(repository, await take(repository, ref, { 'dump.rdb': Buffer.from('3') }), TIERS);
  const listed = await repository.activities.listBackups({ system: 'redis', tier: null });
  expect(listed[0]).toMatchObject(ref);
  expect(listed.map(({ sequence }) => sequence)).toEqual(
    listed.map(({ sequence }) => sequence).toSorted((a, b) => b - a),
  );
  expect(await repository.activities.showBackup({ backup: ref })).toMatchObject({ ...ref, format: 1, run: 'run-1' });
  expect(await repository.activities.listBackups({ system: 'postgres', tier: null })).toEqual([]);
});

test('clearSpool leaves nothing of the backup on the worker', async () => {
  const ref = refTo('20261123t050000z-rdb-000004');
  const taken = await take(repository, ref, { 'dump.rdb': Buffer.from('4') });
  await store(repository, taken, TIERS);
  await repository.activities.clearSpool({ backup: ref });
  await repository.activities.clearSpool({ backup: ref });
  expect(existsSync(taken.spoolDirectory)).toBe(false);
  expect((await contentOf(repository, ref, 'dump.rdb')).toString()).toBe('4');
});
