// Where PostgreSQL stands: how many rows were ever inserted, changed and deleted in every table of every database, and how
// far every sequence has counted, by the server's own statistics. An automatic ANALYZE writes too, but only to the tables
// that are left out here, so that the server's own housekeeping is not taken for a client. Statistics arrive late: they
// count when no transaction has ended meanwhile (`pg_current_snapshot`).
import { setTimeout as wait } from 'node:timers/promises';
import type { StorePosition } from '../../domain/contracts/protected-system.ts';
import { IS_OPEN } from '../../domain/systems/postgres-names.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { inEachDatabase, liveReach, type Reach, type Session, withSession } from './connection.ts';
import type { Dependencies } from './context.ts';

/** A session that stays open tells its statistics after 10 s at the latest (PGSTAT_IDLE_INTERVAL, pgstat.c). */
const STATISTICS_ARRIVE_MS = 11_000;
/** A server on which a transaction ends in each of as many waits is told as its snapshot, which the next look cannot equal. */
const MOST_WAITS = 4;

interface Moment {
  readonly identifier: string;
  readonly snapshot: string;
  readonly lsn: string;
  readonly counts: boolean;
}

/**
 * Does: asks for the snapshot, waits until the statistics are complete, and sums them over all databases.
 * Repeat: asks again. Undo: none, asking takes no transaction number.
 * @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED.
 */
export async function readPosition({ configuration }: Dependencies): Promise<StorePosition> {
  const reach = liveReach(configuration);
  let moment = await momentOf(reach);
  // Without the server's statistics nothing but the snapshot can tell.
  for (let waits = 0; moment.counts && waits < MOST_WAITS; waits += 1) {
    await wait(STATISTICS_ARRIVE_MS);
    throwIfCancelled();
    const written = await writtenIn(reach);
    const next = await momentOf(reach);
    if (next.snapshot === moment.snapshot) return told(next, written);
    moment = next;
  }
  return told(moment, moment.snapshot);
}

const told = ({ identifier, snapshot, lsn }: Moment, written: string): StorePosition => ({
  position: `${identifier} ${written}`,
  detail: `${written}, snapshot ${snapshot}, WAL at ${lsn}`,
});

const momentOf = (reach: Reach): Promise<Moment> =>
  withSession(reach, reach.database, (session) =>
    session.row<Moment>(`
      select s.system_identifier::text as identifier, pg_current_snapshot()::text as snapshot,
        (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)::text as lsn,
        current_setting('track_counts')::bool as counts
      from pg_control_system() s`),
  );

async function writtenIn(reach: Reach): Promise<string> {
  const sums = await inEachDatabase(reach, IS_OPEN, sumsOf);
  const total = (name: 'rows' | 'sequences') => sums.reduce((sum, found) => sum + BigInt(found[name]), 0n);
  return `${sums.length} databases, ${total('rows')} rows written, sequences at ${total('sequences')}`;
}

// Shared catalogues are seen, and so counted, in each database. An ANALYZE writes to two tables, and what is large of them
// to a table beside each.
const sumsOf = (session: Session): Promise<{ readonly rows: string; readonly sequences: string }> =>
  session.row(`
    with analyzed as (
      select oid, reltoastrelid from pg_class
        where oid in ('pg_statistic'::regclass, 'pg_statistic_ext_data'::regclass))
    select
      (select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::text from pg_stat_all_tables
        where relid not in (select oid from analyzed union all select reltoastrelid from analyzed)) as rows,
      (select coalesce(sum(last_value), 0)::text from pg_sequences) as sequences`);
