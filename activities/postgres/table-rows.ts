// Rows of one table as sets: their checksum, what two tables do not have in common, and copying them between servers.
import { databaseConnection, quoteIdentifier } from '../../domain/systems/postgres-names.ts';
import { OUR_SETTINGS, type Session } from './connection.ts';
import { rowText } from './count-rows.ts';
import { passThrough } from './feed.ts';
import type { LoadTarget } from './load-database.ts';
import { startPgTool } from './tools.ts';

/** Rows and order-free checksum of a table or of a row source in SQL. */
export async function sumOf(
  session: Session,
  from: string,
  columns: readonly string[],
): Promise<{ rows: number; checksum: string }> {
  const { rows, checksum } = await session.row<{ rows: string; checksum: string }>(
    `select count(*) as rows, coalesce(sum(hashtextextended(${rowText(columns)} collate "C", 0)), 0)::text as checksum
     from only ${from} as t`,
  );
  return { rows: Number(rows), checksum };
}

const columnList = (columns: readonly string[], of = 't') =>
  columns.map((column) => `${of}.${quoteIdentifier(column)}`).join(', ');

/**
 * SQL of the rows that are in `one` and not in `other`, each as often as it is there too many. Rows are compared by
 * SHA-256 of their text. `unique` says that no row can be there twice (there is a key), which is quicker.
 */
export function rowsMissing(one: string, other: string, columns: readonly string[], unique: boolean): string {
  const hash = `sha256(textsend(${rowText(columns)}))`;
  const number = unique ? '1' : `row_number() over (partition by ${hash})`;
  return `with o as materialized (select ${hash} as "holdfast row", ${number} as "holdfast number" from only ${other} as t)
    select ${columnList(columns)} from
      (select ${hash} as "holdfast row", ${number} as "holdfast number", t.* from only ${one} as t offset 0) as t
    where not exists (select from o
      where o."holdfast row" = t."holdfast row" and o."holdfast number" = t."holdfast number")`;
}

/** SQL of an empty table with the columns of another. */
export function emptyCopy(name: string, of: string, columns: readonly string[]): string {
  return `create table ${name} as select ${columnList(columns)} from only ${of} as t with no data`;
}

export interface Place {
  readonly target: LoadTarget;
  readonly database: string;
}

/** Copies the rows of a query into a table of another server, in text that means the same on both. */
export async function copyRows(from: Place, query: string, to: Place, into: string, encoding: string): Promise<void> {
  const source = startCopy(from, `copy (${query}) to stdout`, encoding);
  const sink = startCopy(to, `copy ${into} from stdin`, encoding);
  source.stdin.end();
  sink.stdout.resume();
  try {
    for await (const _ of passThrough(source.stdout, sink)) {
      // psql at the other end is the reader.
    }
    await Promise.all([source.finished, sink.finished]);
  } finally {
    await Promise.all([source.stop(), sink.stop()]);
  }
}

const SAME_TEXT = [
  ...OUR_SETTINGS,
  'datestyle=ISO,YMD',
  'intervalstyle=postgres',
  'timezone=UTC',
  'extra_float_digits=3',
  'bytea_output=hex',
  'lc_monetary=C',
  'search_path=',
  'row_security=off',
  'statement_timeout=0',
];

/** Names in a command are UTF-8, so that rows travel in it too; bytes without an encoding travel as they are. */
export const transportEncoding = (encoding: string): string => (encoding === 'SQL_ASCII' ? encoding : 'UTF8');

function startCopy({ target, database }: Place, sql: string, encoding: string) {
  const env = {
    ...target.credentials.env,
    PGCLIENTENCODING: transportEncoding(encoding),
    PGOPTIONS: SAME_TEXT.map((setting) => `-c ${setting}`).join(' '),
  };
  return startPgTool(target.tools, { env }, 'psql', [
    '--no-psqlrc',
    '--quiet',
    '--no-password',
    '--set=ON_ERROR_STOP=1',
    `--dbname=${databaseConnection(database)}`,
    `--command=${sql}`,
  ]);
}
