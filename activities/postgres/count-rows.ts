// Exact counts and order-free checksums of everything in one database, inside the session's snapshot. The same
// counting serves the backup (in the exported snapshot) and the restored copy, so that equal means equal.
import type {
  DatabaseLine,
  InventoryLine,
  LargeObjectsLine,
  SequenceLine,
  TableLine,
  Uncounted,
} from '../../domain/systems/postgres-inventory.ts';
import { quoteIdentifier, quoteQualified } from '../../domain/systems/postgres-names.ts';
import { reportProgress, throwIfCancelled } from '../shared/activity-context.ts';
import type { Session } from './connection.ts';

// Text forms of values must not depend on whose session it is; the same settings as pg_dump's.
const SAME_TEXT = `
  set local search_path = ''; set local datestyle = 'ISO, YMD'; set local intervalstyle = 'postgres';
  set local timezone = 'UTC'; set local extra_float_digits = 3; set local bytea_output = 'hex';
  set local xmlbinary = 'base64'; set local lc_monetary = 'C'; set local row_security = off;
  set local statement_timeout = 0; set local quote_all_identifiers = off`;

/** Begins a read-only transaction that sees one moment, with text forms that are the same everywhere. */
export async function beginSnapshot(session: Session): Promise<void> {
  await session.rows('begin isolation level repeatable read read only');
  await session.rows(SAME_TEXT);
}

/** Gives a transaction that is already open the same text forms. */
export async function useSameText(session: Session): Promise<void> {
  await session.rows(SAME_TEXT);
}

/** Every line of a database's inventory, in a transaction in it that was begun with `beginSnapshot`. */
export async function takeInventory(
  session: Session,
  database: DatabaseLine,
  sequences?: readonly SequenceLine[],
): Promise<InventoryLine[]> {
  const tables = await countTables(session, database.database);
  return [
    database,
    ...tables,
    ...(sequences ?? (await readSequences(session, database.database))),
    await countLargeObjects(session, database.database),
  ];
}

interface Relation {
  readonly schema: string;
  readonly table: string;
  readonly unlogged: boolean;
  readonly uncounted: Uncounted;
  readonly sizeBytes: string;
  readonly columns: string[];
}

/** Tables of the user's schemas without counting them: what a base backup's inventory names. */
export async function listTables(session: Session, database: string): Promise<TableLine[]> {
  const relations = await readRelations(session);
  return relations.map(({ columns: _, sizeBytes, ...relation }) => ({
    is: 'table',
    database,
    ...relation,
    rows: null,
    checksum: null,
    sizeBytes: Number(sizeBytes),
  }));
}

async function countTables(session: Session, database: string): Promise<TableLine[]> {
  const relations = await readRelations(session);
  const totalBytes = relations.reduce((sum, { sizeBytes }) => sum + Number(sizeBytes), 0);
  const lines: TableLine[] = [];
  let doneBytes = 0;
  for (const relation of relations) {
    throwIfCancelled();
    lines.push(await countTable(session, database, relation));
    doneBytes += Number(relation.sizeBytes);
    reportProgress({ what: `counting ${quoteIdentifier(database)}`, doneBytes, totalBytes, bytesPerSecond: 0 });
  }
  return lines;
}

async function countTable(session: Session, database: string, relation: Relation): Promise<TableLine> {
  const { schema, table, unlogged, uncounted, columns } = relation;
  const line = {
    is: 'table',
    database,
    schema,
    table,
    unlogged,
    uncounted,
    sizeBytes: Number(relation.sizeBytes),
  } as const;
  if (uncounted !== null) return { ...line, rows: null, checksum: null };
  const { rows, checksum } = await session.row<{ rows: string; checksum: string }>(
    `select count(*) as rows, coalesce(sum(${rowHash(columns)}), 0)::text as checksum
     from only ${quoteQualified(schema, table)} as t`,
  );
  return { ...line, rows: Number(rows), checksum };
}

/** SQL for one row of `t` as text: columns by name, because their order may change in a restored child table. */
export function rowText(columns: readonly string[]): string {
  return `row(${columns.map((column) => `t.${quoteIdentifier(column)}`).join(', ')})::text`;
}

function rowHash(columns: readonly string[]): string {
  return `hashtextextended(${rowText(columns)} collate "C", 0)`;
}

// Members of extensions are made by CREATE EXTENSION; pg_dump carries the rows only of those it was told of.
const RELATIONS = `
  select n.nspname as schema, c.relname as table, c.relpersistence = 'u' as unlogged,
    case when c.relkind = 'p' then 'partitioned' when c.relkind = 'm' then 'view' when c.relkind = 'f' then 'foreign'
      when exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.objid = c.oid and d.deptype = 'e') then 'extension' end as uncounted,
    pg_catalog.pg_table_size(c.oid)::text as "sizeBytes",
    array(select a.attname::text from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attname::text collate "C") as columns
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'm', 'f') and c.relpersistence <> 't'
    and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
  order by 1, 2`;

function readRelations(session: Session): Promise<Relation[]> {
  return session.rows<Relation>(RELATIONS);
}

/** Where the sequences stand at this moment, whatever the snapshot. */
export async function readSequences(session: Session, database: string): Promise<SequenceLine[]> {
  const found = await session.rows<{
    schema: string;
    sequence: string;
    increment: string;
    cycles: boolean;
    min: string;
  }>(`
    select n.nspname as schema, c.relname as sequence, s.seqincrement::text as increment, s.seqcycle as cycles
    from pg_catalog.pg_sequence s join pg_catalog.pg_class c on c.oid = s.seqrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relpersistence <> 't' and not exists (select from pg_catalog.pg_depend d where d.deptype = 'e' and d.objid = c.oid
        and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass) order by 1, 2`);
  const lines: SequenceLine[] = [];
  for (const { schema, sequence, increment, cycles } of found) {
    const sql = `select last_value::text as "lastValue" from ${quoteQualified(schema, sequence)}`;
    const { lastValue } = await session.row<{ lastValue: string }>(sql);
    lines.push({ is: 'sequence', database, schema, sequence, lastValue, increment, cycles });
  }
  return lines;
}

// A hole in a large object has no page, and comes back from a dump as pages of zeros: content and length count, not pages.
const LARGE_OBJECTS = `
  select coalesce(sum(hashtextextended(part, 0)), 0)::text as checksum from (
    select loid || ':' || pageno || ':' || filled as part from (
      select loid, pageno, regexp_replace(encode(data, 'hex'), '(00)+$', '') as filled from pg_catalog.pg_largeobject) p
      where filled <> ''
    union all
    select loid || ':' || max(pageno::bigint * 2048 + length(data)) from pg_catalog.pg_largeobject group by loid) parts`;

async function countLargeObjects(session: Session, database: string): Promise<LargeObjectsLine> {
  const { rows, readable } = await session.row<{ rows: string; readable: boolean }>(
    `select count(*) as rows, has_table_privilege('pg_catalog.pg_largeobject', 'select') as readable
     from pg_catalog.pg_largeobject_metadata`,
  );
  if (!readable) return { is: 'large-objects', database, rows: Number(rows), checksum: null };
  const { checksum } = await session.row<{ checksum: string }>(LARGE_OBJECTS);
  return { is: 'large-objects', database, rows: Number(rows), checksum };
}
