// A place is a name in a folder that is held open. Everything goes through the open folder (/proc/self/fd is Linux's way
// to say openat), so a folder that is swapped for a link while we work cannot lead us elsewhere.
import { constants } from 'node:fs';
import { type FileHandle, link, lstat, mkdir, open, readlink, rename, rmdir, symlink, unlink } from 'node:fs/promises';
import { bytesOfName } from './names.ts';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** An open folder. Close it after use. */
export class Folder {
  readonly handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.handle = handle;
  }

  /** Opens a folder by a trusted path; links in it are followed. */
  static async open(path: string | Buffer): Promise<Folder> {
    return new Folder(await open(path, O_RDONLY | O_DIRECTORY));
  }

  /** Opens a folder in this one. @throws ENOTDIR or ELOOP when it is a link or no folder. */
  async openFolder(name: string | Buffer): Promise<Folder> {
    return new Folder(await open(this.pathOf(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  }

  /** The path by which the system reaches `name` in this very folder. `name` is one part, without a slash. */
  pathOf(name: string | Buffer): Buffer {
    const bytes = typeof name === 'string' ? bytesOfName(name) : name;
    return Buffer.concat([Buffer.from(`/proc/self/fd/${this.handle.fd}/`), bytes]);
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  /** Makes what was done to names in this folder outlast a power cut. */
  sync(): Promise<void> {
    return this.handle.sync();
  }

  lstat(name: string | Buffer) {
    return lstat(this.pathOf(name), { bigint: true });
  }

  readLink(name: string | Buffer): Promise<Buffer> {
    return readlink(this.pathOf(name), { encoding: 'buffer' });
  }

  /** Opens a file to read. Never waits (a pipe) and never follows a link. */
  openToRead(name: string | Buffer): Promise<FileHandle> {
    return open(this.pathOf(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  }

  /** Makes a new file, mode 0600. @throws EEXIST. */
  create(name: string | Buffer): Promise<FileHandle> {
    return open(this.pathOf(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  }

  makeFolder(name: string | Buffer): Promise<unknown> {
    return mkdir(this.pathOf(name), { mode: 0o700 });
  }

  /** Gives the file at `from` another name in this folder. @throws EEXIST, EXDEV, EMLINK. */
  makeHardLink(name: string | Buffer, from: Place): Promise<void> {
    return link(from.folder.pathOf(from.name), this.pathOf(name));
  }

  makeLink(name: string | Buffer, target: Buffer): Promise<void> {
    return symlink(target, this.pathOf(name));
  }

  rename(from: string | Buffer, to: string | Buffer): Promise<void> {
    return rename(this.pathOf(from), this.pathOf(to));
  }

  remove(name: string | Buffer): Promise<void> {
    return unlink(this.pathOf(name));
  }

  removeFolder(name: string | Buffer): Promise<void> {
    return rmdir(this.pathOf(name));
  }
}

/** Where one file of an archive lies: a name in an open folder. */
export interface Place {
  readonly folder: Folder;
  readonly name: string;
}

const isCode = (error: unknown, ...codes: string[]) => codes.includes((error as NodeJS.ErrnoException).code ?? '');

/** True when the error says that there is no such name. */
export const isAbsent = (error: unknown): boolean => isCode(error, 'ENOENT');

/** True when the error says that the name is taken. */
export const isTaken = (error: unknown): boolean => isCode(error, 'EEXIST');

/** True when the error says that a part of the path is a link or no folder. */
export const isNoFolder = (error: unknown): boolean => isCode(error, 'ENOTDIR', 'ELOOP');

/**
 * The place of `path` below an open root, each folder on the way checked to be a real folder in the one before.
 * Close `folder` after use unless it is `root` itself.
 * @param makeFolders makes missing folders (0700); without it a missing one gives null.
 * @throws ENOTDIR or ELOOP when a part of the way is a link or no folder.
 */
export async function placeBelow(root: Folder, path: string, makeFolders: boolean): Promise<Place | null> {
  const parts = path.split('/');
  const name = parts.pop() ?? '';
  let folder = root;
  for (const part of parts) {
    const next = await enter(folder, part, makeFolders).finally(() => closeUnless(folder, root));
    if (next === null) return null;
    folder = next;
  }
  return { folder, name };
}

/** Closes a folder that is not `root`. */
export async function closeUnless(folder: Folder, root: Folder): Promise<void> {
  if (folder !== root) await folder.close();
}

async function enter(folder: Folder, part: string, makeFolders: boolean): Promise<Folder | null> {
  try {
    return await folder.openFolder(part);
  } catch (error) {
    if (!isAbsent(error)) throw error;
    if (!makeFolders) return null;
  }
  await folder.makeFolder(part).catch((error) => {
    if (!isTaken(error)) throw error;
  });
  return folder.openFolder(part);
}
