// What restoring databases over live ones will do, and whether it may be done at all.
import type { RestoreStep } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { JsonValue } from '../../domain/json.ts';
import { type DatabaseLine, databasesOf, type InventoryLine } from '../../domain/systems/postgres-inventory.ts';
import { keptDatabaseName } from '../../domain/systems/postgres-names.ts';
import { type Form, formOf, type LoadTarget, missingTablespaces, withMaintenance } from './load-database.ts';
import { findMissingRoles, findMissingSettings } from './load-roles.ts';
import { onLive } from './load-target.ts';
import { readInventory } from './read-stored.ts';
import {
  numbered,
  type PlanDraft,
  type RestoreContext,
  refuseVersion,
  step,
  wantedIdentity,
} from './restore-context.ts';
import { listDatabases } from './swap-database.ts';

/** The databases that the request means. @throws {Failure} PART_NOT_FOUND. */
export async function wantedDatabases(
  context: RestoreContext,
): Promise<{ lines: InventoryLine[]; databases: DatabaseLine[] }> {
  const lines = await readInventory(context.backup);
  const all = databasesOf(lines);
  if (context.request.scope.kind === 'whole') return { lines, databases: all };
  const name = context.request.scope.names.database;
  const databases = all.filter(({ database }) => database === name);
  const { backupId } = context.backup.manifest;
  if (databases.length === 0)
    throw new Failure('PART_NOT_FOUND', `backup "${backupId}" holds no database "${name}"`, { backup: backupId });
  return { lines, databases };
}

/** The plan for live databases: loaded beside, compared, swapped. */
export async function planDatabases(context: RestoreContext): Promise<PlanDraft> {
  const form = formOf(context.request.options);
  const { databases } = await wantedDatabases(context);
  return onLive(context, async (target) => {
    await refuseUnfit(target, context, databases);
    const there = await withMaintenance(target, listDatabases);
    const missingRoles = await findMissingRoles(target, context);
    const missingSettings = await withMaintenance(target, (session) => findMissingSettings(session, context));
    const oids = Object.fromEntries(
      databases.map(({ database }) => [database, there.find(({ name }) => name === database)?.oid ?? null]),
    );
    const untouched = there.filter(({ name }) => !(name in oids)).map(({ name }) => name);
    return {
      summary: [
        ...databases.map((line) => summaryOf(line, oids[line.database] ?? null, context.request.run)),
        `loaded from the ${form === 'custom' ? 'custom-format dump' : 'SQL'}, compared exactly, then swapped by rename`,
        ...(missingRoles.length > 0 ? [`roles to be created: ${list(missingRoles)}`] : []),
        ...(missingSettings.length > 0
          ? [`settings of all roles to be made: ${list(missingSettings.map(({ name }) => name))}`]
          : []),
      ],
      difference: { databases: databases.length, missingRoles: missingRoles.length },
      warnings: [
        'sessions in the replaced databases are ended at the swap; writes made after the backup are in the kept copy only',
        ...(untouched.length > 0 ? [`databases not in the backup stay: ${list(untouched)}`] : []),
        'roles that exist keep their present password and attributes',
        ...(await warningsOf(target, databases, form)),
      ],
      steps: liveSteps(databases),
      observed: {
        identity: wantedIdentity(context),
        oids,
        missingRoles,
        missingSettings: [...missingSettings] as unknown as JsonValue,
      },
    };
  });
}

async function warningsOf(target: LoadTarget, databases: readonly DatabaseLine[], form: Form): Promise<string[]> {
  const slots = await withMaintenance(target, (session) =>
    session.rows<{ name: string; database: string }>(
      'select slot_name as name, database from pg_replication_slots where database is not null order by 1',
    ),
  );
  const warnings = slots
    .filter(({ database }) => databases.some((line) => line.database === database))
    .map(
      ({ name, database }) =>
        `replication slot "${name}" stays with the replaced "${database}" and keeps its WAL: make it anew, then drop it`,
    );
  for (const line of databases) warnings.push(...(await warningsOfDatabase(target, line, form)));
  return warnings;
}

async function warningsOfDatabase(target: LoadTarget, line: DatabaseLine, form: Form): Promise<string[]> {
  const missing = await missingTablespaces(target, line);
  const lost = form === 'sql' ? line.tablespaces : missing;
  return [
    ...(lost.length > 0 ? [`"${line.database}": what lay in tablespace ${list(lost)} goes into the default one`] : []),
    ...line.subscriptions.map(
      (name) => `"${line.database}": subscription "${name}" comes back disabled; look at its slot, then enable it`,
    ),
  ];
}

const list = (names: readonly string[]) => names.map((name) => `"${name}"`).join(', ');

function summaryOf(line: DatabaseLine, oid: string | null, run: string): string {
  if (oid === null) return `database "${line.database}" is not there now and comes back`;
  return `database "${line.database}" is replaced; the present one stays as "${keptDatabaseName(line, run)}"`;
}

function liveSteps(databases: readonly DatabaseLine[]): RestoreStep[] {
  const safeToLeave = 'everything can wait: the live databases are as they were, only disk space is used';
  return [
    step('roles', 'Create the roles that are missing', { hasUndo: true, safeToLeave }),
    ...databases.flatMap((line) => [
      step(numbered('load', line.index), `Load "${line.database}" under another name`, { hasUndo: true, safeToLeave }),
      step(numbered('compare', line.index), `Check and count the loaded "${line.database}"`, { safeToLeave }),
    ]),
    ...databases.map((line) =>
      step(numbered('swap', line.index), `Let the loaded "${line.database}" take its place`, {
        hasUndo: true,
        safeToLeave: 'the swap is one transaction: either the old or the restored database serves',
      }),
    ),
  ];
}

async function refuseUnfit(
  target: LoadTarget,
  context: RestoreContext,
  databases: readonly DatabaseLine[],
): Promise<void> {
  refuseVersion(context.backup, target.tools.major);
  const rows = await withMaintenance(target, (session) =>
    session.rows<{ name: string }>('select name from pg_available_extensions'),
  );
  const available = new Set(rows.map(({ name }) => name));
  const needed = new Set(databases.flatMap(({ extensions }) => extensions.map(({ name }) => name)));
  const missing = [...needed].filter((name) => !available.has(name));
  if (missing.length > 0)
    throw new Failure('VERSION_UNFIT', `the target lacks extensions of the backup: ${missing.join(', ')}`, {
      need: `these extensions installed: ${missing.join(', ')}`,
    });
}
