// How the server is now, for `dr status`: figures of its catalogues and statistics. Nothing is counted row by row.
import type { SystemStatus } from '../../domain/contracts/system-status.ts';
import { Failure } from '../../domain/failures.ts';
import { IS_OPEN, IS_PLATFORM_DATABASE } from '../../domain/systems/postgres-names.ts';
import { judgePostgres, type PostgresDatabase, type PostgresFigures } from '../../domain/systems/postgres-status.ts';
import { liveReach, type Reach, type Session, withSession } from './connection.ts';
import type { Dependencies } from './context.ts';

/** Databases that are looked into, each in a session of its own; the others are told by number. */
const MOST_DATABASES = 30;
/** A statement that waits longer, for a lock or a disk, would hold up the rest. */
const STATEMENT_MS = 3000;

/**
 * Does: reads catalogues and statistics of the server and of each database.
 * Repeat: reads again. Undo: none needed, nothing is changed.
 * @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED.
 */
export async function observe({ configuration }: Dependencies): Promise<SystemStatus> {
  const reach: Reach = { ...liveReach(configuration), statementTimeoutMs: STATEMENT_MS };
  const { server, databases, replicas, slots } = await withSession(reach, reach.database, readServer);
  const looked = await Promise.all(databases.slice(0, MOST_DATABASES).map((one) => lookInto(reach, one)));
  const leftOut = Math.max(0, databases.length - MOST_DATABASES);
  const figures: PostgresFigures = { ...server, replicas, slots, databases: looked, leftOut };
  return { lines: judgePostgres(figures), facts: { ...figures } as unknown as SystemStatus['facts'], changedAt: null };
}

type Server = Omit<PostgresFigures, 'databases' | 'leftOut' | 'replicas' | 'slots'>;

interface Database {
  readonly name: string;
  readonly bytes: string | null;
}

async function readServer(session: Session) {
  const server = await session.row<Server>(`
    select current_setting('server_version') as version,
      (select timeline_id from pg_control_checkpoint()) as timeline, pg_is_in_recovery() as "inRecovery",
      (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as connections,
      current_setting('max_connections')::int as "maxConnections",
      case when not pg_is_in_recovery() then null
        when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
        else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8 end as "replayLagSeconds",
      (select status from pg_stat_wal_receiver) as receiver,
      (select case when current_setting('archive_mode') = 'off' then null
        else coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) end
        from pg_stat_archiver) as "archivingFails"`);
  const databases = await session.rows<Database>(`
    select datname as name, case when has_database_privilege(oid, 'connect') then pg_database_size(oid)::text end as bytes
    from pg_database where ${IS_PLATFORM_DATABASE} and ${IS_OPEN} order by 1`);
  const position = '(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)';
  const replicas = await session.rows<PostgresFigures['replicas'][number]>(`
    select coalesce(nullif(application_name, ''), 'pid ' || pid) as name, coalesce(state, 'unknown') as state,
      pg_wal_lsn_diff(${position}, replay_lsn)::float8 as "lagBytes", extract(epoch from replay_lag)::float8 as "lagSeconds"
    from pg_stat_replication order by 1`);
  const slots = await session.rows<PostgresFigures['slots'][number]>(`
    select slot_name as name, active, coalesce(pg_wal_lsn_diff(${position}, restart_lsn), 0)::float8 as "retainedBytes"
    from pg_replication_slots order by 1`);
  return { server, databases, replicas, slots };
}

async function lookInto(reach: Reach, { name, bytes }: Database): Promise<PostgresDatabase> {
  const known = { name, bytes: bytes === null ? null : Number(bytes) };
  try {
    const seen = await withSession(reach, name, (session) =>
      session.row<{ tables: number; rows: number; unanalysed: number }>(`
        select count(*)::int as tables, count(*) filter (where c.reltuples < 0)::int as unanalysed,
          coalesce(sum(case when c.reltuples >= 0 then c.reltuples else s.n_live_tup end), 0)::float8 as rows
        from pg_class c left join pg_stat_user_tables s on s.relid = c.oid
        where c.relkind = 'r' and c.relpersistence <> 't'
          and c.relnamespace not in (select oid from pg_namespace where nspname ~ '^pg_' or nspname = 'information_schema')`),
    );
    const { tables, rows, unanalysed } = seen;
    return { ...known, tables, estimatedRows: Math.round(rows), unanalysed, unseen: null };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { ...known, tables: null, estimatedRows: null, unanalysed: null, unseen: error.message };
  }
}
