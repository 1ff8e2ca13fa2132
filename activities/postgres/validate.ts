// Whether a restored database is sound: its structures by pg_amcheck, and every row read out, because amcheck alone
// has passed on zeroed pages.
import { Failure } from '../../domain/failures.ts';
import type { InventoryLine } from '../../domain/systems/postgres-inventory.ts';
import { databaseConnection } from '../../domain/systems/postgres-names.ts';
import { type Reach, withSession } from './connection.ts';
import { beginSnapshot, takeInventory } from './count-rows.ts';
import { describeDatabase } from './describe-database.ts';
import { runQuietly, withoutTriggers } from './quiet-session.ts';
import { type Credentials, runPgTool, type Tools } from './tools.ts';

/** Runs pg_amcheck over one database. The extension it needs is added and taken away again unless it was there. */
export async function checkStructures(
  reach: Reach,
  tools: Tools,
  credentials: Credentials,
  database: string,
): Promise<void> {
  const had = await hasAmcheck(reach, database);
  try {
    await runPgTool(tools, await withoutTriggers(reach, database, credentials), 'pg_amcheck', [
      '--install-missing',
      '--heapallindexed',
      '--no-password',
      databaseConnection(database),
    ]);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'TOOL_FAILED') throw error;
    throw new Failure('RESTORE_MISMATCH', `pg_amcheck found damage in "${database}": ${error.message}`, {}, error);
  } finally {
    if (!had) await runQuietly(reach, database, 'drop extension if exists amcheck');
  }
}

async function hasAmcheck(reach: Reach, database: string): Promise<boolean> {
  const found = await withSession(reach, database, (session) =>
    session.rows("select from pg_extension where extname = 'amcheck'"),
  );
  return found.length > 0;
}

/** Reads every row of one database out and counts it. */
export function readOut(reach: Reach, database: string, index: number): Promise<InventoryLine[]> {
  return withSession(reach, database, async (session) => {
    await beginSnapshot(session);
    return takeInventory(session, await describeDatabase(reach, session, database, index));
  });
}
