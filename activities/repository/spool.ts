// Where a site's worker keeps encrypted files until they are in every tier: `<spool>/<system>/<backupId>/<attempt>/`.
// An attempt that finished left its record there; one that did not counts for nothing.
import { randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../domain/failures.ts';
import { type BackupRef, isSafeName, type TakenBackup } from '../../domain/manifest.ts';
import { makePrivateFolder, publishBytes, unless } from '../shared/durable-files.ts';

const RECORD = 'taken.json';
const GIVEN_UP = 'given-up-';

/** Folder of all attempts of a backup. */
export function spoolOf(spool: string, { system, backupId }: BackupRef): string {
  if (!isSafeName(backupId)) throw new Failure('BUG', `'${backupId}' cannot be the id of a backup`);
  return join(spool, system, backupId);
}

/** A new attempt's folder. */
export async function newAttempt(spool: string, ref: BackupRef): Promise<string> {
  const folder = join(spoolOf(spool, ref), randomUUID());
  await makePrivateFolder(folder);
  return folder;
}

/**
 * Removes what earlier attempts left, or returns the record of the one that finished. A folder is renamed before it is
 * looked at for the last time: an attempt that is still alive cannot finish in it afterwards.
 */
export async function settleEarlierAttempts(spool: string, ref: BackupRef): Promise<TakenBackup | null> {
  const folder = spoolOf(spool, ref);
  for (const name of ((await unless(['ENOENT'], () => readdir(folder))) ?? []).sort()) {
    const attempt = join(folder, name);
    const taken = await readRecord(attempt);
    if (taken) return taken;
    const aside = join(folder, `${GIVEN_UP}${randomUUID()}`);
    await unless(['ENOENT'], () => rename(attempt, aside));
    const finished = await readRecord(aside);
    if (finished) {
      await rename(aside, attempt);
      return finished;
    }
    await rm(aside, { recursive: true, force: true });
  }
  return null;
}

/** Writes the record of a finished attempt. It fails when the attempt's folder was taken away meanwhile. */
export async function writeRecord(attempt: string, taken: TakenBackup): Promise<void> {
  await publishBytes(join(attempt, RECORD), attempt, Buffer.from(JSON.stringify(taken)));
}

async function readRecord(attempt: string): Promise<TakenBackup | null> {
  const text = await unless(['ENOENT', 'ENOTDIR'], () => readFile(join(attempt, RECORD), 'utf8'));
  if (text === undefined) return null;
  const taken = { ...(JSON.parse(text) as TakenBackup), spoolDirectory: attempt };
  return (await isWhole(taken)) ? taken : null;
}

async function isWhole({ spoolDirectory, facts, key }: TakenBackup): Promise<boolean> {
  const sizes = await Promise.all(
    [...facts.artifacts, key].map(async ({ name, storedBytes }) => {
      const found = await unless(['ENOENT'], () => stat(join(spoolDirectory, name)));
      return found?.size === storedBytes;
    }),
  );
  return sizes.every(Boolean);
}

/** Removes the spool of a backup. Safe to call twice. */
export async function clearSpool(spool: string, ref: BackupRef): Promise<void> {
  await rm(spoolOf(spool, ref), { recursive: true, force: true });
}

const OLD_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * Removes what no run can come back to: backups and staged readings that nothing was written to for a week, because their
 * worker was killed and never asked again. No activity lasts so long.
 */
export async function sweepSpool(spool: string, now: number): Promise<void> {
  for (const system of await namesIn(spool))
    for (const name of await namesIn(join(spool, system))) {
      const path = join(spool, system, name);
      if (now - (await lastWriteIn(path)) > OLD_MS) await rm(path, { recursive: true, force: true });
    }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return (await unless(['ENOENT', 'ENOTDIR'], () => readdir(folder))) ?? [];
}

async function lastWriteIn(path: string): Promise<number> {
  const found = await unless(['ENOENT'], () => stat(path));
  const below = (await namesIn(path)).map((name) => lastWriteIn(join(path, name)));
  return Math.max(found?.mtimeMs ?? Number.POSITIVE_INFINITY, ...(await Promise.all(below)));
}
