// Files that are there whole or not at all, also after a power cut: written under another name, flushed, linked to the
// final name (link refuses to replace; rename would not), and the folder flushed. Modes are ours whatever the umask.
import { randomUUID } from 'node:crypto';
import { chmod, type FileHandle, link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure } from '../../domain/failures.ts';

export const errnoOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | null)?.code;

/** Runs `work` and returns undefined when it fails with one of `codes`; any other error passes. */
export async function unless<T>(codes: readonly string[], work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (codes.includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** Flushes a folder, so that the names in it outlive a power cut. */
export async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Makes a folder and those above it, mode 0700, each flushed into its parent. Existing ones stay as they are. */
export async function makePrivateFolder(path: string): Promise<void> {
  if (await unless(['ENOENT'], () => stat(path))) return;
  await makePrivateFolder(dirname(path));
  await unless(['EEXIST'], async () => {
    await mkdir(path, { mode: 0o700 });
    await chmod(path, 0o700);
  });
  await flushFolder(dirname(path));
}

/** Opens a new file, mode 0600. @throws EEXIST when it is there. */
export async function createPrivateFile(path: string): Promise<FileHandle> {
  const file = await open(path, 'wx+', 0o600);
  await file.chmod(0o600).catch(async (error) => {
    await file.close();
    throw error;
  });
  return file;
}

/**
 * Writes a file through a temporary one in `scratch` (same file system) and gives it its name only when it is whole.
 * @returns false when `path` exists already; it is left as it is.
 */
export async function publishFile(
  path: string,
  scratch: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<boolean> {
  const temporary = join(scratch, `${randomUUID()}.part`);
  try {
    const file = await createPrivateFile(temporary);
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    return await linkNew(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Gives a file a second name. @returns false when that name exists already. */
export async function linkNew(from: string, to: string): Promise<boolean> {
  const made = await unless(['EEXIST'], async () => {
    await link(from, to);
    return true;
  });
  if (made) await flushFolder(dirname(to));
  return made ?? false;
}

/** Small file, create-only. @returns false when it exists already. */
export function publishBytes(path: string, scratch: string, bytes: Uint8Array): Promise<boolean> {
  return publishFile(path, scratch, (file) => file.writeFile(bytes));
}

/**
 * A small private record in a private folder of its own kind, create-only.
 * @returns false when it exists already. @throws {Failure} NO_SPACE, ACCESS_DENIED, STORE_UNREACHABLE.
 */
export async function publishRecord(folder: string, name: string, text: string): Promise<boolean> {
  const path = join(folder, name);
  const scratch = join(folder, 'new');
  try {
    await makePrivateFolder(scratch);
    return await publishBytes(path, scratch, Buffer.from(text));
  } catch (error) {
    throw asDiskFailure(error, path);
  }
}

/**
 * A small private file that is replaced as a whole. Its folder has to be there: it is never made.
 * @throws {Failure} NO_SPACE, ACCESS_DENIED, STORE_UNREACHABLE; ENOENT passes as it is.
 */
export async function replaceFile(folder: string, name: string, text: string): Promise<void> {
  const path = join(folder, name);
  const temporary = join(folder, `.${name}.${randomUUID()}`);
  try {
    const file = await createPrivateFile(temporary);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await flushFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined); // The first error tells more.
    throw asDiskFailure(error, path);
  }
}

/** The text of a record. @throws {Failure} ACCESS_DENIED, STORE_UNREACHABLE; ENOENT passes as it is. */
export const readRecord = (path: string): Promise<string> =>
  readFile(path, 'utf8').catch((error) => {
    throw asDiskFailure(error, path);
  });

/** Names in a folder of records; none while there is no folder. */
export const recordNames = async (folder: string): Promise<readonly string[]> =>
  (await unless(['ENOENT'], () => readdir(folder))) ?? [];

/** The failure that a file system's error means; an error it does not know is returned as it is. */
export function asDiskFailure(error: unknown, path: string, needBytes: number | string = 'more'): unknown {
  switch (errnoOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new Failure('NO_SPACE', `no space left while writing '${path}'`, { path, needBytes }, error);
    case 'EACCES':
    case 'EPERM':
      return new Failure('ACCESS_DENIED', `not allowed to use '${path}'`, { need: `access to ${path}` }, error);
    case 'EIO':
    case 'EROFS':
    case 'ESTALE':
    case 'ENOTDIR':
      return new Failure('STORE_UNREACHABLE', `'${path}' cannot be used: ${(error as Error).message}`, {}, error);
    default:
      return error;
  }
}
