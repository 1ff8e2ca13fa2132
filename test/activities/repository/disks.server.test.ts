// What a disk can do to a repository: lose power, fail, become read-only, run full at any moment. Nothing that is sealed
// is lost, nothing that is not sealed exists, and the failure has a name.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Repository } from '../../../activities/repository/index.ts';
import type { BackupRef } from '../../../domain/manifest.ts';
import { type LoopDisk, mountLoopDisk } from '../../support/loop-disk.ts';
import { contentOf, makeRepository, store, type TestRepository, take } from '../../support/repository.ts';

const MIB = 1024 * 1024;
const TIERS = ['local', 'remote'];
const refTo = (backupId: string): BackupRef => ({ system: 'postgres', backupId });

const backUp = async (repository: Repository, ref: BackupRef, content: Buffer) =>
  store(repository, await take(repository, ref, { 'dump.custom': content }), TIERS);

const filesBelow = (path: string) =>
  readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());

function aRepository(parent?: string): TestRepository {
  const repository = makeRepository(undefined, undefined, parent);
  onTestFinished(() => repository.remove());
  return repository;
}

/** A disk over one folder of a repository. */
function diskAt(repository: TestRepository, folder: string): LoopDisk {
  const disk = mountLoopDisk(join(repository.directory, folder), '64M');
  onTestFinished(() => disk.remove());
  return disk;
}

/** Every listed backup gives back exactly its content from every tier. */
async function expectAllReadable(repository: Repository, contents: ReadonlyMap<string, Buffer>): Promise<string[]> {
  const listed = await repository.activities.listBackups({ system: null, tier: null });
  for (const { backupId } of listed) {
    for (const tier of TIERS) {
      const content = await contentOf(repository, refTo(backupId), 'dump.custom', tier);
      expect(content.equals(contents.get(backupId) ?? Buffer.alloc(0))).toBe(true);
    }
  }
  return listed.map(({ backupId }) => backupId);
}

/** As above, and nothing is found to be wrong with any of them in any tier. */
async function expectAllWhole(repository: Repository, contents: ReadonlyMap<string, Buffer>): Promise<string[]> {
  const listed = await expectAllReadable(repository, contents);
  for (const backupId of listed) {
    for (const tier of TIERS) {
      const findings = await repository.activities.checkStored({ backup: refTo(backupId), tier });
      expect(findings.filter(({ level }) => level !== 'ok')).toEqual([]);
    }
  }
  return listed;
}

describe('faults 15: when the power fails', () => {
  // Spool, tiers, witness and keys lie on one disk, so that all of them lose what was not flushed at the same moment.
  function onADisk() {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-disk-'));
    const disk = mountLoopDisk(join(folder, 'disk'), '96M');
    onTestFinished(() => {
      disk.remove();
      rmSync(folder, { recursive: true });
    });
    const repository = makeRepository(undefined, undefined, join(folder, 'disk'));
    return { disk, repository, sync: () => execFileSync('sync', ['--file-system', repository.directory]) };
  }

  const MOMENTS = [5, 20, 50, 100, 170, 260, 400, 700];
  it.each(MOMENTS)(
    '%i ms after a backup began, it does not exist or is whole, and so is every earlier one',
    async (ms) => {
      const { disk, repository, sync } = onADisk();
      const contents = new Map(['before', 'cut', 'after'].map((name) => [name, randomBytes(2 * MIB)]));
      const contentFor = (name: string) => contents.get(name) ?? Buffer.alloc(0);
      sync(); // The keys were there long before.
      await backUp(repository, refTo('before'), contentFor('before'));
      const cut = backUp(repository, refTo('cut'), contentFor('cut')).then(
        () => true,
        () => false,
      );
      await wait(ms);
      disk.cutPower();
      const wasStored = await cut;
      disk.powerOn();
      // Cut between two tiers' checkpoints, one tier is found to be behind until the next sealer brings it up.
      const known = await expectAllReadable(repository.again(), contents);
      expect(known).toContain('before');
      if (wasStored) expect(known).toContain('cut');
      await backUp(repository.again(), refTo('after'), contentFor('after'));
      expect(await expectAllWhole(repository.again(), contents)).toContain('after');
    },
  );
});

