// Writing files that must not exist yet: all of them or none, readable by their owner alone, on the disk when it returns.
import { existsSync } from 'node:fs';
import { chmod, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Failure } from '../domain/failures.ts';

/**
 * Writes every file (mode 0600; folders that are missing get 0700). When one cannot be written, those before it go again.
 * @param files absolute path to content.
 * @throws {Failure} FILE_EXISTS before anything is written when one of them is there.
 */
export async function writeNewFiles(files: ReadonlyMap<string, string>): Promise<void> {
  const there = [...files.keys()].filter((path) => existsSync(path));
  if (there.length > 0)
    throw new Failure('FILE_EXISTS', `already there: ${there.map((path) => `'${path}'`).join(', ')}`);
  const written: string[] = [];
  try {
    for (const [path, content] of files) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeNewFile(path, content);
      written.push(path);
    }
  } catch (error) {
    await Promise.all(written.map((path) => rm(path)));
    throw error;
  }
}

async function writeNewFile(path: string, content: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await chmod(path, 0o600);
}
