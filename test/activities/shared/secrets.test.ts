import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { resolveSecret } from '../../../activities/shared/secrets.ts';
import { makeRepository, store, take } from '../../support/repository.ts';

describe('faults 68: a secret in a file', () => {
  const read = (mode: number) => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-secret-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'secret');
    writeFileSync(path, 'value\n');
    chmodSync(path, mode);
    return resolveSecret(`\${file:${path}}`);
  };

  it.each([0o600, 0o400, 0o700])('of mode %o is read', async (mode) => expect(await read(mode)).toBe('value'));

  it.each([0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666, 0o777])('of mode %o is refused', async (mode) => {
    await expect(read(mode)).rejects.toMatchObject({ code: 'FILE_TOO_OPEN' });
  });
});

describe('faults 68: a backup', () => {
  it('is private wherever it lies, whatever the umask: spool, tiers, witness', async () => {
    const before = process.umask(0);
    onTestFinished(() => void process.umask(before));
    const repository = makeRepository();
    onTestFinished(() => repository.remove());
    const taken = await take(repository, { system: 'redis', backupId: 'b1' }, { 'dump.rdb': Buffer.from('x') });
    await store(repository, taken, ['local', 'remote']);
    const { directory } = repository;
    const made = readdirSync(directory, { recursive: true, withFileTypes: true }).filter(
      ({ parentPath }) => !parentPath.startsWith(join(directory, 'keys')), // Made by the test.
    );
    const open = made
      .map((one) => ({ path: join(one.parentPath, one.name), wanted: one.isDirectory() ? 0o700 : 0o600 }))
      .filter(({ path, wanted }) => (statSync(path).mode & 0o777) !== wanted);
    expect(open).toEqual([]);
    expect(made.length).toBeGreaterThan(15);
  });
});