describe('faults 14: a disk that fails or becomes read-only', () => {
  it('in the middle of a copy ends it by name: no manifest, and what was stored before is intact', async () => {
    const repository = aRepository();
    const disk = diskAt(repository, 'remote');
    const contents = new Map([['first', randomBytes(MIB)]]);
    await backUp(repository, refTo('first'), contents.get('first') ?? Buffer.alloc(0));
    const taken = await take(repository, refTo('second'), { 'dump.custom': randomBytes(24 * MIB) });
    const copy = repository.activities.copyToTier({ taken, tier: 'remote' });
    const parts = join(repository.directory, 'remote/.tmp');
    await expect.poll(() => filesBelow(parts).length, { interval: 1 }).toBeGreaterThan(0);
    disk.cutPower();
    await expect(copy).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    disk.powerOn();
    expect(await expectAllWhole(repository.again(), contents)).toEqual(['first']);
    await repository.again().activities.discardUnsealed({ backup: refTo('second') });
    expect(
      filesBelow(join(repository.directory, 'remote/backups'))
        .map(({ name }) => name)
        .sort(),
    ).toEqual(
      filesBelow(join(repository.directory, 'local/backups'))
        .map(({ name }) => name)
        .sort(),
    );
  });

  it.each(['remote', 'spool'])(
    'stops at %s before anything is sealed, and goes on when it can be written again',
    async (folder) => {
      const repository = aRepository();
      const disk = diskAt(repository, folder);
      const content = randomBytes(MIB);
      const contents = new Map([['first', content]]);
      await repository.activities.prepare({ run: 'r' });
      disk.makeReadOnly();
      await expect(backUp(repository, refTo('first'), content)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
      expect(await repository.activities.listBackups({ system: null, tier: null })).toEqual([]);
      disk.makeWritable();
      await backUp(repository, refTo('first'), content);
      expect(await expectAllWhole(repository, contents)).toEqual(['first']);
    },
  );
});

describe('faults 11: a tier that runs full', () => {
  const NEEDED = 3 * MIB;
  const LEVELS = [0, 4096, 64 * 1024, MIB, NEEDED - 64 * 1024, NEEDED + 8192];

  it.each(LEVELS)('with %i bytes left ends by name, keeps what was stored, and leaves no part', async (left) => {
    const repository = aRepository();
    const path = join(repository.directory, 'remote');
    mkdirSync(path, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', path]);
    onTestFinished(() => void execFileSync('umount', [path]));
    const contents = new Map(['first', 'second'].map((name) => [name, randomBytes(name === 'first' ? 4096 : NEEDED)]));
    await backUp(repository, refTo('first'), contents.get('first') ?? Buffer.alloc(0));
    const { freeBytes } = (await repository.activities.prepare({ run: 'r' })).tiers[1] ?? {};
    writeFileSync(join(path, 'filler'), Buffer.alloc((freeBytes ?? 0) - left));
    const dump = { 'dump.custom': contents.get('second') ?? Buffer.alloc(0) };
    const taken = await take(repository, refTo('second'), dump);
    await expect(store(repository, taken, TIERS)).rejects.toMatchObject({
      code: 'NO_SPACE',
      details: { needBytes: expect.any(Number) },
    });
    expect(filesBelow(join(path, '.tmp'))).toEqual([]);
    rmSync(join(path, 'filler'));
    expect(await expectAllWhole(repository, new Map([...contents].slice(0, 1)))).toEqual(['first']);
    await store(repository, taken, TIERS); // The same again goes on where it stood.
    expect(await expectAllWhole(repository, contents)).toEqual(['second', 'first']);
  });
});
