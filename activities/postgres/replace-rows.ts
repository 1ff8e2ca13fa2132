// Rows of a live table replaced in place, in one transaction, with a journal in the schema `dr` that undoes it.
import { Failure } from '../../domain/failures.ts';
import { quoteIdentifier, quoteLiteral, quoteQualified, runMark } from '../../domain/systems/postgres-names.ts';
import { reasonsOfTable, type TableFacts, writableColumns } from '../../domain/systems/postgres-table.ts';
import type { Session } from './connection.ts';
import { rowText, useSameText } from './count-rows.ts';
import { lockReferring, requireNothingRefers } from './referring-rows.ts';
import { readTable, type TableName } from './table-facts.ts';
import { rowsMissing, sumOf } from './table-rows.ts';

export interface Journal {
  /** Rows of the backup, loaded before the transaction begins; dropped by it. */
  readonly incoming: string;
  /** Rows that the restore took out of the table, as they were. */
  readonly removed: string;
  /** Rows that the restore put into the table. */
  readonly added: string;
}

/** Names of a run's tables in the schema `dr`. */
export function journalOf(run: string): Journal {
  const name = (word: string) => quoteQualified('dr', `${word}_${runMark(run)}`);
  return { incoming: name('incoming'), removed: name('removed'), added: name('added') };
}

/** What the plan saw: the run refuses when the live table is no longer that. */
export interface Seen {
  readonly oid: string;
  readonly liveChecksum: string;
  readonly storedChecksum: string;
}

const RECORD = `create table if not exists dr.restores
  (run text primary key, what text not null, at timestamptz not null default now(), undone_at timestamptz)`;

/** Makes the schema of journals where it is not there yet. */
export async function prepareJournal(session: Session): Promise<void> {
  await session.rows('create schema if not exists dr');
  await session.rows(RECORD);
}

/** True when this run replaced the rows already and did not undo it. */
export async function isReplaced(session: Session, run: string): Promise<boolean> {
  const { there } = await session.row<{ there: boolean }>("select to_regclass('dr.restores') is not null as there");
  if (!there) return false;
  const rows = await session.rows('select from dr.restores where run = $1 and undone_at is null', [run]);
  return rows.length > 0;
}

/**
 * Writes down which rows would go and which would come, before any lock is taken; what was loaded is dropped then. The
 * sums that the replacement checks under its lock prove that nothing changed in between.
 */
export async function writeJournal(session: Session, name: TableName, run: string, facts: TableFacts): Promise<void> {
  const { incoming, removed, added } = journalOf(run);
  const table = quoteQualified(name.schema, name.table);
  const columns = facts.columns.map((column) => column.name);
  const missing = (one: string, other: string) => rowsMissing(one, other, columns, facts.key !== null);
  await inTransaction(session, async () => {
    await session.rows("set local work_mem = '64MB'");
    await session.rows(`drop table if exists ${removed}, ${added}`);
    await session.rows(`create table ${removed} as ${missing(table, incoming)}`);
    await session.rows(`create table ${added} as ${missing(incoming, table)}`);
    await session.rows(`drop table ${incoming}`);
  });
}

/** Removes what a replacement that never happened had prepared. */
export async function dropJournal(session: Session, run: string): Promise<void> {
  const { there } = await session.row<{ there: boolean }>("select to_regnamespace('dr') is not null as there");
  const { incoming, removed, added } = journalOf(run);
  if (there) await session.rows(`drop table if exists ${incoming}, ${removed}, ${added}`);
}

/**
 * Takes the rows of the journal out of the table and puts the others in, leaving those that are equal. One transaction.
 * @throws {Failure} PLAN_CHANGED when the table is not what the plan saw, TARGET_UNSAFE when a constraint refuses,
 * RESTORE_MISMATCH when the result is not what the backup holds. Nothing was changed then.
 */
export async function replaceRows(
  session: Session,
  name: TableName,
  run: string,
  seen: Seen,
): Promise<{ added: number; removed: number }> {
  const journal = journalOf(run);
  return inTransaction(session, async () => {
    const facts = await lockTable(session, name, seen.oid);
    const columns = facts.columns.map((column) => column.name);
    const table = quoteQualified(name.schema, name.table);
    await requireSum(session, table, columns, seen.liveChecksum, 'PLAN_CHANGED');
    await applyChanges(session, facts, table, journal.removed, journal.added);
    await requireSum(session, table, columns, seen.storedChecksum, 'RESTORE_MISMATCH');
    await moveSequences(session, facts, table);
    await session.rows('insert into dr.restores (run, what) values ($1, $2)', [run, table]);
    const counts = await session.row<{ added: string; removed: string }>(
      `select (select count(*) from ${journal.added}) as added, (select count(*) from ${journal.removed}) as removed`,
    );
    return { added: Number(counts.added), removed: Number(counts.removed) };
  });
}

/** Puts the old rows back. Refuses when somebody has written since, because that would be lost. */
export async function putRowsBack(session: Session, name: TableName, run: string, seen: Seen): Promise<void> {
  const journal = journalOf(run);
  await inTransaction(session, async () => {
    const facts = await lockTable(session, name, seen.oid);
    const columns = facts.columns.map((column) => column.name);
    const table = quoteQualified(name.schema, name.table);
    await requireSum(session, table, columns, seen.storedChecksum, 'PLAN_CHANGED');
    await applyChanges(session, facts, table, journal.added, journal.removed);
    await requireSum(session, table, columns, seen.liveChecksum, 'RESTORE_MISMATCH');
    await session.rows(`drop table ${journal.added}, ${journal.removed}`);
    await session.rows('update dr.restores set undone_at = now() where run = $1', [run]);
  });
}

