// Restoring databases from a logical backup: loaded under another name, compared exactly, and (live) swapped by rename.
import type { RestoreStep, RestoreStepResult } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import {
  compareInventories,
  countInventory,
  type DatabaseLine,
  type InventoryLine,
  linesOf,
} from '../../domain/systems/postgres-inventory.ts';
import { keptDatabaseName, loadingDatabaseName } from '../../domain/systems/postgres-names.ts';
import { dropDatabase, formOf, loadDatabase, withMaintenance } from './load-database.ts';
import { addRoles, undoRoles } from './load-roles.ts';
import { onLive, onScratch } from './load-target.ts';
import { planDatabases, wantedDatabases } from './plan-databases.ts';
import {
  done,
  numbered,
  type RestoreProcedure,
  type StepContext,
  scratchOf,
  step,
  toolsFor,
} from './restore-context.ts';
import { makeCluster } from './scratch-server.ts';
import { listDatabases, swapDatabase, swapDatabaseBack } from './swap-database.ts';
import { checkStructures, readOut } from './validate.ts';

type Named = (line: DatabaseLine, run: string) => string;

const underItsName: Named = (line) => line.database;
const underLoadingName: Named = (line, run) => loadingDatabaseName(line.index, run);

async function lineOf(context: StepContext): Promise<{ lines: InventoryLine[]; line: DatabaseLine }> {
  const { lines, databases } = await wantedDatabases(context);
  const line = databases.find(({ index }) => index === context.number);
  if (!line) throw new Failure('PLAN_CHANGED', `the backup holds no database of number ${context.number}`);
  return { lines: linesOf(lines, line.database), line };
}

type On = typeof onScratch;

// Does: drops what an earlier attempt loaded, makes the database and loads it. Repeat: the same from the beginning.
const load =
  (on: On, named: Named) =>
  async (context: StepContext): Promise<RestoreStepResult> => {
    const { line } = await lineOf(context);
    const form = formOf(context.request.options);
    await on(context, (target) => loadDatabase(target, context.backup, line, named(line, context.request.run), form));
    return done(`database "${line.database}" is loaded from its ${form === 'custom' ? 'dump' : 'SQL'}`);
  };

// Does: reads everything out and compares it with the inventory, line by line. Repeat: compares again. Undo: none.
const compare =
  (on: On, named: Named) =>
  async (context: StepContext): Promise<RestoreStepResult> => {
    const { lines, line } = await lineOf(context);
    const name = named(line, context.request.run);
    const found = await on(context, async (target) => {
      await checkStructures(target.reach, target.tools, target.credentials, name);
      return readOut(target.reach, name, line.index);
    });
    const differences = compareInventories(lines, found);
    if (differences.length > 0) throw mismatch(line.database, differences);
    const counts = countInventory(found);
    return done(`database "${line.database}": ${counts.tables} tables, ${counts.rows ?? 0} rows, all as recorded`, {
      database: line.database,
      ...counts,
    });
  };

/** The failure that lists what differs, shortened for a person. */
export function mismatch(database: string, differences: readonly string[]): Failure {
  const shown = differences.slice(0, 20).join('; ');
  const more = differences.length > 20 ? `; and ${differences.length - 20} more` : '';
  return new Failure('RESTORE_MISMATCH', `database "${database}" is not as recorded: ${shown}${more}`, {
    differences: differences.length,
  });
}

const scratchSteps = (databases: readonly DatabaseLine[]): RestoreStep[] => [
  step('start', 'Start an isolated scratch server with the roles of the backup'),
  ...databases.flatMap((line) => [
    step(numbered('load', line.index), `Load database "${line.database}"`),
    step(numbered('compare', line.index), `Check and count "${line.database}" against the backup's inventory`),
  ]),
];

/** Databases into a scratch server: loaded, checked, compared, thrown away. */
export const databasesIntoScratch: RestoreProcedure = {
  plan: async (context) => {
    const form = formOf(context.request.options);
    await toolsFor(context);
    const { databases } = await wantedDatabases(context);
    return {
      summary: [`restore ${databases.length} databases (${form}) into an isolated scratch server and compare them`],
      difference: {},
      warnings: [],
      steps: scratchSteps(databases),
      observed: {},
    };
  },
  run: {
    start: async (context) => {
      await makeCluster(await scratchOf(context));
      return onScratch(context, (target) => addRoles(context, target));
    },
    load: load(onScratch, underItsName),
    compare: compare(onScratch, underItsName),
  },
  undo: {},
  kept: async () => [],
};

/** Databases of the live server: loaded beside, compared, then swapped by rename; the old ones stay. */
export const databasesIntoLive: RestoreProcedure = {
  plan: planDatabases,
  run: {
    roles: (context) => onLive(context, (target) => addRoles(context, target)),
    load: load(onLive, underLoadingName),
    compare: compare(onLive, underLoadingName),
    swap: async (context) => {
      const { line } = await lineOf(context);
      const { run } = context.request;
      return onLive(context, (target) => swapDatabase(target, line, run, observedOid(context, line)));
    },
  },
  undo: {
    roles: undoRoles,
    load: async (context) => {
      const { line } = await lineOf(context);
      await onLive(context, (target) => dropDatabase(target, underLoadingName(line, context.request.run)));
      return done(`the loaded copy of "${line.database}" is dropped`);
    },
    swap: async (context) => {
      const { line } = await lineOf(context);
      return onLive(context, (target) =>
        swapDatabaseBack(target, line, context.request.run, observedOid(context, line)),
      );
    },
  },
  kept: keptDatabases,
};

function observedOid({ observed }: StepContext, line: DatabaseLine): string | null {
  const oids = observed.oids as Readonly<Record<string, string | null>>;
  return oids[line.database] ?? null;
}

async function keptDatabases(context: StepContext) {
  const { databases } = await wantedDatabases(context);
  return onLive(context, async (target) => {
    const there = new Set((await withMaintenance(target, listDatabases)).map(({ name }) => name));
    const kept = databases.map((line) => ({
      name: line.database,
      keptName: keptDatabaseName(line, context.request.run),
    }));
    return kept
      .filter(({ keptName }) => there.has(keptName))
      .map(({ name, keptName }) => ({
        what: `the replaced database "${name}"`,
        where: `database "${keptName}", which takes no connections`,
        removeWith: `DROP DATABASE "${keptName.replaceAll('"', '""')}"`,
      }));
  });
}
