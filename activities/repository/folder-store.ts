// A tier in a folder, local or NFS: nothing is assumed of flock, reflink or inotify. Objects are linked to their final
// name, which refuses to replace; what is being written lies in `.tmp/` of the same file system.
import { randomUUID } from 'node:crypto';
import { createReadStream, type Dirent } from 'node:fs';
import { link, readdir, rm, rmdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ByteSource } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import { requireCurrentAttempt } from '../shared/activity-context.ts';
import {
  asDiskFailure,
  errnoOf,
  flushFolder,
  linkNew,
  makePrivateFolder,
  publishBytes,
  publishFile,
  unless,
} from '../shared/durable-files.ts';
import { Measure, measure, sha256Of } from './measure.ts';
import {
  type BackupStore,
  type Creation,
  existsDifferent,
  type FileToStore,
  missing,
  type StoredObject,
  type Unfinished,
} from './store.ts';

const SCRATCH = '.tmp';
const READ_BYTES = 1024 * 1024;
const FOLDER_TRIES = 10;
const SEGMENT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;

/** Opens the tier. The folder itself must be there: an unmounted share looks like an empty one. */
export function openFolderStore(name: string, root: string): BackupStore {
  const store = { name };
  return {
    name,
    kind: 'folder',
    list: (prefix) => guarded(root, 'more', () => listFolder(name, root, prefix)),
    stat: (object) => guarded(root, 'more', () => statObject(root, object)),
    create: (object, bytes) =>
      guarded(root, bytes.length, () =>
        inFolders(name, root, object, async ({ path, scratch }) =>
          settle(store, object, path, sha256Of(bytes), await publishBytes(path, scratch, bytes)),
        ),
      ),
    createFromFile: (object, file, onBytes) =>
      guarded(root, file.bytes, () =>
        inFolders(name, root, object, async ({ path, scratch }) =>
          settle(store, object, path, file.sha256, await linkOrCopy(file, path, scratch, onBytes)),
        ),
      ),
    read: (object, start = 0) => readObject(store, root, object, start),
    remove: (object) => guarded(root, 'more', () => removeObject(root, object)),
    removeUnfinished: (_prefix, before) => guarded(root, 'more', () => clearScratch(root, before)),
    freeBytes: () =>
      guarded(root, 'more', async () => {
        const { bavail, bsize } = await statfs(root);
        return bavail * bsize;
      }),
  };
}

async function guarded<T>(root: string, needBytes: number | string, work: () => Promise<T>): Promise<T> {
  requireCurrentAttempt();
  try {
    return await work();
  } catch (error) {
    throw asDiskFailure(error, join(root, '.'), needBytes);
  }
}

async function settle(
  store: { name: string },
  object: string,
  path: string,
  sha256: string,
  created: boolean,
): Promise<Creation> {
  if (created) return 'created';
  const found = await measure(readFileFrom(path, 0));
  if (found.sha256 !== sha256) throw existsDifferent(store, object);
  // Whoever made it may have been ended before its name was flushed.
  await flushFolder(dirname(path));
  return 'identical';
}

function pathOf(root: string, object: string): string {
  const segments = object.split('/');
  if (!segments.every((segment) => SEGMENT.test(segment)))
    throw new Failure('BUG', `'${object}' cannot be the name of an object`);
  return join(root, ...segments);
}

async function prepareFolders(tier: string, root: string, object: string) {
  const path = pathOf(root, object);
  await requireRoot(tier, root);
  const scratch = join(root, SCRATCH);
  await makePrivateFolder(scratch);
  await makePrivateFolder(dirname(path));
  return { path, scratch };
}

interface Folders {
  readonly path: string;
  readonly scratch: string;
}

// Another worker that removes the last object of a folder removes the folder too, perhaps between our making and using it.
async function inFolders<T>(tier: string, root: string, object: string, work: (folders: Folders) => Promise<T>) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(await prepareFolders(tier, root, object));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || attempt >= FOLDER_TRIES) throw error;
    }
  }
}

async function requireRoot(tier: string, root: string): Promise<void> {
  if (await unless(['ENOENT'], () => stat(root))) return;
  throw new Failure('STORE_UNREACHABLE', `folder '${root}' of tier '${tier}' is not there`, { path: root });
}

