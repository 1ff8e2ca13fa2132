// Whether the rows of a table may be replaced in place: facts in, the list of reasons against it out.

export interface ColumnFacts {
  readonly name: string;
  readonly type: string;
  readonly notNull: boolean;
  /** '' or 's' (stored), as pg_attribute. */
  readonly generated: string;
  /** '', 'a' (always) or 'd' (by default), as pg_attribute. */
  readonly identity: string;
}

export interface ForeignKeyFacts {
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  /** Columns of the referencing table, and the columns of ours that they name, in the same order. */
  readonly columns: readonly string[];
  readonly referenced: readonly string[];
}

export interface TableFacts {
  readonly oid: string;
  /** relkind: r ordinary, p partitioned, … */
  readonly kind: string;
  readonly columns: readonly ColumnFacts[];
  /** Columns of the primary key, in order; null without one. */
  readonly key: readonly string[] | null;
  readonly triggers: readonly string[];
  readonly rules: readonly string[];
  readonly hasChildren: boolean;
  readonly referencedBy: readonly ForeignKeyFacts[];
  readonly sequences: readonly { readonly schema: string; readonly name: string; readonly column: string }[];
}

const list = (names: readonly string[]) => names.map((name) => `"${name}"`).join(', ');

/** Why rows of the live table must not be replaced by those of the backup; empty when they may. */
export function reasonsAgainst(live: TableFacts, stored: TableFacts): string[] {
  return [...reasonsOfTable(live), ...reasonsOfDefinition(live, stored)];
}

/** Reasons that the live table alone gives. */
export function reasonsOfTable(live: TableFacts): string[] {
  const reasons: string[] = [];
  if (live.kind !== 'r') reasons.push('it is not an ordinary table (name the partition instead of its parent)');
  if (live.hasChildren) reasons.push('other tables inherit from it');
  if (live.triggers.length > 0) reasons.push(`its triggers would fire: ${list(live.triggers)}`);
  if (live.key === null && live.referencedBy.length > 0)
    reasons.push(`other tables refer to it and it has no primary key to tell its rows apart`);
  if (live.rules.length > 0) reasons.push(`its rules would rewrite the changes: ${list(live.rules)}`);
  return reasons;
}

function reasonsOfDefinition(live: TableFacts, stored: TableFacts): string[] {
  const before = new Map(stored.columns.map((column) => [column.name, column]));
  const after = new Map(live.columns.map((column) => [column.name, column]));
  const gone = [...before.keys()].filter((name) => !after.has(name));
  const added = [...after.keys()].filter((name) => !before.has(name));
  const changed = live.columns.filter((column) => differs(column, before.get(column.name)));
  return [
    ...(gone.length > 0 ? [`columns of the backup are gone from it: ${list(gone)}`] : []),
    ...(added.length > 0 ? [`columns were added to it after the backup: ${list(added)}`] : []),
    ...changed.map((column) => `column "${column.name}" was ${before.get(column.name)?.type} and is ${column.type}`),
  ];
}

function differs(column: ColumnFacts, before: ColumnFacts | undefined): boolean {
  return before !== undefined && (column.type !== before.type || column.generated !== before.generated);
}

/** Columns whose values can be written: all but the generated ones. */
export function writableColumns(table: TableFacts): string[] {
  return table.columns.filter(({ generated }) => generated === '').map(({ name }) => name);
}
