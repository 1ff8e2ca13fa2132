// Files for an empty folder, all compared before one is written: nothing that is there is ever replaced.
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Failure } from '../../domain/failures.ts';
import { asDiskFailure, makePrivateFolder, publishBytes, unless } from '../shared/durable-files.ts';

export interface PlacedFiles {
  readonly written: readonly string[];
  /** There before with the very same content. */
  readonly alreadyThere: readonly string[];
}

/**
 * Does: writes each file (0600, in folders of 0700) that is not there yet.
 * Repeat: finds the same content and leaves it. Undo: none needed: what it wrote can be removed.
 * @param files absolute path to content.
 * @throws {Failure} FILE_EXISTS before anything is written when one of them is there with other content; NO_SPACE.
 */
export async function placeFiles(files: ReadonlyMap<string, string>): Promise<PlacedFiles> {
  const found = await Promise.all([...files].map(([path, text]) => compare(path, text)));
  const differing = found.filter(({ state }) => state === 'other').map(({ path }) => `'${path}'`);
  if (differing.length > 0) throw new Failure('FILE_EXISTS', `there with other content: ${differing.join(', ')}`);
  const written = found.filter(({ state }) => state === 'absent').map(({ path }) => path);
  for (const path of written) await place(path, files.get(path) ?? '');
  return { written, alreadyThere: found.filter(({ state }) => state === 'same').map(({ path }) => path) };
}

async function compare(path: string, text: string) {
  const there = await unless(['ENOENT'], () => readFile(path, 'utf8'));
  const state = there === undefined ? ('absent' as const) : there === text ? ('same' as const) : ('other' as const);
  return { path, state };
}

async function place(path: string, text: string): Promise<void> {
  try {
    await makePrivateFolder(dirname(path));
    if (await publishBytes(path, dirname(path), Buffer.from(text))) return;
  } catch (error) {
    throw asDiskFailure(error, path, text.length);
  }
  throw new Failure('FILE_EXISTS', `'${path}' appeared meanwhile`);
}
