// Rows of other tables that refer to rows which a replacement takes away or renames. A foreign key may pass that on
// (ON DELETE CASCADE, SET NULL, ON UPDATE CASCADE), and nothing would bring those other rows back: so it is refused.
import { Failure } from '../../domain/failures.ts';
import { quoteIdentifier, quoteQualified } from '../../domain/systems/postgres-names.ts';
import type { ForeignKeyFacts, TableFacts } from '../../domain/systems/postgres-table.ts';
import type { Session } from './connection.ts';

/** Keeps writers out of the tables that refer to this one: what is found there stays true until the transaction ends. */
export async function lockReferring(session: Session, { referencedBy }: TableFacts): Promise<void> {
  for (const { schema, table } of referencedBy)
    await session.rows(`lock table ${quoteQualified(schema, table)} in share row exclusive mode`);
}

/** @throws {Failure} TARGET_UNSAFE when rows refer to one of `out` that does not come back, in `into`, as the same. */
export async function requireNothingRefers(
  session: Session,
  { key, referencedBy }: TableFacts,
  out: string,
  into: string,
): Promise<void> {
  for (const foreign of referencedBy) {
    const { count } = await session.row<{ count: string }>(referring(foreign, key ?? [], out, into));
    if (Number(count) === 0) continue;
    throw new Failure(
      'TARGET_UNSAFE',
      `${count} rows of "${foreign.schema}"."${foreign.table}" ("${foreign.name}") refer to rows that would go`,
    );
  }
}

function referring(foreign: ForeignKeyFacts, key: readonly string[], out: string, into: string): string {
  const refers = foreign.columns.map(
    (column, index) => `r.${quoteIdentifier(column)} = o.${quoteIdentifier(foreign.referenced[index] ?? '')}`,
  );
  const stays = [...key, ...foreign.referenced].map(
    (column) => `i.${quoteIdentifier(column)} = o.${quoteIdentifier(column)}`,
  );
  return `select count(*) from ${quoteQualified(foreign.schema, foreign.table)} r where exists (
    select from ${out} o where ${refers.join(' and ')}
      and not exists (select from ${into} i where ${stays.join(' and ')}))`;
}
