// One table of a backup brought into the scratch server, and the live rows beside it, so that the two can be compared
// without the live server being touched.
import type { StoredBackup } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import { type DatabaseLine, linesOf, type TableLine } from '../../domain/systems/postgres-inventory.ts';
import { databaseConnection, quoteIdentifier, quoteQualified } from '../../domain/systems/postgres-names.ts';
import type { TableFacts } from '../../domain/systems/postgres-table.ts';
import { type Session, withSession } from './connection.ts';
import { beginSnapshot } from './count-rows.ts';
import { createDatabase, type LoadTarget, loadDatabase, withMaintenance, withStagedDump } from './load-database.ts';
import { onScratch } from './load-target.ts';
import { isBaseBackup, readInventory, readStoredRoles } from './read-stored.ts';
import { unpackIntoScratch } from './restore-base.ts';
import { type RestoreContext, scratchOf } from './restore-context.ts';
import { createMissingRoles } from './roles.ts';
import { makeCluster } from './scratch-server.ts';
import { readTable, type TableName } from './table-facts.ts';
import { copyRows, emptyCopy, type Place, rowsMissing, sumOf } from './table-rows.ts';
import { runPgRestore } from './tools.ts';

/** The table that the request names. @throws {Failure} USAGE when the names are incomplete. */
export function tableName({ request }: RestoreContext): TableName {
  const { database, schema = 'public', table } = request.scope.names;
  if (!database || !table) throw new Failure('USAGE', 'a table is named by its database, schema and table');
  return { database, schema, table };
}

/** How the backup's inventory describes the table and its database. @throws {Failure} PART_NOT_FOUND. */
export async function recordedTable(
  backup: StoredBackup,
  name: TableName,
): Promise<{ database: DatabaseLine; table: TableLine }> {
  const lines = linesOf(await readInventory(backup), name.database);
  const database = lines.find((line) => line.is === 'database');
  const table = lines.find((line) => line.is === 'table' && line.schema === name.schema && line.table === name.table);
  const { backupId } = backup.manifest;
  if (!database || table?.is !== 'table')
    throw new Failure(
      'PART_NOT_FOUND',
      `backup "${backupId}" holds no table "${name.schema}"."${name.table}" in "${name.database}"`,
      {
        backup: backupId,
      },
    );
  refuseWithoutRows(backup, table);
  return { database, table };
}

// An empty table out of such a backup would be taken for the truth.
function refuseWithoutRows({ manifest }: StoredBackup, table: TableLine): void {
  const why =
    table.uncounted !== null
      ? `it is ${table.uncounted}`
      : isBaseBackup(manifest) && table.unlogged
        ? 'it is unlogged, and base backups leave those out'
        : null;
  if (why !== null)
    throw new Failure(
      'PART_NOT_FOUND',
      `backup "${manifest.backupId}" holds no rows of table "${table.table}": ${why}`,
      {
        backup: manifest.backupId,
      },
    );
}

/**
 * Brings the table into scratch and makes sure that it holds what the inventory recorded.
 * @param complete loads everything of the database, so that the table can be taken out with all that belongs to it.
 */
export async function bringTable(context: RestoreContext, name: TableName, complete: boolean): Promise<TableFacts> {
  const { backup } = context;
  const recorded = await recordedTable(backup, name);
  if (isBaseBackup(backup.manifest)) {
    await unpackIntoScratch(context);
  } else {
    await makeCluster(await scratchOf(context));
    await onScratch(context, (target) => loadPart(target, backup, recorded.database, name, complete));
  }
  return onScratch(context, ({ reach }) =>
    withSession(reach, name.database, (session) => requireRecorded(session, name, recorded.table)),
  );
}

async function loadPart(
  target: LoadTarget,
  backup: StoredBackup,
  line: DatabaseLine,
  name: TableName,
  complete: boolean,
): Promise<void> {
  const roles = await readStoredRoles(backup);
  await withMaintenance(target, (session) => createMissingRoles(session, roles));
  if (complete || !isNamedAsInDump(line, name)) return loadDatabase(target, backup, line, name.database, 'custom');
  await withMaintenance(target, (session) => session.rows(`drop database if exists ${quoteIdentifier(name.database)}`));
  await createDatabase(target, line, name.database);
  const into = [
    '--exit-on-error',
    '--no-password',
    '--no-tablespaces',
    `--dbname=${databaseConnection(name.database)}`,
  ];
  await withStagedDump(target.folder, backup, line, async (file) => {
    const restore = (args: string[]) => runPgRestore(target.tools, target.credentials, [...into, ...args], { file });
    await restore(['--section=pre-data']);
    await restore(['--data-only', `--schema=${name.schema}`, `--table=${name.table}`]);
  });
}

// pg_restore compares names byte by byte with the dump's, which are in the database's own encoding.
const isNamedAsInDump = ({ encoding }: DatabaseLine, { schema, table }: TableName): boolean =>
  encoding === 'UTF8' || /^[ -~]*$/.test(schema + table);

async function requireRecorded(session: Session, name: TableName, recorded: TableLine): Promise<TableFacts> {
  await beginSnapshot(session);
  const facts = await readTable(session, name);
  if (!facts) throw new Failure('RESTORE_MISMATCH', `table "${name.table}" is not in the restored database`);
  const columns = facts.columns.map((column) => column.name);
  const { rows, checksum } = await sumOf(session, quoteQualified(name.schema, name.table), columns);
  if (recorded.rows !== null && (rows !== recorded.rows || checksum !== recorded.checksum))
    throw new Failure(
      'RESTORE_MISMATCH',
      `table "${name.table}" has ${rows} rows, recorded were ${recorded.rows}, or other contents`,
    );
  return facts;
}

