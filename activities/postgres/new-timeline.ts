// A restored cluster goes on in a timeline that nobody used: WAL of the old life and of the new must never mix, in no
// archive, also when two restores begin from the same base backup.
import { appendFile, copyFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { giveTo } from './context.ts';

export interface Restored {
  /** The unpacked base backup. */
  readonly folder: string;
  /** Its timeline. */
  readonly timeline: number;
  /** The data folder that it will replace; it may not exist. */
  readonly replaced: string;
  readonly owner: string | undefined;
}

/** Settings of the recovery; they are reset when it is over. */
export const RECOVERY_SETTINGS = ['restore_command', 'recovery_target_timeline'] as const;

/**
 * Prepares the recovery of a base backup that carries its own WAL. Recovery of an archive ends in a new timeline, the
 * first without a history file; there is no archive to ask, so the replaced data folder tells which are taken.
 */
export async function prepareRecovery(restored: Restored): Promise<void> {
  const { folder, owner } = restored;
  await rm(join(folder, 'standby.signal'), { force: true });
  await place(join(folder, 'recovery.signal'), owner, (path) => writeFile(path, '', { mode: 0o600 }));
  await appendFile(
    join(folder, 'postgresql.auto.conf'),
    "restore_command = 'false'\nrecovery_target_timeline = 'current'\n",
  );
  await carryHistory(restored);
}

async function place(path: string, owner: string | undefined, write: (path: string) => Promise<void>): Promise<void> {
  await write(path);
  await giveTo(owner, path);
}

async function carryHistory({ folder, timeline, replaced, owner }: Restored): Promise<void> {
  const from = join(replaced, 'pg_wal');
  const names: readonly string[] = await readdir(from).catch(() => []);
  const there = new Set(await readdir(join(folder, 'pg_wal')));
  for (let taken = timeline + 1; taken <= newestOf(names); taken++) {
    const name = `${taken.toString(16).toUpperCase().padStart(8, '0')}.history`;
    if (there.has(name)) continue;
    await place(join(folder, 'pg_wal', name), owner, (path) =>
      names.includes(name) ? copyFile(join(from, name), path) : writeFile(path, GAP, { mode: 0o600 }),
    );
  }
}

// PostgreSQL counts timelines up to the first whose history is missing. Nobody reads this one: it is no ancestor.
const GAP = '# a timeline of the replaced server whose history was not found\n';

// Names of WAL segments and of histories begin with their timeline, in hexadecimal.
function newestOf(names: readonly string[]): number {
  const timelines = names.map((name) => /^([0-9A-F]{8})(?:[0-9A-F]{16}|\.history)$/.exec(name)?.[1]);
  return Math.max(0, ...timelines.map((text) => Number.parseInt(text ?? '0', 16)));
}
