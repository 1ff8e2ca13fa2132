import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openFolderStore } from '../../../activities/repository/folder-store.ts';
import { sha256Of } from '../../../activities/repository/measure.ts';
import { backupStoreKeepsItsContract } from '../../contracts/backup-store.ts';

const newFolder = () => mkdtempSync(join(tmpdir(), 'holdfast-folder-'));

backupStoreKeepsItsContract('a folder', async () => {
  const root = newFolder();
  return { store: openFolderStore('local', root), end: async () => rmSync(root, { recursive: true }) };
});

test('a folder that is not there is unreachable, never an empty list', async () => {
  const store = openFolderStore('local', '/nonexistent/share');
  await expect(store.list('')).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
  await expect(store.create('a', Buffer.from('a'))).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
  await expect(store.read('a')[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
});

test('faults 68: files are 0600 and folders 0700 whatever the umask', async () => {
  const root = newFolder();
  const before = process.umask(0);
  try {
    await openFolderStore('local', root).create('a/b/c', Buffer.from('x'));
  } finally {
    process.umask(before);
  }
  const modes = ['a', 'a/b', '.tmp', 'a/b/c'].map((name) => statSync(join(root, name)).mode & 0o777);
  expect(modes).toEqual([0o700, 0o700, 0o700, 0o600]);
  expect(readdirSync(join(root, '.tmp'))).toEqual([]);
  rmSync(root, { recursive: true });
});

test.each(['../outside', 'a/../../b', '/absolute', 'a//b', '.tmp/x', 'a\0b', ''])(
  'faults 63: the name %j never becomes a path',
  async (name) => {
    const root = newFolder();
    mkdirSync(join(root, 'inside'));
    const store = openFolderStore('local', join(root, 'inside'));
    await expect(store.create(name, Buffer.from('x'))).rejects.toMatchObject({ code: 'BUG' });
    expect(readdirSync(root)).toEqual(['inside']);
    rmSync(root, { recursive: true });
  },
);

test('two tiers on one file system are two copies: at most one is another name of the spool', async () => {
  const root = newFolder();
  const names = ['one', 'two', 'three'];
  for (const name of names) mkdirSync(join(root, name));
  const path = join(root, 'spooled');
  writeFileSync(path, 'data', { mode: 0o600 });
  const file = { path, bytes: 4, sha256: sha256Of('data') };
  const store = (name: string) =>
    openFolderStore(name, join(root, name)).createFromFile('a/data', file, () => undefined);
  expect(await Promise.all(names.map(store))).toEqual(names.map(() => 'created'));
  expect(await Promise.all(names.map(store))).toEqual(names.map(() => 'identical'));
  const inodes = names.map((name) => statSync(join(root, name, 'a/data')).ino);
  expect(new Set(inodes).size).toBe(names.length);
  expect(names.flatMap((name) => readdirSync(join(root, name, '.tmp')))).toEqual([]);
  rmSync(root, { recursive: true });
});

test('what is removed by one worker takes no folder from under another that writes there', async () => {
  const root = newFolder();
  const store = openFolderStore('local', root);
  const probe = async (worker: number) => {
    for (let round = 0; round < 10; round++) {
      await store.create(`probes/${worker}-${round}`, Buffer.from('x'));
      await store.remove(`probes/${worker}-${round}`);
    }
  };
  await Promise.all([1, 2, 3, 4].map(probe));
  expect(await store.list('')).toEqual([]);
  rmSync(root, { recursive: true });
});
