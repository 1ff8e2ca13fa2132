// Checksums of files below a folder, with their modes.
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';

export interface FileChecksum {
  readonly sha256: string;
  readonly mode: string;
  readonly owner: string;
}

/** By path relative to the folder. */
export async function fileChecksums(directory: string): Promise<Record<string, FileChecksum>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const checked = await Promise.all(
    files.map(async (file) => [relative(directory, file), await fileChecksum(file)] as const),
  );
  return Object.fromEntries(checked.sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function fileChecksum(file: string): Promise<FileChecksum> {
  const [content, { mode, uid, gid }] = await Promise.all([readFile(file), stat(file)]);
  const sha256 = createHash('sha256').update(content).digest('hex');
  return { sha256, mode: (mode & 0o7777).toString(8), owner: `${uid}:${gid}` };
}
