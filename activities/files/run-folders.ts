// Where a run's files are: scratch space that goes with the run, and what a live restore replaced, which stays.
import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { requireCurrentAttempt } from '../shared/activity-context.ts';

export interface RunFolders {
  /** Removed when the run is finished. */
  readonly scratch: string;
  /** Keeps what a live restore replaced, until a person removes it. */
  readonly kept: string;
}

/** The folders of one run of one system. Nothing is made. */
export function runFolders(workDirectory: string, run: string, system: string): RunFolders {
  const name = folderName(run);
  return { scratch: join(workDirectory, name, system), kept: join(workDirectory, 'kept', name, system) };
}

// A run's id is chosen outside: what is not plainly one folder name is replaced by its hash.
function folderName(run: string): string {
  const isPlain = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(run) && run !== 'kept';
  return isPlain ? run : createHash('sha256').update(run).digest('hex');
}

/** Makes a private folder, and those above it, whatever the umask. @throws {Failure} ATTEMPT_STALE. */
export async function makePrivate(folder: string): Promise<string> {
  requireCurrentAttempt();
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Makes a private folder that is empty, whatever an earlier attempt left there. */
export async function makeEmpty(folder: string): Promise<string> {
  requireCurrentAttempt(); // Not what a later one has there.
  await rm(folder, { recursive: true, force: true });
  return makePrivate(folder);
}
