import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { makeRepository, store, type TestRepository, take } from '../../support/repository.ts';

const MIB = 1024 * 1024;
const REF = { system: 'postgres', backupId: 'b1' } as const;
const mounted: string[] = [];
const made: TestRepository[] = [];
afterEach(() => {
  for (const path of mounted.splice(0)) execFileSync('umount', [path]);
  for (const repository of made.splice(0)) repository.remove();
});

/** Puts a small file system over a folder of the repository. */
function shrink(repository: TestRepository, folder: string, size: string): void {
  const path = join(repository.directory, folder);
  mkdirSync(path, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]);
  mounted.push(path);
}

function newRepository(): TestRepository {
  const repository = makeRepository();
  made.push(repository);
  return repository;
}

async function* noise(bytes: number) {
  for (let done = 0; done < bytes; done += MIB) yield randomBytes(MIB);
}

const filesBelow = (path: string) =>
  readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());

test('faults 11: a spool that runs full ends the backup with NO_SPACE and leaves no file', async () => {
  const repository = newRepository();
  shrink(repository, 'spool', '8m');
  await expect(take(repository, REF, { 'dump.custom': noise(20 * MIB) })).rejects.toMatchObject({ code: 'NO_SPACE' });
  expect(filesBelow(join(repository.directory, 'spool'))).toEqual([]);
});

test('faults 11: a tier that runs full says NO_SPACE with the bytes needed, keeps earlier backups, and leaves no part', async () => {
  const repository = newRepository();
  shrink(repository, 'remote', '8m');
  const first = { system: 'postgres', backupId: 'b0' } as const;
  await store(repository, await take(repository, first, { 'dump.custom': noise(2 * MIB) }), ['local', 'remote']);
  const taken = await take(repository, REF, { 'dump.custom': noise(10 * MIB) });
  const needBytes = taken.facts.artifacts[0]?.storedBytes;
  await expect(repository.activities.copyToTier({ taken, tier: 'remote' })).rejects.toMatchObject({
    code: 'NO_SPACE',
    details: { needBytes },
  });
  expect(filesBelow(join(repository.directory, 'remote', '.tmp'))).toEqual([]);
  const findings = await repository.activities.checkStored({ backup: first, tier: 'remote' });
  expect(findings.filter(({ level }) => level !== 'ok')).toEqual([]);
});

test('faults 67: memory does not grow with the data', async () => {
  const repository = newRepository();
  const block = Buffer.from(
    Array.from({ length: 20_000 }, (_, index) => `${index}\t${index * 7919}\tholdfast\n`).join(''),
  );
  async function* source(bytes: number) {
    for (let done = 0; done < bytes; done += block.length) yield block;
  }
  const growth = async (backupId: string, bytes: number) => {
    const before = process.memoryUsage.rss();
    let peak = before;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss());
    }, 20);
    const ref = { system: 'postgres', backupId } as const;
    await store(repository, await take(repository, ref, { 'dump.custom': source(bytes) }), ['local', 'remote']);
    const stored = await repository.reader.open(ref);
    let read = 0;
    for await (const chunk of stored.read('dump.custom')) read += chunk.length;
    clearInterval(watch);
    expect(read).toBeGreaterThanOrEqual(bytes);
    return peak - before;
  };
  await growth('warm', 50 * MIB);
  expect(await growth('large', 300 * MIB)).toBeLessThan(120 * MIB);
});
