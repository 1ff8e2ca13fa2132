// What is there now: who the server is, whether it can be backed up, how large it is.
import type { Finding, InspectInput, SystemFacts } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { JsonValue } from '../../domain/json.ts';
import { IS_OPEN, IS_PLATFORM_DATABASE } from '../../domain/systems/postgres-names.ts';
import { judgeServer, type ServerState } from '../../domain/systems/postgres-readiness.ts';
import { type Session, withSession } from './connection.ts';
import { type Dependencies, type Live, reachLive } from './context.ts';
import { CLIENT_TOOLS, SERVER_TOOLS, type Tools, toolVersion } from './tools.ts';
import { lookAtArchive, readIdleSlots } from './wal-state.ts';

/**
 * Does: reads catalogues and asks the tools for their versions.
 * Repeat: looks again. Undo: none, it changes nothing.
 * @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED.
 */
export async function inspect(deps: Dependencies, input: InspectInput): Promise<SystemFacts> {
  const live = await reachLive(deps);
  const seen = await withSession(live.reach, live.reach.database, async (session) => ({
    source: await readSource(session, live),
    state: await readState(session, deps, live),
    size: await readSize(session),
  }));
  const findings = [...judgeServer(seen.state, input.kinds), ...(await lookAtTools(live.tools))];
  return {
    identity: String(seen.source.systemIdentifier),
    version: String(seen.source.version),
    estimatedBytes: Number(seen.size.bytes),
    counts: { databases: Number(seen.size.databases), tablespaces: Number(seen.size.tablespaces) },
    source: seen.source,
    findings:
      findings.length > 0 ? findings : [{ level: 'ok', subject: 'PostgreSQL', message: 'is ready', code: null }],
  };
}

/** Facts that a backup records about where it came from. */
export async function readSource(session: Session, live: Live): Promise<Record<string, JsonValue>> {
  const facts = await session.row<Record<string, JsonValue>>(`
    select s.system_identifier::text as "systemIdentifier", current_setting('server_version') as version,
      c.timeline_id as timeline, pg_is_in_recovery() as "inRecovery",
      (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)::text as lsn,
      (select rolname from pg_roles where oid = 10) as superuser,
      current_setting('data_directory_mode') as "dataDirectoryMode",
      current_setting('data_checksums') = 'on' as "dataChecksums"
    from pg_control_system() s, pg_control_checkpoint() c`);
  return { ...facts, localeLibraries: await readLocales(session, live.versionNumber) };
}

async function readLocales(session: Session, versionNumber: number): Promise<JsonValue> {
  if (versionNumber < 150_000) return null;
  const rows = await session.rows<{ name: string; recorded: string | null; actual: string | null }>(
    `select datcollate || '/' || datlocprovider::text as name, max(datcollversion) as recorded,
       max(pg_database_collation_actual_version(oid)) as actual
     from pg_database group by 1 order by 1`,
  );
  return rows.map(({ name, recorded, actual }) => ({ name, recorded, actual }));
}

type Asked = Omit<ServerState, 'hasService' | 'hasDataDirectory' | 'collationMismatches' | 'idleSlots' | 'archive'>;

async function readState(session: Session, { configuration }: Dependencies, live: Live): Promise<ServerState> {
  const state = await session.row<Asked>(`
    select current_user as user, r.rolsuper as "isSuperuser", r.rolreplication as "canReplicate",
      coalesce((select pg_has_role(current_user, oid, 'usage') from pg_roles where rolname = 'pg_read_all_data'), false)
        as "canReadAll",
      current_setting('wal_level') as "walLevel",
      current_setting('server_version_num')::int as "versionNumber",
      coalesce(current_setting('summarize_wal', true), 'off') = 'on' as "summarizesWal",
      current_setting('data_checksums') = 'on' as "dataChecksums",
      (select setting::bigint::int from pg_settings where name = 'max_slot_wal_keep_size') as "slotLimitMegabytes",
      current_setting('max_wal_senders')::int as "maxWalSenders",
      (select count(*)::int from pg_stat_replication) as "usedWalSenders",
      current_setting('max_replication_slots')::int as "maxSlots",
      (select count(*)::int from pg_replication_slots) as "usedSlots",
      (select coalesce(array_agg(datname::text), '{}') from pg_database where not (${IS_OPEN}) and ${IS_PLATFORM_DATABASE})
        as "refusingDatabases"
    from pg_roles r where r.rolname = current_user`);
  const hasService = configuration.service !== undefined;
  const hasDataDirectory = configuration.dataDirectory !== undefined;
  return {
    ...state,
    hasService,
    hasDataDirectory,
    collationMismatches: await readMismatches(session, live),
    idleSlots: await readIdleSlots(session),
    archive: await lookAtArchive(session, configuration.archiveDirectory),
  };
}

async function readMismatches(session: Session, { versionNumber }: Live): Promise<string[]> {
  if (versionNumber < 150_000) return [];
  const rows = await session.rows<{ name: string }>(
    `select datname as name from pg_database
     where datcollversion is distinct from pg_database_collation_actual_version(oid) and ${IS_OPEN}`,
  );
  return rows.map(({ name }) => name);
}

function readSize(session: Session): Promise<{ bytes: string; databases: string; tablespaces: string }> {
  return session.row(`
    select coalesce(sum(case when has_database_privilege(oid, 'connect') then pg_database_size(oid) end), 0) as bytes,
      count(*) filter (where ${IS_PLATFORM_DATABASE}) as databases,
      (select count(*) from pg_tablespace where spcname not in ('pg_default', 'pg_global')) as tablespaces
    from pg_database`);
}

async function lookAtTools(tools: Tools): Promise<Finding[]> {
  const looks = [
    ...CLIENT_TOOLS.map((name) => lookAtTool(tools, name, 'failed')),
    ...SERVER_TOOLS.map((name) => lookAtTool(tools, name, 'warning')),
  ];
  return (await Promise.all(looks)).flat();
}

// A missing server tool hinders scratch restores and checks, not the taking of a backup.
async function lookAtTool(tools: Tools, name: string, level: 'failed' | 'warning'): Promise<Finding[]> {
  try {
    await toolVersion(tools, name);
    return [];
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return [{ level, subject: `tool ${name}`, message: error.message, code: error.code, mend: tools.install }];
  }
}