async function inTransaction<T>(session: Session, work: () => Promise<T>): Promise<T> {
  await session.rows('begin');
  try {
    await useSameText(session);
    const result = await work();
    await session.rows('commit');
    return result;
  } catch (error) {
    await session.rows('rollback').catch(() => undefined); // The first error tells what happened.
    throw isConstraint(error) ? refused(error) : error;
  }
}

// Class 23 of PostgreSQL's appendix A: a constraint, mostly a foreign key of or to this table, refuses a row.
const isConstraint = (error: unknown): error is Failure =>
  error instanceof Failure && String(error.details.sqlState).startsWith('23');

function refused(error: Failure): Failure {
  return new Failure(
    'TARGET_UNSAFE',
    `a constraint of the live database refuses the rows: ${error.message}`,
    {},
    error,
  );
}

async function lockTable(session: Session, name: TableName, oid: string): Promise<TableFacts> {
  await session.rows(`lock table only ${quoteQualified(name.schema, name.table)} in share row exclusive mode`);
  const facts = await readTable(session, name);
  if (facts?.oid !== oid) throw new Failure('PLAN_CHANGED', `table "${name.table}" is not the one that the plan saw`);
  const reasons = reasonsOfTable(facts);
  if (reasons.length > 0) throw new Failure('TARGET_UNSAFE', `table "${name.table}": ${reasons.join('; ')}`);
  await lockReferring(session, facts);
  return facts;
}

async function requireSum(
  session: Session,
  table: string,
  columns: readonly string[],
  wanted: string,
  code: 'PLAN_CHANGED' | 'RESTORE_MISMATCH',
): Promise<void> {
  const { checksum } = await sumOf(session, table, columns);
  if (checksum !== wanted) throw new Failure(code, `table ${table} does not hold the rows that it should`);
}

// With a key, a changed row is updated, so that nothing that refers to it notices; without one it is taken out and put in.
async function applyChanges(
  session: Session,
  facts: TableFacts,
  table: string,
  out: string,
  into: string,
): Promise<void> {
  await requireNothingRefers(session, facts, out, into);
  const statements = facts.key ? byKey(facts, facts.key, table, out, into) : byRow(facts, table, out, into);
  for (const sql of statements) await session.rows(sql);
}

function byKey(facts: TableFacts, key: readonly string[], table: string, out: string, into: string): string[] {
  const columns = writableColumns(facts);
  const same = (one: string, other: string) =>
    key.map((column) => `${one}.${quoteIdentifier(column)} = ${other}.${quoteIdentifier(column)}`).join(' and ');
  // The key too: equal keys may be written differently (1.0 and 1.00).
  const plain = columns.filter((column) => !isAlways(facts, column));
  const set = plain.map((column) => `${quoteIdentifier(column)} = i.${quoteIdentifier(column)}`).join(', ');
  return [
    `delete from only ${table} t using ${out} o where ${same('t', 'o')}
       and not exists (select from ${into} i where ${same('i', 'o')})`,
    ...(set === '' ? [] : [`update only ${table} t set ${set} from ${into} i where ${same('t', 'i')}`]),
    `insert into ${table} (${names(columns)}) overriding system value select ${names(columns)} from ${into} i
       where not exists (select from ${out} o where ${same('o', 'i')})`,
  ];
}

const isAlways = (facts: TableFacts, name: string) =>
  facts.columns.some((column) => column.name === name && column.identity === 'a');

function byRow(facts: TableFacts, table: string, out: string, into: string): string[] {
  const all = facts.columns.map(({ name }) => name);
  const numbered = (from: string, place: string) =>
    `select ${place} ${rowText(all)} collate "C" as h, row_number() over (partition by ${rowText(all)} collate "C") as n
     from only ${from} t`;
  const columns = writableColumns(facts);
  return [
    `delete from only ${table} d using (${numbered(table, 't.ctid as place,')}) l, (${numbered(out, '')}) o
       where d.ctid = l.place and l.h = o.h and l.n = o.n`,
    columns.length === 0
      ? `insert into ${table} select from ${into}`
      : `insert into ${table} (${names(columns)}) overriding system value select ${names(columns)} from ${into}`,
  ];
}

const names = (columns: readonly string[]) => columns.map(quoteIdentifier).join(', ');

// Sequences only ever move forward: a value that was handed out since the backup must not be handed out again.
async function moveSequences(session: Session, facts: TableFacts, table: string): Promise<void> {
  for (const { schema, name, column } of facts.sequences) {
    const sequence = quoteQualified(schema, name);
    await session.rows(
      `select setval(${quoteLiteral(sequence)}::regclass, top::bigint, true) from (select max(${quoteIdentifier(column)}) as top
         from only ${table}) m, ${sequence} s, pg_sequence p
       where p.seqrelid = ${quoteLiteral(sequence)}::regclass and p.seqincrement > 0 and m.top > s.last_value`,
    );
  }
}