export interface Difference {
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  readonly liveRows: number;
  readonly storedRows: number;
  readonly liveChecksum: string;
  readonly storedChecksum: string;
}

const BESIDE = 'holdfast_live';
const LIVE_ROWS = quoteQualified(BESIDE, 'rows');

/** Copies the live rows into scratch and counts what the restore would add, change and remove. */
export async function compareWithLive(
  scratch: LoadTarget,
  live: LoadTarget,
  name: TableName,
  facts: TableFacts,
  encoding: string,
): Promise<Difference> {
  const table = quoteQualified(name.schema, name.table);
  const columns = facts.columns.map((column) => column.name);
  const [here, there] = placesOf(scratch, live, name);
  await withSession(scratch.reach, name.database, async (session) => {
    await session.rows(`drop schema if exists ${BESIDE} cascade`);
    await session.rows(`create schema ${BESIDE}`);
    await session.rows(emptyCopy(LIVE_ROWS, table, columns));
  });
  await copyRows(there, selectOf(table, columns), here, LIVE_ROWS, encoding);
  return withSession(scratch.reach, name.database, async (session) => {
    await beginSnapshot(session);
    return countDifference(session, table, facts);
  });
}

const placesOf = (scratch: LoadTarget, live: LoadTarget, { database }: TableName): [Place, Place] => [
  { target: scratch, database },
  { target: live, database },
];

const selectOf = (table: string, columns: readonly string[]) =>
  `select ${columns.map(quoteIdentifier).join(', ')} from only ${table}`;

async function countDifference(session: Session, table: string, facts: TableFacts): Promise<Difference> {
  const columns = facts.columns.map((column) => column.name);
  const incoming = rowsMissing(table, LIVE_ROWS, columns, facts.key !== null);
  const outgoing = rowsMissing(LIVE_ROWS, table, columns, facts.key !== null);
  const keys = (facts.key ?? []).map((column) => `a.${quoteIdentifier(column)} = r.${quoteIdentifier(column)}`);
  const changed = facts.key ? `(select count(*) from a join r on ${keys.join(' and ')})` : '0';
  const counts = await session.row<Record<'added' | 'removed' | 'changed', string>>(
    `with a as materialized (${incoming}), r as materialized (${outgoing})
     select (select count(*) from a) as added, (select count(*) from r) as removed, ${changed} as changed`,
  );
  const live = await sumOf(session, LIVE_ROWS, columns);
  const stored = await sumOf(session, table, columns);
  return {
    added: Number(counts.added) - Number(counts.changed),
    removed: Number(counts.removed) - Number(counts.changed),
    changed: Number(counts.changed),
    liveRows: live.rows,
    storedRows: stored.rows,
    liveChecksum: live.checksum,
    storedChecksum: stored.checksum,
  };
}

/** Rows elsewhere in the live database that would point at nothing once the table holds the backup's rows. */
export async function findDangling(
  scratch: LoadTarget,
  live: LoadTarget,
  name: TableName,
  facts: TableFacts,
  encoding: string,
): Promise<string[]> {
  const found: string[] = [];
  const [here, there] = placesOf(scratch, live, name);
  for (const [position, foreign] of facts.referencedBy.entries()) {
    const values = quoteQualified(BESIDE, `references_${position}`);
    const table = quoteQualified(name.schema, name.table);
    const referencing = quoteQualified(foreign.schema, foreign.table);
    const filled = foreign.columns.map((column) => `${quoteIdentifier(column)} is not null`).join(' and ');
    const query = `select distinct ${foreign.columns.map(quoteIdentifier).join(', ')} from ${referencing} where ${filled}`;
    const match = foreign.referenced.map((column) => `v.${quoteIdentifier(column)} = t.${quoteIdentifier(column)}`);
    await withSession(scratch.reach, name.database, (session) =>
      session.rows(emptyCopy(values, table, foreign.referenced)),
    );
    await copyRows(there, query, here, values, encoding);
    const { count } = await withSession(scratch.reach, name.database, (session) =>
      session.row<{ count: string }>(
        `select count(*) from ${values} v where not exists (select from only ${table} t where ${match.join(' and ')})`,
      ),
    );
    if (Number(count) > 0)
      found.push(
        `${count} values in "${foreign.schema}"."${foreign.table}" ("${foreign.name}") refer to rows the backup does not hold`,
      );
  }
  return found;
}

/** Loads the backup's rows beside the live table. What an earlier attempt loaded is dropped first. */
export async function loadIncoming(
  scratch: LoadTarget,
  live: LoadTarget,
  name: TableName,
  facts: TableFacts,
  incoming: string,
  encoding: string,
): Promise<void> {
  const table = quoteQualified(name.schema, name.table);
  const columns = facts.columns.map((column) => column.name);
  const [here, there] = placesOf(scratch, live, name);
  await withSession(live.reach, name.database, async (session) => {
    await session.rows(`drop table if exists ${incoming}`);
    await session.rows(emptyCopy(incoming, table, columns));
  });
  await copyRows(here, selectOf(table, columns), there, incoming, encoding);
}
