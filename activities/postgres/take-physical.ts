// A base backup, whole or of what changed since an earlier one: pg_basebackup as one tar stream when everything is in one
// tablespace, through staging otherwise.
import { createReadStream } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenBackup } from '../../domain/contracts/backup-content.ts';
import type { TakeBackupInput } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { JsonValue } from '../../domain/json.ts';
import type { Artifact, BackupFacts } from '../../domain/manifest.ts';
import { countInventory, type InventoryLine, writeInventory } from '../../domain/systems/postgres-inventory.ts';
import { IS_OPEN, IS_PLATFORM_DATABASE } from '../../domain/systems/postgres-names.ts';
import { progressOf } from '../shared/activity-context.ts';
import { findParent, INCREMENTAL_SINCE, type Parent, placeForManifest, summarizesWal } from './base-parent.ts';
import { readBaseOnTheWay, readManifestFile, type Seen } from './base-stream.ts';
import { type Session, withSession } from './connection.ts';
import { type Dependencies, type Live, reachLive, withRunFolder } from './context.ts';
import { listTables } from './count-rows.ts';
import { describeDatabase } from './describe-database.ts';
import { outputOf } from './feed.ts';
import { readSource } from './inspect.ts';
import { withSlot } from './slot-guard.ts';
import { bytesOf } from './take-logical.ts';
import { type Credentials, runPgTool, startPgToolWide, toolVersion, withCredentials } from './tools.ts';

interface Work {
  readonly live: Live;
  readonly credentials: Credentials;
  readonly open: OpenBackup;
  readonly folder: string;
  readonly checkpoint: 'fast' | 'spread';
  readonly label: string;
  /** The backup that this one rests on; null takes everything. */
  readonly parent: Parent | null;
  /** Where the base backup's own manifest is kept for later ones; null when none can rest on it. */
  readonly keepManifestAt: string | null;
}

/** Writes the artifacts of a base backup and returns its facts. */
export async function takePhysical(deps: Dependencies, input: TakeBackupInput, open: OpenBackup): Promise<BackupFacts> {
  const startedAt = new Date().toISOString();
  const live = await reachLive(deps);
  const tools = { pg_basebackup: await toolVersion(live.tools, 'pg_basebackup') };
  const lines = await listEverything(live);
  return withRunFolder(deps, input.run, `take-${input.backup.backupId}`, (folder) =>
    withCredentials(live.reach, folder, (credentials) =>
      withSession(live.reach, live.reach.database, async (session) => {
        const source = await readSource(session, live);
        const spaces = await readTablespaces(session);
        const { checkpoint, walKeepLimitBytes, dataDirectory } = deps.configuration;
        const label = `holdfast ${input.backup.backupId}`;
        const { why, ...rests } = await whatItRestsOn(deps, session, input, live, source);
        const work = { live, credentials, open, folder, checkpoint, label, ...rests };
        const walFolder = dataDirectory === undefined ? null : join(dataDirectory, 'pg_wal');
        const slot = { run: input.run, limitBytes: walKeepLimitBytes, walFolder };
        const { result: base, slotGivenUp } = await withSlot(session, slot, () =>
          spaces.length === 0 ? takeOneStream(work, lines) : takeThroughStaging(work, spaces),
        );
        const inventory = await open.addArtifact(
          { name: 'inventory.jsonl', role: 'inventory' },
          bytesOf(writeInventory(lines)),
        );
        return {
          system: 'postgres',
          backupId: input.backup.backupId,
          kind: input.kind,
          site: input.site,
          startedAt,
          momentAt: base.momentAt,
          finishedAt: new Date().toISOString(),
          source: {
            ...source,
            timeline: base.manifest.timeline,
            startLsn: base.manifest.startLsn,
            stopLsn: base.manifest.stopLsn,
            tablespaces: spaces.map(({ oid, name, location }) => ({ oid, name, location })),
          },
          tools,
          artifacts: [...base.artifacts, inventory],
          counts: countInventory(lines),
          parents: chainOf(rests.parent),
          marker: null,
          warnings: [
            ...(why === null ? [] : [`everything was taken, not only what changed: ${why}`]),
            ...(slotGivenUp ? [SLOT_GIVEN_UP] : []),
            ...warningsOf(lines),
            ...(await closedDatabases(session)),
            ...(await absentSlots(session)),
          ],
          report: { unloggedTables: unloggedTables(lines), baseManifestSha256: base.manifest.sha256 },
        };
      }),
    ),
  );
}

const SLOT_GIVEN_UP =
  "the server's disk or postgres.walKeepLimitBytes is too small for the WAL of one base backup: the slot was given up in time, and the WAL was still there by luck";

interface Rests extends Pick<Work, 'parent' | 'keepManifestAt'> {
  /** Why an incremental backup rests on nothing. */
  readonly why: string | null;
}

async function whatItRestsOn(
  deps: Dependencies,
  session: Session,
  { kind, backup }: TakeBackupInput,
  { tools }: Live,
  source: Readonly<Record<string, JsonValue>>,
): Promise<Rests> {
  const summarizes = await summarizesWal(session);
  if (kind === 'incremental') requireIncremental(tools.major, summarizes);
  if (!summarizes) return { parent: null, why: null, keepManifestAt: null };
  const keepManifestAt = await placeForManifest(deps, backup.backupId);
  if (kind !== 'incremental') return { parent: null, why: null, keepManifestAt };
  const server = {
    systemIdentifier: String(source.systemIdentifier),
    timeline: Number(source.timeline),
    major: tools.major,
  };
  const found = await findParent(deps, session, server, kind);
  return typeof found === 'string'
    ? { parent: null, why: found, keepManifestAt }
    : { parent: found, why: null, keepManifestAt };
}

