// Who holds back WAL at the server, and whether its archive gets it without gaps.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchiveState, ServerState } from '../../domain/systems/postgres-readiness.ts';
import type { Session } from './connection.ts';

/** Slots without a reader. */
export async function readIdleSlots(session: Session): Promise<ServerState['idleSlots']> {
  const rows = await session.rows<{ name: string; held: string }>(`
    select slot_name as name, coalesce(pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
      else pg_current_wal_lsn() end, restart_lsn), 0)::bigint::text as held
    from pg_replication_slots where not active order by 1`);
  return rows.map(({ name, held }) => ({ name, heldBytes: Number(held) }));
}

/** The archiving of WAL, or null where there is none. `directory` is where the archive can be read from here. */
export async function lookAtArchive(session: Session, directory: string | undefined): Promise<ArchiveState | null> {
  const { isOn, mayCount } = await session.row<{ isOn: boolean; mayCount: boolean }>(`
    select current_setting('archive_mode') <> 'off' as "isOn",
      has_function_privilege('pg_ls_archive_statusdir()', 'execute') as "mayCount"`);
  if (!isOn) return null;
  const seen = await session.row<Omit<ArchiveState, 'waiting' | 'isThere'>>(`
    select last_archived_wal as "lastArchived", last_failed_wal as "lastFailed",
      coalesce(last_failed_time > last_archived_time, last_failed_time is not null) as "isFailing" from pg_stat_archiver`);
  const waiting = mayCount ? await countWaiting(session) : null;
  return { ...seen, waiting, isThere: await isArchived(directory, seen.lastArchived) };
}

async function countWaiting(session: Session): Promise<number> {
  const { count } = await session.row<{ count: number }>(
    "select count(*)::int as count from pg_ls_archive_statusdir() where name ~ '^[0-9A-F]{24}[.]ready$'",
  );
  return count;
}

// An archive may compress or encrypt: the file's name begins with the segment's.
async function isArchived(directory: string | undefined, segment: string | null): Promise<ArchiveState['isThere']> {
  if (directory === undefined || segment === null) return null;
  return holds(directory, segment).catch(() => 'unreadable' as const);
}

async function holds(directory: string, segment: string): Promise<boolean> {
  const names = (await readdir(directory)).filter((name) => name.startsWith(segment));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(directory, name))).size));
  return sizes.some((size) => size > 0);
}
