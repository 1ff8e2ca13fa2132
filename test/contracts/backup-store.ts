// What every tier must do, whatever it is made of. A new kind of tier is real when it passes this suite.
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BackupStore, FileToStore } from '../../activities/repository/store.ts';

export interface StoreUnderTest {
  readonly store: BackupStore;
  readonly end: () => Promise<void>;
}

const text = async (store: BackupStore, name: string, start?: number) => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read(name, start)) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const ignore = () => undefined;

/** Runs the suite on the store that `open` makes. `largeBytes` should need more than one part where there are parts. */
export function backupStoreKeepsItsContract(
  title: string,
  open: () => Promise<StoreUnderTest>,
  largeBytes = 3_000_000,
): void {
  describe(`${title} keeps the contract of a backup store`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-store-'));
    let tested: StoreUnderTest;
    let store: BackupStore;

    beforeAll(async () => {
      tested = await open();
      store = tested.store;
    });
    afterAll(async () => {
      await tested.end();
      rmSync(folder, { recursive: true, force: true });
    });

    const fileOf = (name: string, bytes: Uint8Array): FileToStore => {
      const path = join(folder, name);
      writeFileSync(path, bytes, { mode: 0o600 });
      return { path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
    };

    test('create stores bytes that read, stat and list find', async () => {
      expect(await store.create('a/one.json', Buffer.from('{"a":1}'))).toBe('created');
      expect((await text(store, 'a/one.json')).toString()).toBe('{"a":1}');
      expect(await store.stat('a/one.json')).toMatchObject({ name: 'a/one.json', bytes: 7 });
      expect(await store.list('a/')).toMatchObject([{ name: 'a/one.json', bytes: 7 }]);
    });

    test('create of the same bytes twice is fine, and of other bytes is refused and changes nothing', async () => {
      await store.create('b/two', Buffer.from('first'));
      expect(await store.create('b/two', Buffer.from('first'))).toBe('identical');
      await expect(store.create('b/two', Buffer.from('other'))).rejects.toMatchObject({
        code: 'ALREADY_EXISTS_DIFFERENT',
      });
      expect((await text(store, 'b/two')).toString()).toBe('first');
    });

    test('of many writers with different bytes exactly one wins', async () => {
      const writers = Array.from({ length: 12 }, (_, number) =>
        store.create('race/name', Buffer.from(`writer ${number}`)),
      );
      const settled = await Promise.allSettled(writers);
      const winners = settled.flatMap((one, number) => (one.status === 'fulfilled' ? [number] : []));
      expect(winners).toHaveLength(1);
      expect((await text(store, 'race/name')).toString()).toBe(`writer ${winners[0]}`);
    });

    test.each([0, 1, 1000])('createFromFile stores a file of %i bytes', async (length) => {
      const bytes = randomBytes(length);
      expect(await store.createFromFile(`files/${length}`, fileOf(`f${length}`, bytes), ignore)).toBe('created');
      expect((await text(store, `files/${length}`)).equals(bytes)).toBe(true);
    });

    test('createFromFile stores a large file, reads from the middle, and a repetition finds it', async () => {
      const bytes = randomBytes(largeBytes);
      const file = fileOf('large', bytes);
      let counted = 0;
      expect(
        await store.createFromFile('files/large', file, (more) => {
          counted += more;
        }),
      ).toBe('created');
      expect(counted).toBe(largeBytes);
      expect((await text(store, 'files/large')).equals(bytes)).toBe(true);
      expect((await text(store, 'files/large', largeBytes - 10)).equals(bytes.subarray(-10))).toBe(true);
      expect(await store.createFromFile('files/large', file, ignore)).toBe('identical');
      expect(await store.removeUnfinished('files/large', null)).toEqual({ removed: 0, left: 0 });
    });

    test('createFromFile refuses a name that other bytes have', async () => {
      await store.createFromFile('files/taken', fileOf('t1', randomBytes(largeBytes)), ignore);
      const other = fileOf('t2', randomBytes(largeBytes));
      await expect(store.createFromFile('files/taken', other, ignore)).rejects.toMatchObject({
        code: 'ALREADY_EXISTS_DIFFERENT',
      });
    });

    test('what is not there is missing for read, null for stat, nothing for list, and fine for remove', async () => {
      await expect(text(store, 'none/here')).rejects.toMatchObject({ code: 'ARTIFACT_MISSING' });
      expect(await store.stat('none/here')).toBeNull();
      expect(await store.list('none/')).toEqual([]);
      await store.remove('none/here');
    });

    test('list names everything below a folder and nothing beside it, in order', async () => {
      const names = ['list/a/1', 'list/a/2', 'list/b', 'list-other'];
      for (const name of names.toReversed()) await store.create(name, Buffer.from(name));
      expect((await store.list('list/')).map(({ name }) => name)).toEqual(['list/a/1', 'list/a/2', 'list/b']);
      expect((await store.list('')).map(({ name }) => name)).toEqual(expect.arrayContaining(names));
    });

    test('a name can be used again after remove, also where versions are kept', async () => {
      await store.create('again/name', Buffer.from('old'));
      await store.remove('again/name');
      expect(await store.stat('again/name')).toBeNull();
      expect(await store.list('again/')).toEqual([]);
      expect(await store.create('again/name', Buffer.from('new'))).toBe('created');
      expect((await text(store, 'again/name')).toString()).toBe('new');
    });
  });
}
