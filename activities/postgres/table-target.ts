// The named table where it is: in the live database, or in the run's scratch server.
import { Failure } from '../../domain/failures.ts';
import { quoteQualified } from '../../domain/systems/postgres-names.ts';
import type { TableFacts } from '../../domain/systems/postgres-table.ts';
import { type Session, withSession } from './connection.ts';
import { beginSnapshot } from './count-rows.ts';
import { type LoadTarget, withMaintenance } from './load-database.ts';
import { onScratch } from './load-target.ts';
import type { RestoreContext } from './restore-context.ts';
import { bringTable } from './scratch-table.ts';
import { listDatabases } from './swap-database.ts';
import { readTable, type TableName } from './table-facts.ts';
import { sumOf } from './table-rows.ts';

/** How messages name it. */
export const shown = ({ schema, table, database }: TableName) => `table "${schema}"."${table}" of "${database}"`;

/** Rows and checksum of the table in one moment. */
export async function sumIn({ reach }: LoadTarget, name: TableName): Promise<{ rows: number; checksum: string }> {
  return withSession(reach, name.database, async (session) => {
    await beginSnapshot(session);
    return sumOfTable(session, name);
  });
}

async function sumOfTable(session: Session, name: TableName): Promise<{ rows: number; checksum: string }> {
  const facts = await readTable(session, name);
  const columns = facts?.columns.map((column) => column.name) ?? [];
  return sumOf(session, quoteQualified(name.schema, name.table), columns);
}

/** The live table, or null when it is gone. @throws {Failure} PART_NOT_FOUND when its database is gone too. */
export async function lookAtLive(live: LoadTarget, name: TableName): Promise<TableFacts | null> {
  const there = await withMaintenance(live, listDatabases);
  if (!there.some((one) => one.name === name.database))
    throw new Failure('PART_NOT_FOUND', `the live server has no database "${name.database}": restore that first`);
  return withSession(live.reach, name.database, (session) => readTable(session, name));
}

/** @throws {Failure} TARGET_UNSAFE with the whole list, when there is one. */
export function refuse(name: TableName, reasons: readonly string[]): void {
  if (reasons.length > 0) throw new Failure('TARGET_UNSAFE', `${shown(name)}: ${reasons.join('; ')}`);
}

/** The scratch server may have died with another worker: then the table is brought again. */
export async function requireInScratch(context: RestoreContext, name: TableName, complete = false): Promise<void> {
  const isThere = await onScratch(context, ({ reach }) =>
    withSession(reach, name.database, (session) => readTable(session, name)),
  ).catch((error) => {
    if (error instanceof Failure && ['TOOL_FAILED', 'PART_NOT_FOUND'].includes(error.code)) return null;
    throw error;
  });
  if (isThere === null) await bringTable(context, name, complete);
}
