// A logical backup: every database dumped once, from one exported snapshot; the SQL is made from the same bytes.
import { Readable } from 'node:stream';
import type { ByteSource, OpenBackup } from '../../domain/contracts/backup-content.ts';
import type { TakeBackupInput } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { Artifact, BackupFacts } from '../../domain/manifest.ts';
import { countInventory, type InventoryLine, writeInventory } from '../../domain/systems/postgres-inventory.ts';
import { databaseConnection, IS_OPEN, IS_PLATFORM_DATABASE } from '../../domain/systems/postgres-names.ts';
import { progressOf } from '../shared/activity-context.ts';
import type { RunningTool } from '../shared/run-tool.ts';
import { type CommonSetting, readCommonSettings, statementsOf } from './common-settings.ts';
import { type Session, withSession } from './connection.ts';
import { type Dependencies, type Live, reachLive, withRunFolder } from './context.ts';
import { beginSnapshot, readSequences, takeInventory } from './count-rows.ts';
import { describeDatabase } from './describe-database.ts';
import { outputOf, passThrough } from './feed.ts';
import { readSource } from './inspect.ts';
import { readRoles, writeLines } from './roles.ts';
import { type Credentials, startPgTool, toolVersion, withCredentials } from './tools.ts';
import { type LAST_LINES, wholeText } from './whole-text.ts';

const LOCK_WAIT_MS = 120_000;

interface Work {
  readonly live: Live;
  readonly credentials: Credentials;
  readonly open: OpenBackup;
}

/** Writes the artifacts of a logical backup and returns its facts. */
export async function takeLogical(deps: Dependencies, input: TakeBackupInput, open: OpenBackup): Promise<BackupFacts> {
  const startedAt = new Date().toISOString();
  const live = await reachLive(deps);
  const tools = await versionsOf(live);
  return withRunFolder(deps, input.run, `take-${input.backup.backupId}`, (folder) =>
    withCredentials(live.reach, folder, async (credentials) => {
      const work = { live, credentials, open };
      const about = await withSession(live.reach, live.reach.database, (session) => lookAround(session, live));
      const globals = await addGlobals(work, about.isSuperuser);
      const momentAt = new Date().toISOString();
      const databases = await addDatabases(work, about.databases);
      const lines = databases.flatMap((one) => one.lines);
      const inventory = await open.addArtifact(
        { name: 'inventory.jsonl', role: 'inventory' },
        bytesOf(writeInventory(lines)),
      );
      return {
        system: 'postgres',
        backupId: input.backup.backupId,
        kind: 'logical',
        site: input.site,
        startedAt,
        momentAt,
        finishedAt: new Date().toISOString(),
        source: about.source,
        tools,
        artifacts: [...globals, ...databases.flatMap((one) => one.artifacts), inventory],
        counts: countInventory(lines),
        parents: [],
        marker: null,
        warnings: warningsOf(about, lines),
        report: { snapshots: databases.map(({ snapshot }) => snapshot) },
      };
    }),
  );
}

async function versionsOf({ tools }: Live): Promise<Record<string, string>> {
  const names = ['pg_dump', 'pg_dumpall', 'pg_restore'];
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await toolVersion(tools, name)])));
}

async function lookAround(session: Session, live: Live) {
  const source = await readSource(session, live);
  const { isSuperuser } = await session.row<{ isSuperuser: boolean }>(
    'select rolsuper as "isSuperuser" from pg_roles where rolname = current_user',
  );
  const all = await session.rows<{ name: string; open: boolean }>(
    `select datname as name, ${IS_OPEN} as open from pg_database where ${IS_PLATFORM_DATABASE} order by datname collate "C"`,
  );
  const databases = all.filter(({ open }) => open).map(({ name }) => name);
  const refusing = all.filter(({ open }) => !open).map(({ name }) => name);
  return { source, isSuperuser, databases, refusing };
}

function warningsOf(
  about: { readonly refusing: readonly string[]; readonly isSuperuser: boolean },
  lines: readonly InventoryLine[],
): string[] {
  const unlogged = lines.filter((line) => line.is === 'table' && line.unlogged).length;
  return [
    ...about.refusing.map((name) => `database "${name}" refuses connections and is not in this backup`),
    ...(about.isSuperuser ? [] : ["passwords of roles are not in this backup: the backup's role is no superuser"]),
    ...(unlogged > 0 ? [`${unlogged} unlogged tables are in this backup; a crash of the server would empty them`] : []),
  ];
}

