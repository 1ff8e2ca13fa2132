// Where PostgreSQL stands. Every write takes a transaction number, and a snapshot names those that have ended and those
// that are still open: as long as it is the same, nothing was committed. The WAL's position moves by itself (checkpoints,
// base backups) and is shown only. An automatic ANALYZE takes a number too.
import type { StorePosition } from '../../domain/contracts/protected-system.ts';
import { liveReach, withSession } from './connection.ts';
import type { Dependencies } from './context.ts';

interface Answer {
  readonly identifier: string;
  readonly snapshot: string;
  readonly lsn: string;
}

/**
 * Does: asks for the current snapshot.
 * Repeat: asks again. Undo: none, asking takes no transaction number.
 * @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED.
 */
export async function readPosition({ configuration }: Dependencies): Promise<StorePosition> {
  const reach = liveReach(configuration);
  const { identifier, snapshot, lsn } = await withSession(reach, reach.database, (session) =>
    session.row<Answer>(`
      select s.system_identifier::text as identifier, pg_current_snapshot()::text as snapshot,
        (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)::text as lsn
      from pg_control_system() s`),
  );
  return { position: `${identifier} ${snapshot}`, detail: `snapshot ${snapshot}, WAL at ${lsn}` };
}
