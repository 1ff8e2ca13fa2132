// A dropped table brought back: taken out of scratch with all that is its own, restored in one transaction.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RestoreStepResult } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { databaseConnection, quoteIdentifier, quoteQualified } from '../../domain/systems/postgres-names.ts';
import { whyUnfit } from '../../domain/systems/postgres-versions.ts';
import { withSession } from './connection.ts';
import type { LoadTarget } from './load-database.ts';
import { onLive, onScratch } from './load-target.ts';
import { majorOf } from './read-stored.ts';
import {
  done,
  type PlanDraft,
  type RestoreContext,
  type StepContext,
  step,
  wantedIdentity,
} from './restore-context.ts';
import { bringTable, recordedTable, tableName } from './scratch-table.ts';
import { readDependents, type TableName } from './table-facts.ts';
import { transportEncoding } from './table-rows.ts';
import { lookAtLive, refuse, requireInScratch, shown, sumIn } from './table-target.ts';
import { runPgRestore, runPgTool } from './tools.ts';

/** The plan for a table that is not there now. */
export async function planRecreate(context: RestoreContext, live: LoadTarget, name: TableName): Promise<PlanDraft> {
  refuseOlder(context, live);
  const stored = await bringTable(context, name, true);
  refuse(name, stored.kind === 'r' ? [] : ['it is not an ordinary table; restore its database']);
  const lost = await onScratch(context, ({ reach }) =>
    withSession(reach, name.database, (session) => readDependents(session, name)),
  );
  const { rows, checksum } = await onScratch(context, (target) => sumIn(target, name));
  const { there } = await withSession(live.reach, name.database, (session) =>
    session.row<{ there: boolean }>('select exists (select from pg_namespace where nspname = $1) as there', [
      name.schema,
    ]),
  );
  return {
    summary: [
      `${shown(name)} is not there now and comes back with ${rows} rows, its indexes, constraints and own sequences`,
    ],
    difference: { added: rows, changed: 0, removed: 0, liveRows: 0, storedRows: rows },
    warnings: lost.map((what) => `not brought back, because it is not the table's own: ${what}`),
    steps: [
      step('recreate', 'Create the table again with its rows, in one transaction', {
        hasUndo: true,
        safeToLeave: 'everything can wait: the table is either there completely or not at all',
      }),
    ],
    observed: { identity: wantedIdentity(context), mode: 'recreate', storedChecksum: checksum, schemaThere: there },
  };
}

// The table travels as a dump, whatever the backup is: forward only.
function refuseOlder({ backup }: RestoreContext, live: LoadTarget): void {
  const unfit = whyUnfit('dump', majorOf(backup.manifest), live.tools.major);
  if (unfit) throw new Failure('VERSION_UNFIT', unfit.reason, { need: unfit.need });
}

// Does: takes the table out of scratch and restores it in one transaction. Repeat: sees it there with the same rows.
export async function recreate(context: StepContext): Promise<RestoreStepResult> {
  const name = tableName(context);
  return onLive(context, async (live) => {
    if ((await lookAtLive(live, name)) !== null) return requireSame(live, name, context);
    await requireInScratch(context, name, true);
    const file = join(live.folder, 'table.dump');
    const { database } = await recordedTable(context.backup, name);
    await onScratch(context, (scratch) => takeOut(scratch, name, file, transportEncoding(database.encoding)));
    await withSession(live.reach, name.database, (session) =>
      session.rows(`create schema if not exists ${quoteIdentifier(name.schema)}`),
    );
    await putIn(live, name, file).finally(() => rm(file, { force: true }));
    return requireSame(live, name, context);
  });
}

async function takeOut(scratch: LoadTarget, name: TableName, file: string, encoding: string): Promise<void> {
  await rm(file, { force: true });
  await runPgTool(scratch.tools, scratch.credentials, 'pg_dump', [
    '--format=custom',
    '--compress=0',
    `--encoding=${encoding}`,
    `--table=${quoteQualified(name.schema, name.table)}`,
    `--file=${file}`,
    `--dbname=${databaseConnection(name.database)}`,
  ]);
}

async function putIn(live: LoadTarget, name: TableName, file: string): Promise<void> {
  const how = ['--single-transaction', '--exit-on-error', '--no-tablespaces', '--no-password'];
  const into = `--dbname=${databaseConnection(name.database)}`;
  await runPgRestore(live.tools, live.credentials, [...how, into], { file });
}

async function requireSame(live: LoadTarget, name: TableName, { observed }: StepContext): Promise<RestoreStepResult> {
  const { rows, checksum } = await sumIn(live, name);
  if (checksum !== observed.storedChecksum)
    throw new Failure('PLAN_CHANGED', `${shown(name)} is there with other rows than the backup's`);
  return done(`${shown(name)} is back with ${rows} rows`, { rows });
}

// Drops the table only while it holds exactly what was restored: anything else is somebody's work.
export async function undoRecreate(context: StepContext): Promise<RestoreStepResult> {
  const name = tableName(context);
  return onLive(context, async (live) => {
    if ((await lookAtLive(live, name)) === null) return done(`${shown(name)} is not there, as before`);
    await requireSame(live, name, context);
    await withSession(live.reach, name.database, async (session) => {
      await session.rows(`drop table ${quoteQualified(name.schema, name.table)}`);
      if (context.observed.schemaThere === false) await session.rows(`drop schema ${quoteIdentifier(name.schema)}`);
    });
    return done(`${shown(name)} is dropped again`);
  });
}