// A second name for the spool's file costs nothing. Only one tier may have it: two names of one file are no two copies.
// Where it is impossible (another file system, a file system without links) the bytes are copied, measured on the way.
async function linkOrCopy(file: FileToStore, path: string, scratch: string, onBytes: (bytes: number) => void) {
  if (await unless(['ENOENT'], () => stat(path))) return false;
  const linked = await linkAlone(file.path, path, scratch);
  if (linked !== null) {
    onBytes(file.bytes);
    return linked;
  }
  return publishFile(path, scratch, async (target) => {
    const measured = new Measure();
    for await (const chunk of readFileFrom(file.path, 0)) {
      measured.add(chunk);
      await target.writeFile(chunk);
      onBytes(chunk.length);
    }
    const { bytes, sha256 } = measured.result();
    if (bytes !== file.bytes || sha256 !== file.sha256)
      throw new Failure('ARTIFACT_DAMAGED', `'${file.path}' is not what was written there`, { path: file.path });
  });
}

/** @returns whether the name was free, or null when the file cannot be linked or another tier has it already. */
async function linkAlone(from: string, path: string, scratch: string): Promise<boolean | null> {
  const claim = join(scratch, `${randomUUID()}.part`);
  try {
    await link(from, claim);
    // Counted after our own link: of two tiers that link at once, at most one counts two names.
    return (await stat(claim)).nlink > 2 ? null : await linkNew(claim, path);
  } catch (error) {
    if (['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP'].includes(errnoOf(error) ?? '')) return null;
    throw error;
  } finally {
    await rm(claim, { force: true });
  }
}

function readFileFrom(path: string, start: number): ByteSource {
  return createReadStream(path, { start, highWaterMark: READ_BYTES });
}

async function* readObject(
  store: { name: string },
  root: string,
  object: string,
  start: number,
): ByteSource & AsyncGenerator<Uint8Array> {
  const path = pathOf(root, object);
  try {
    yield* readFileFrom(path, start);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw asDiskFailure(error, path);
    await requireRoot(store.name, root);
    throw missing(store, object, error);
  }
}

async function statObject(root: string, object: string): Promise<StoredObject | null> {
  const found = await unless(['ENOENT'], () => stat(pathOf(root, object)));
  if (!found?.isFile()) return null;
  return { name: object, bytes: found.size, modifiedAt: found.mtime.toISOString() };
}

async function listFolder(tier: string, root: string, prefix: string): Promise<readonly StoredObject[]> {
  await requireRoot(tier, root);
  const names = await namesBelow(root, prefix.replace(/\/$/, ''));
  const objects = await Promise.all(names.map((name) => statObject(root, name)));
  // Null is a file that was removed between the two looks at it.
  return objects.filter((object) => object !== null).sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function namesBelow(root: string, folder: string): Promise<readonly string[]> {
  const path = folder === '' ? root : pathOf(root, folder);
  const entries = await unless(['ENOENT'], () => readdir(path, { withFileTypes: true }));
  const named = (entries ?? []).filter(({ name }) => SEGMENT.test(name));
  const below = await Promise.all(named.map((entry) => namesOf(root, folder, entry)));
  return below.flat();
}

async function namesOf(root: string, folder: string, entry: Dirent): Promise<readonly string[]> {
  const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
  if (entry.isDirectory()) return namesBelow(root, name);
  return entry.isFile() ? [name] : [];
}

async function removeObject(root: string, object: string): Promise<void> {
  const path = pathOf(root, object);
  await rm(path, { force: true });
  await unless(['ENOENT'], () => flushFolder(dirname(path)));
  await removeEmptyFolders(root, dirname(path));
}

async function removeEmptyFolders(root: string, folder: string): Promise<void> {
  if (folder === root || !folder.startsWith(root)) return;
  const removed = await unless(['ENOTEMPTY', 'EEXIST', 'ENOENT', 'EBUSY'], async () => {
    await rmdir(folder);
    return true;
  });
  if (removed) await removeEmptyFolders(root, dirname(folder));
}

const STALE_MS = 24 * 60 * 60 * 1000;

// Only what is a day old: another worker may be writing into the same folder now.
async function clearScratch(root: string, before: Date | null): Promise<Unfinished> {
  const scratch = join(root, SCRATCH);
  const names = (await unless(['ENOENT'], () => readdir(scratch))) ?? [];
  const oldest = Math.min(before?.getTime() ?? Number.POSITIVE_INFINITY, Date.now() - STALE_MS);
  let removed = 0;
  for (const name of names) {
    const found = await unless(['ENOENT'], () => stat(join(scratch, name)));
    if (!found || found.mtimeMs > oldest) continue;
    await rm(join(scratch, name), { force: true });
    removed += 1;
  }
  return { removed, left: names.length - removed };
}
