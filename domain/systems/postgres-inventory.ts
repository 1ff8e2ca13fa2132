// What a PostgreSQL backup holds, counted at its own moment: one JSON object a line in the artifact `inventory`.

export interface DatabaseLine {
  readonly is: 'database';
  readonly database: string;
  /** 1, 2, 3, …: the number in the names of its artifacts. */
  readonly index: number;
  readonly owner: string;
  readonly encoding: string;
  readonly collate: string;
  readonly ctype: string;
  /** `c` libc, `i` ICU, `b` builtin, as in pg_database. */
  readonly provider: string;
  /** Locale of a provider other than libc. */
  readonly icuLocale: string | null;
  readonly icuRules: string | null;
  /** Where the database lies unless an object of it says otherwise. */
  readonly tablespace: string;
  /** Other tablespaces that objects of it lie in. */
  readonly tablespaces: readonly string[];
  /** They come back disabled, as pg_dump writes them. */
  readonly subscriptions: readonly string[];
  readonly connectionLimit: number;
  readonly isTemplate: boolean;
  readonly comment: string | null;
  readonly sizeBytes: number;
  readonly settings: readonly { readonly role: string | null; readonly name: string; readonly value: string }[];
  readonly grants:
    | readonly {
        readonly grantee: string | null;
        readonly privilege: string;
        readonly grantable: boolean;
      }[]
    | null;
  readonly extensions: readonly { readonly name: string; readonly version: string }[];
}

/** Why a relation's rows are not counted, or null when they are. */
export type Uncounted = 'partitioned' | 'view' | 'foreign' | 'extension' | null;

export interface TableLine {
  readonly is: 'table';
  readonly database: string;
  readonly schema: string;
  readonly table: string;
  readonly unlogged: boolean;
  readonly uncounted: Uncounted;
  /** Null when not counted (see `uncounted`), or in a physical backup, which is not counted when it is taken. */
  readonly rows: number | null;
  /** Sum over all rows of hashtextextended(row as text): the order of rows does not matter. */
  readonly checksum: string | null;
  readonly sizeBytes: number;
}

export interface SequenceLine {
  readonly is: 'sequence';
  readonly database: string;
  readonly schema: string;
  readonly sequence: string;
  readonly lastValue: string;
  readonly increment: string;
  readonly cycles: boolean;
}

export interface LargeObjectsLine {
  readonly is: 'large-objects';
  readonly database: string;
  readonly rows: number;
  /** Of their pages; null when the backup's role may not read them. */
  readonly checksum: string | null;
}

export type InventoryLine = DatabaseLine | TableLine | SequenceLine | LargeObjectsLine;

/** The inventory as the artifact's text. */
export function writeInventory(lines: readonly InventoryLine[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

/** Reads what `writeInventory` wrote. */
export function parseInventory(text: string): InventoryLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => withDefaults(JSON.parse(line) as InventoryLine));
}

// Backups of earlier versions do not tell these facts.
const UNTOLD = { icuRules: null, tablespace: 'pg_default', tablespaces: [], subscriptions: [] };

const withDefaults = (line: InventoryLine): InventoryLine => (line.is === 'database' ? { ...UNTOLD, ...line } : line);

/** The lines of one database. */
export function linesOf(lines: readonly InventoryLine[], database: string): InventoryLine[] {
  return lines.filter((line) => line.database === database);
}

/** The databases of an inventory, in its order. */
export function databasesOf(lines: readonly InventoryLine[]): DatabaseLine[] {
  return lines.filter((line) => line.is === 'database');
}

const keyOf = (line: InventoryLine): string =>
  JSON.stringify(
    line.is === 'table'
      ? [line.is, line.schema, line.table]
      : line.is === 'sequence'
        ? [line.is, line.schema, line.sequence]
        : [line.is],
  );

/**
 * Every difference between what was recorded of one database and what is found in its restored copy, in plain words.
 * Exact: one row or one checksum too few is a difference. The database's own name may differ.
 */
export function compareInventories(recorded: readonly InventoryLine[], found: readonly InventoryLine[]): string[] {
  const there = new Map(found.map((line) => [keyOf(line), line]));
  const known = new Set(recorded.map(keyOf));
  const missing = recorded.flatMap((line) => compareLine(line, there.get(keyOf(line))));
  const extra = found.filter((line) => !known.has(keyOf(line))).map((line) => `${nameOf(line)} was not in the backup`);
  return [...missing, ...extra];
}

function nameOf(line: InventoryLine): string {
  if (line.is === 'table') return `table "${line.schema}"."${line.table}"`;
  if (line.is === 'sequence') return `sequence "${line.schema}"."${line.sequence}"`;
  return line.is;
}

function compareLine(recorded: InventoryLine, found: InventoryLine | undefined): string[] {
  if (found === undefined) return [`${nameOf(recorded)} is missing`];
  if (recorded.is === 'table' && found.is === 'table') return compareTable(recorded, found);
  if (recorded.is === 'sequence' && found.is === 'sequence') return compareSequence(recorded, found);
  if (recorded.is === 'large-objects' && found.is === 'large-objects') return compareLargeObjects(recorded, found);
  if (recorded.is === 'database' && found.is === 'database') return compareDatabase(recorded, found);
  return [];
}

function compareTable(recorded: TableLine, found: TableLine): string[] {
  if (recorded.rows === null) return [];
  if (recorded.rows !== found.rows) return [`${nameOf(recorded)} has ${found.rows} rows instead of ${recorded.rows}`];
  return recorded.checksum === found.checksum ? [] : [`${nameOf(recorded)} has other contents (checksum differs)`];
}

function compareLargeObjects(recorded: LargeObjectsLine, found: LargeObjectsLine): string[] {
  if (recorded.rows !== found.rows) return [`large objects: ${found.rows} instead of ${recorded.rows}`];
  if (recorded.checksum === null || recorded.checksum === found.checksum) return [];
  return ['large objects have other contents (checksum differs)'];
}

// Sequences stand outside of snapshots: the dump may hold a later value than was recorded, never an earlier one.
function compareSequence(recorded: SequenceLine, found: SequenceLine): string[] {
  if (recorded.cycles) return [];
  const ahead = (BigInt(found.lastValue) - BigInt(recorded.lastValue)) * BigInt(recorded.increment);
  return ahead >= 0n ? [] : [`${nameOf(recorded)} stands at ${found.lastValue}, behind ${recorded.lastValue}`];
}

function compareDatabase(recorded: DatabaseLine, found: DatabaseLine): string[] {
  const keys = ['encoding', 'collate', 'ctype', 'provider', 'icuLocale', 'icuRules'] as const;
  const differing = keys.filter((key) => recorded[key] !== found[key]);
  const names = new Set(found.extensions.map(({ name }) => name));
  return [
    ...differing.map((key) => `the database's ${key} is ${found[key]} instead of ${recorded[key]}`),
    ...recorded.extensions.filter(({ name }) => !names.has(name)).map(({ name }) => `extension "${name}" is missing`),
  ];
}

/** Totals for a manifest. */
export function countInventory(lines: readonly InventoryLine[]): Record<string, number> {
  const tables = lines.filter((line) => line.is === 'table');
  const sum = (pick: (line: TableLine) => number) => tables.reduce((total, line) => total + pick(line), 0);
  const counted = tables.some((line) => line.rows !== null);
  return {
    databases: databasesOf(lines).length,
    tables: tables.filter((line) => line.uncounted === null).length,
    ...(counted ? { rows: sum((line) => line.rows ?? 0) } : {}),
    bytes: databasesOf(lines).reduce((total, line) => total + line.sizeBytes, 0),
  };
}
