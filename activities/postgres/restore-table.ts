// Restoring one table: into scratch for a look, over the live rows in place, or back again when it was dropped.
import type { RestoreStepResult } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { reasonsAgainst, reasonsOfTable, type TableFacts } from '../../domain/systems/postgres-table.ts';
import { withSession } from './connection.ts';
import type { LoadTarget } from './load-database.ts';
import { onLive, onScratch } from './load-target.ts';
import { planRecreate, recreate, undoRecreate } from './recreate-table.ts';
import {
  dropJournal,
  isReplaced,
  journalOf,
  prepareJournal,
  putRowsBack,
  replaceRows,
  type Seen,
  writeJournal,
} from './replace-rows.ts';
import {
  done,
  type PlanDraft,
  type RestoreContext,
  type RestoreProcedure,
  type StepContext,
  step,
  toolsFor,
  wantedIdentity,
} from './restore-context.ts';
import { bringTable, compareWithLive, findDangling, loadIncoming, recordedTable, tableName } from './scratch-table.ts';
import type { TableName } from './table-facts.ts';
import { lookAtLive, refuse, requireInScratch, shown, sumIn } from './table-target.ts';

/** One table into scratch: loaded and counted. */
export const tableIntoScratch: RestoreProcedure = {
  plan: async (context) => {
    const name = tableName(context);
    await toolsFor(context);
    const { table } = await recordedTable(context.backup, name);
    return {
      summary: [`restore ${shown(name)} (${table.rows ?? 'uncounted'} rows) into an isolated scratch server`],
      difference: {},
      warnings: [],
      steps: [step('bring', 'Load the table into scratch and compare it with the inventory')],
      observed: {},
    };
  },
  run: {
    bring: async (context) => {
      const name = tableName(context);
      await bringTable(context, name, false);
      const { rows, checksum } = await onScratch(context, (target) => sumIn(target, name));
      return done(`${shown(name)}: ${rows} rows, as recorded`, { rows, checksum });
    },
  },
  undo: {},
  kept: async () => [],
};

/** One table of the live server: its rows replaced in place, or the table brought back when it is gone. */
export const tableIntoLive: RestoreProcedure = {
  plan: planLive,
  run: { replace, recreate },
  undo: { replace: undoReplace, recreate: undoRecreate },
  kept: keptRows,
};

async function planLive(context: RestoreContext): Promise<PlanDraft> {
  const name = tableName(context);
  await recordedTable(context.backup, name);
  return onLive(context, async (live) => {
    const present = await lookAtLive(live, name);
    if (present === null) return planRecreate(context, live, name);
    refuse(name, reasonsOfTable(present));
    return planReplace(context, live, name, present);
  });
}

async function planReplace(
  context: RestoreContext,
  live: LoadTarget,
  name: TableName,
  present: TableFacts,
): Promise<PlanDraft> {
  const { database } = await recordedTable(context.backup, name);
  const stored = await bringTable(context, name, false);
  refuse(name, reasonsAgainst(present, stored));
  const compared = await onScratch(context, async (scratch) => {
    const difference = await compareWithLive(scratch, live, name, present, database.encoding);
    refuse(name, await findDangling(scratch, live, name, present, database.encoding));
    return difference;
  });
  const { added, changed, removed, liveRows, storedRows, liveChecksum, storedChecksum } = compared;
  const by = present.key
    ? `by key (${present.key.map((column) => `"${column}"`).join(', ')})`
    : 'by whole row (no key)';
  return {
    summary: [
      `${shown(name)}: ${added} rows come back, ${changed} change, ${removed} go; ${liveRows} rows now, ${storedRows} then`,
      `compared ${by}; replaced in one transaction, same table, readers are not stopped, writers wait`,
      `rows taken out are kept in ${journalOf(context.request.run).removed}`,
    ],
    difference: { added, changed, removed, liveRows, storedRows },
    warnings: removed + changed > 0 ? ['rows written after the backup go: see "removed" and "changed"'] : [],
    steps: [
      step('replace', 'Replace the rows in place, journalled, in one transaction', {
        hasUndo: true,
        safeToLeave: 'the replacement is one transaction: the table has either its old or its restored rows',
      }),
    ],
    observed: { identity: wantedIdentity(context), mode: 'replace', oid: present.oid, liveChecksum, storedChecksum },
  };
}

const seenBy = ({ observed }: StepContext): Seen => ({
  oid: String(observed.oid),
  liveChecksum: String(observed.liveChecksum),
  storedChecksum: String(observed.storedChecksum),
});

// Does: loads the backup's rows beside, then one transaction. Repeat: the record in dr.restores says it is done; an
// incomplete load is dropped and made again. Undo: `undoReplace`.
async function replace(context: StepContext): Promise<RestoreStepResult> {
  const name = tableName(context);
  const { run } = context.request;
  const { database } = await recordedTable(context.backup, name);
  return onLive(context, async (live) => {
    if (await withSession(live.reach, name.database, (session) => isReplaced(session, run)))
      return done(`${shown(name)} holds the restored rows already`);
    const present = await lookAtLive(live, name);
    if (present === null || present.oid !== context.observed.oid)
      throw new Failure('PLAN_CHANGED', `${shown(name)} is not the one that the plan saw`);
    await withSession(live.reach, name.database, prepareJournal);
    await requireInScratch(context, name);
    await onScratch(context, (scratch) =>
      loadIncoming(scratch, live, name, present, journalOf(run).incoming, database.encoding),
    );
    const counts = await withSession(live.reach, name.database, async (session) => {
      await writeJournal(session, name, run, present);
      return replaceRows(session, name, run, seenBy(context));
    });
    return done(`${shown(name)}: ${counts.removed} rows taken out, ${counts.added} put in`, counts);
  });
}

async function undoReplace(context: StepContext): Promise<RestoreStepResult> {
  const name = tableName(context);
  const { run } = context.request;
  return onLive(context, (live) =>
    withSession(live.reach, name.database, async (session) => {
      if (!(await isReplaced(session, run))) {
        await dropJournal(session, run);
        return done(`${shown(name)} was not changed`);
      }
      await session.rows('set statement_timeout = 0');
      await putRowsBack(session, name, run, seenBy(context));
      return done(`${shown(name)} holds its old rows again`);
    }),
  );
}

async function keptRows(context: StepContext) {
  if (context.observed.mode !== 'replace') return [];
  const name = tableName(context);
  const { removed, added } = journalOf(context.request.run);
  const there = await onLive(context, (live) =>
    withSession(live.reach, name.database, (session) => isReplaced(session, context.request.run)),
  );
  if (!there) return [];
  const what = `rows that the restore took out of ${shown(name)}`;
  return [{ what, where: `${removed} in "${name.database}"`, removeWith: `DROP TABLE ${removed}, ${added}` }];
}