async function addGlobals({ live, credentials, open }: Work, isSuperuser: boolean): Promise<Artifact[]> {
  const args = ['--globals-only', '--no-password', ...(isSuperuser ? [] : ['--no-role-passwords'])];
  const connection = `--dbname=${databaseConnection(live.reach.database)}`;
  const tool = startPgTool(live.tools, credentials, 'pg_dumpall', [...args, connection]);
  tool.stdin.end();
  const { roles, settings } = await withSession(live.reach, live.reach.database, async (session) => ({
    roles: await readRoles(session, isSuperuser, live.versionNumber),
    settings: await readCommonSettings(session),
  }));
  return [
    await open.addArtifact({ name: 'globals.sql', role: 'globals' }, globalsOf(settings, tool)),
    await open.addArtifact({ name: 'roles.jsonl', role: 'roles' }, bytesOf(writeLines(roles))),
    await open.addArtifact({ name: 'settings.jsonl', role: 'settings' }, bytesOf(writeLines(settings))),
  ];
}

async function* globalsOf(settings: readonly CommonSetting[], tool: RunningTool): ByteSource {
  for (const statement of statementsOf(settings)) yield Buffer.from(`${statement};\n`);
  yield* wholeOutput(tool, 'globals');
}

function wholeOutput(tool: RunningTool, role: keyof typeof LAST_LINES): ByteSource {
  const words = 'ended well, but what it wrote stops before its last line';
  const cut = () => new Failure('TOOL_FAILED', `the ${role} of this backup: the tool ${words}`);
  return wholeText(role, outputOf(tool), cut);
}

interface TakenDatabase {
  readonly artifacts: readonly Artifact[];
  readonly lines: readonly InventoryLine[];
  readonly snapshot: { readonly database: string; readonly at: string; readonly lsn: string };
}

async function addDatabases(work: Work, names: readonly string[]): Promise<TakenDatabase[]> {
  const taken: TakenDatabase[] = [];
  for (const [position, name] of names.entries()) taken.push(await addDatabase(work, name, position + 1));
  return taken;
}

// The exporting transaction stays open until the dump has ended; counting happens inside it, at the same time.
function addDatabase(work: Work, database: string, index: number): Promise<TakenDatabase> {
  return withSession(work.live.reach, database, async (session) => {
    await beginSnapshot(session);
    await session.rows(`set local lock_timeout = ${LOCK_WAIT_MS}`);
    const { id, ...snapshot } = await session.row<{ id: string; at: string; lsn: string }>(
      `select pg_export_snapshot() as id, clock_timestamp()::text as at,
         (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)::text as lsn`,
    );
    const line = await describeDatabase(work.live.reach, session, database, index);
    // Sequences stand outside of snapshots: read before the dump reads them, so that the dump is never behind.
    const sequences = await readSequences(session, database);
    const dump = startDump(work, database, id);
    // Counting may wait for a lock when the dump has failed already: its session is ended too.
    const stop = async () => {
      session.end();
      await dump.stop();
    };
    const [artifacts, lines] = await together(
      stop,
      storeDump(work, dump, database, index),
      takeInventory(session, line, sequences),
    );
    return { artifacts, lines, snapshot: { database, ...snapshot } };
  });
}

/** Both results, or the first error after everything was stopped. */
async function together<A, B>(stop: () => Promise<void>, one: Promise<A>, other: Promise<B>): Promise<[A, B]> {
  try {
    return await Promise.all([one, other]);
  } catch (error) {
    await stop();
    await Promise.allSettled([one, other]);
    throw error;
  }
}

interface Dump {
  readonly dump: RunningTool;
  readonly sql: RunningTool;
  stop(): Promise<void>;
}

function startDump({ live, credentials }: Work, database: string, snapshot: string): Dump {
  const dump = startPgTool(live.tools, credentials, 'pg_dump', [
    '--format=custom',
    '--compress=0',
    '--no-password',
    `--snapshot=${snapshot}`,
    `--lock-wait-timeout=${LOCK_WAIT_MS}`,
    `--dbname=${databaseConnection(database)}`,
  ]);
  dump.stdin.end();
  // The SQL loads on any server; where things lie is in the dump alone.
  const sql = startPgTool(live.tools, { env: {} }, 'pg_restore', ['--file=-', '--no-tablespaces']);
  const stop = async () => {
    await Promise.all([dump.stop(), sql.stop()]);
  };
  return { dump, sql, stop };
}

async function storeDump(
  { open }: Work,
  { dump, sql, stop }: Dump,
  database: string,
  index: number,
): Promise<Artifact[]> {
  const number = String(index).padStart(4, '0');
  const stored = (name: string, role: string, source: ByteSource) =>
    open.addArtifact({ name: `database-${number}.${name}`, role, subject: database }, source);
  const [dumped, written] = await together(
    stop,
    stored('dump', 'dump', watched(database, passThrough(outputOf(dump), sql))),
    stored('sql', 'sql', wholeOutput(sql, 'sql')),
  );
  return [dumped, written];
}

async function* watched(database: string, source: ByteSource): ByteSource {
  const progress = progressOf(`dumping "${database}"`, null);
  for await (const chunk of source) {
    progress(chunk.byteLength);
    yield chunk;
  }
}

/** A small text as a source of bytes. */
export function bytesOf(text: string): ByteSource {
  return Readable.from([Buffer.from(text)]);
}
