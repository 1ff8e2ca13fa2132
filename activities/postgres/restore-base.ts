// Restoring a whole cluster from a base backup: into scratch, or in place of the live data folder.
import { join } from 'node:path';
import type { RestoreStepResult } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { countInventory, type InventoryLine, type TableLine } from '../../domain/systems/postgres-inventory.ts';
import { IS_OPEN, IS_PLATFORM_DATABASE } from '../../domain/systems/postgres-names.ts';
import { type Reach, withSession } from './connection.ts';
import { mendCollations } from './mend-collations.ts';
import { readInventory } from './read-stored.ts';
import type { RestoreContext, RestoreProcedure, StepContext } from './restore-context.ts';
import { done, scratchOf, step, toolsFor } from './restore-context.ts';
import { endScratch, ensureScratch, type ScratchSpec, scratchData } from './scratch-server.ts';
import { type Tools, withCredentials } from './tools.ts';
import { remapTablespaces } from './unpack-base.ts';
import { openChain, unpackWhole } from './unpack-chain.ts';
import { checkStructures, readOut } from './validate.ts';

/** Unpacks and verifies the base backup as the data folder of the scratch server. Repeat: from the beginning. */
export async function unpackIntoScratch(context: RestoreContext): Promise<ScratchSpec> {
  const spec = await scratchOf(context);
  await endScratch(spec.folder);
  const work = {
    tools: spec.tools,
    backup: context.backup,
    directory: scratchData(spec.folder),
    tablespaceFolder: (oid: string) => join(spec.folder, `tablespace-${oid}`),
    owner: context.deps.scratchUser,
  };
  await unpackWhole(work, await openChain(context.deps.reader, context.backup, context.request.tier));
  await remapTablespaces(work);
  return spec;
}

/**
 * Checks the structures of every database and reads every row out.
 * @throws {Failure} RESTORE_MISMATCH when something is damaged or a recorded database is not there.
 */
export async function validateCluster(
  context: RestoreContext,
  reach: Reach,
  tools: Tools,
  folder: string,
): Promise<RestoreStepResult> {
  const recorded = await readInventory(context.backup);
  const names = await withSession(reach, 'template1', (session) =>
    session.rows<{ name: string }>(
      `select datname as name from pg_database where ${IS_OPEN} and ${IS_PLATFORM_DATABASE} order by datname collate "C"`,
    ),
  );
  requireDatabases(
    recorded,
    names.map(({ name }) => name),
  );
  const found: InventoryLine[] = [];
  await withCredentials(reach, folder, async (credentials) => {
    for (const [position, { name }] of names.entries()) {
      await checkStructures(reach, tools, credentials, name);
      found.push(...(await readOutOf(reach, name, position + 1)));
    }
  });
  const counts = countInventory(found);
  const emptied = found.filter((line) => line.is === 'table' && line.unlogged) as TableLine[];
  const except = emptied.map(({ database, schema, table }) => `"${database}"."${schema}"."${table}"`);
  return done(
    `${counts.databases} databases, ${counts.tables} tables, ${counts.rows ?? 0} rows read out; structures are sound`,
    { ...counts, unlogged: except.slice(0, 50) },
  );
}

async function readOutOf(reach: Reach, name: string, index: number): Promise<InventoryLine[]> {
  try {
    return await readOut(reach, name, index);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'TOOL_FAILED') throw error;
    throw new Failure('RESTORE_MISMATCH', `database "${name}" cannot be read out: ${error.message}`, {}, error);
  }
}

function requireDatabases(recorded: readonly InventoryLine[], names: readonly string[]): void {
  const missing = recorded.filter((line) => line.is === 'database' && !names.includes(line.database));
  if (missing.length > 0)
    throw new Failure(
      'RESTORE_MISMATCH',
      `databases of the backup are missing: ${missing.map(({ database }) => `"${database}"`).join(', ')}`,
    );
}

/** The whole cluster into a scratch server: verified, recovered, read out, thrown away. */
export const baseIntoScratch: RestoreProcedure = {
  plan: async (context) => {
    await toolsFor(context);
    const { backupId, source } = context.backup.manifest;
    return {
      summary: [
        `unpack base backup "${backupId}" (LSN ${source.startLsn} to ${source.stopLsn}) into scratch`,
        'verify it against its manifest, recover it without network, check its structures and read every row out',
      ],
      difference: {},
      warnings: [],
      steps: [
        step('unpack', 'Unpack the base backup and verify every file and the WAL'),
        step('validate', 'Recover it in isolation, check structures, read every row out'),
      ],
      observed: {},
    };
  },
  run: {
    unpack: async (context: StepContext) => {
      await unpackIntoScratch(context);
      return done('the base backup matches its manifest');
    },
    validate: async (context: StepContext) => {
      const spec = await scratchOf(context);
      const reach = await ensureScratch(spec);
      const mended = await mendCollations(reach);
      const result = await validateCluster(context, reach, spec.tools, spec.folder);
      return { ...result, findings: [...mended, ...result.findings] };
    },
  },
  undo: {},
  kept: async () => [],
};