function requireIncremental(major: number, summarizes: boolean): void {
  if (major < INCREMENTAL_SINCE)
    throw new Failure('VERSION_UNFIT', `PostgreSQL ${major} takes no incremental base backups`, {
      need: `PostgreSQL ${INCREMENTAL_SINCE} or newer, or the kind physical`,
    });
  if (!summarizes)
    throw new Failure('STORE_UNFIT', 'an incremental base backup needs summarize_wal, which is off at the server');
}

const chainOf = (parent: Parent | null): string[] =>
  parent === null ? [] : [...parent.manifest.parents, parent.manifest.backupId];

function unloggedTables(lines: readonly InventoryLine[]): JsonValue[] {
  return lines.flatMap((line) =>
    line.is === 'table' && line.unlogged ? [{ database: line.database, schema: line.schema, table: line.table }] : [],
  );
}

function warningsOf(lines: readonly InventoryLine[]): string[] {
  const count = unloggedTables(lines).length;
  return count === 0
    ? []
    : [`${count} unlogged tables will be empty after a restore of this base backup, by PostgreSQL's design`];
}

// They are in the base backup like all others, but nobody can look into them, neither now nor to prove it.
async function closedDatabases(session: Session): Promise<string[]> {
  const rows = await session.rows<{ name: string }>(
    `select datname as name from pg_database where not (${IS_OPEN}) and ${IS_PLATFORM_DATABASE} order by 1`,
  );
  return rows.map(({ name }) => `database "${name}" refuses connections: it is in this backup and cannot be read out`);
}

// pg_basebackup leaves replication slots out: whoever reads from one must begin anew after a restore.
async function absentSlots(session: Session): Promise<string[]> {
  const rows = await session.rows<{ name: string }>(
    'select slot_name as name from pg_replication_slots where not temporary order by 1',
  );
  return rows.map(({ name }) => `replication slot "${name}" is not in this backup, by PostgreSQL's design`);
}

interface Tablespace {
  readonly oid: string;
  readonly name: string;
  readonly location: string;
}

function readTablespaces(session: Session): Promise<Tablespace[]> {
  return session.rows(
    `select oid::text as oid, spcname as name, pg_tablespace_location(oid) as location from pg_tablespace
     where spcname not in ('pg_default', 'pg_global') order by oid`,
  );
}

async function listEverything(live: Live): Promise<InventoryLine[]> {
  const names = await withSession(live.reach, live.reach.database, (session) =>
    session.rows<{ name: string }>(
      `select datname as name from pg_database where ${IS_OPEN} and ${IS_PLATFORM_DATABASE} order by datname collate "C"`,
    ),
  );
  const lines: InventoryLine[] = [];
  for (const [position, { name }] of names.entries()) {
    await withSession(live.reach, name, async (session) => {
      const database = await describeDatabase(live.reach, session, name, position + 1);
      lines.push(database, ...(await listTables(session, name)));
    });
  }
  return lines;
}

interface Base extends Seen {
  readonly artifacts: readonly Artifact[];
}

const argsOf = ({ checkpoint, label, parent }: Work, target: string) => [
  '--format=tar',
  '--wal-method=fetch',
  '--no-password',
  `--checkpoint=${checkpoint}`,
  `--label=${label}`,
  ...(parent === null ? [] : [`--incremental=${parent.path}`]),
  `--pgdata=${target}`,
];

async function takeOneStream(work: Work, lines: readonly InventoryLine[]): Promise<Base> {
  const command = ['pg_basebackup', ...argsOf(work, '-')] as const;
  const tool = await startPgToolWide(work.live.tools, work.credentials, work.folder, command);
  tool.stdin.end();
  const estimate = lines.reduce((sum, line) => sum + (line.is === 'database' ? line.sizeBytes : 0), 0);
  const reader = readBaseOnTheWay(progressOf('base backup', estimate), work.keepManifestAt);
  try {
    const base = await work.open.addArtifact(
      { name: 'base.tar', role: 'base' },
      reader.pass(outputOf(tool, tool.pieces)),
    );
    return { artifacts: [base], ...(await reader.seen) };
  } finally {
    await tool.stop();
  }
}

async function takeThroughStaging(work: Work, spaces: readonly Tablespace[]): Promise<Base> {
  if (work.live.tools.container !== undefined)
    throw new Failure(
      'NO_FILE_ACCESS',
      `a base backup of ${spaces.length + 1} tablespaces goes through files, and those of the container are not here`,
    );
  const staging = join(work.folder, 'staging');
  await mkdir(staging, { mode: 0o700 });
  const momentAt = new Date().toISOString(); // Earlier than the true moment, never later.
  await runPgTool(work.live.tools, work.credentials, 'pg_basebackup', [...argsOf(work, staging), '--no-sync']);
  const artifacts: Artifact[] = [];
  for (const file of (await readdir(staging)).sort()) {
    artifacts.push(await work.open.addArtifact(specOfStaged(file, spaces), createReadStream(join(staging, file))));
  }
  const manifest = await readManifestFile(join(staging, 'backup_manifest'), work.keepManifestAt);
  return { artifacts, manifest, momentAt };
}

function specOfStaged(file: string, spaces: readonly Tablespace[]) {
  if (file === 'base.tar') return { name: file, role: 'base' };
  if (file === 'backup_manifest') return { name: 'base-manifest.json', role: 'base-manifest' };
  const space = spaces.find(({ oid }) => file === `${oid}.tar`);
  if (!space) throw new Failure('TOOL_FAILED', `pg_basebackup wrote an unexpected file '${file}'`, {});
  return { name: `tablespace-${space.oid}.tar`, role: 'tablespace', subject: space.location };
}
