// The steps of a restore. Each says what it does, what a second run finds, and what undoes it.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  FinishRestoreInput,
  FinishRestoreResult,
  RestoreStepInput,
  RestoreStepResult,
} from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { JsonValue } from '../../domain/json.ts';
import type { RedisStepId } from '../../domain/systems/redis-restore.ts';
import { unknownStep } from '../shared/known-step.ts';
import { removeRunFolder as removeFolder } from '../shared/run-folder.ts';
import { infoOf, withStore } from './client.ts';
import { compareStores, readOut, requireEqual } from './compare.ts';
import { copyKeys, removeSurplus, replayJournal } from './copy-keys.ts';
import { restoreExtra, undoExtra } from './extras.ts';
import { keptFiles, placeFiles, startStore, stopStore, undoPlace, undoStart, undoStop } from './in-place.ts';
import {
  contextOf,
  keptFolder,
  type Observed,
  type RestoreContext,
  requireSameServer,
  withBoth,
  withLoaded,
} from './restore-context.ts';
import type { RedisDependencies } from './run-folder.ts';
import { endScratch } from './scratch.ts';

type Work = (context: RestoreContext) => Promise<RestoreStepResult>;

const told = (summary: string, facts: Readonly<Record<string, JsonValue>> = {}): RestoreStepResult => ({
  summary,
  findings: [],
  facts,
});

/**
 * *Does*: one step of the plan. *Repeat*: each step finds what an earlier attempt did: a loaded scratch server, equal
 * keys, files already moved, a store already stopped. *Undo*: `undoRestoreStep`, for the steps that change the store.
 * @throws {Failure} PLAN_CHANGED, RESTORE_MISMATCH, ARTIFACT_DAMAGED, STORE_UNREACHABLE, TOOL_FAILED.
 */
export async function runRestoreStep(
  deps: RedisDependencies,
  { plan, stepId }: RestoreStepInput,
): Promise<RestoreStepResult> {
  return await workOf(STEPS, stepId)(await contextOf(deps, plan));
}

/** *Does*: undoes one step. *Repeat*: finds it undone, or never done. *Undo*: none. */
export async function undoRestoreStep(
  deps: RedisDependencies,
  { plan, stepId }: RestoreStepInput,
): Promise<RestoreStepResult> {
  return await workOf(UNDOS, stepId)(await contextOf(deps, plan));
}

/**
 * *Does*: ends the run's scratch server, removes its folder and tells what was kept. *Repeat*: finds nothing to end.
 * *Undo*: none. After an undone restore nothing needs to be kept: it has been put back.
 */
export async function finishRestore(
  deps: RedisDependencies,
  { plan, outcome }: FinishRestoreInput,
): Promise<FinishRestoreResult> {
  await endScratch(deps, plan.request.run);
  const folder = keptFolder(deps, plan.request.run);
  if (outcome === 'undone') await removeFolder(folder);
  const files = await keptFiles({ deps, plan, observed: plan.observed as unknown as Observed });
  const notes = await readdir(folder).catch(() => []);
  return {
    kept: [
      ...files.map((path) => ({
        what: 'files of the store before the restore',
        where: path,
        removeWith: removal(path),
      })),
      ...(notes.length === 0
        ? []
        : [{ what: 'what the restore replaced', where: folder, removeWith: removal(folder) }]),
    ],
  };
}

const removal = (path: string) => `rm -r -- '${path.replaceAll("'", "'\\''")}'`;

const STEPS: Readonly<Partial<Record<RedisStepId, Work>>> = {
  load: (context) => withLoaded(context, async () => told('loaded; the counts are those of the backup')),
  read: readStep,
  stop: async (context) => told(await stopStore(context)),
  place: async (context) => told(await placeFiles(context)),
  start: async (context) => told(await startStore(context)),
  write: writeStep,
  remove: removeStep,
  compare: compareStep,
  functions: async (context) => told(await restoreExtra(context, 'functions')),
  acl: async (context) => told(await restoreExtra(context, 'acl')),
  configuration: async (context) => told(await restoreExtra(context, 'configuration')),
};

const UNDOS: Readonly<Partial<Record<RedisStepId, Work>>> = {
  stop: async (context) => told(await undoStop(context)),
  place: async (context) => told(await undoPlace(context)),
  start: async (context) => told(await undoStart(context)),
  write: (context) => replay(context, 'write'),
  remove: (context) => replay(context, 'remove'),
  functions: async (context) => told(await undoExtra(context, 'functions')),
  acl: async (context) => told(await undoExtra(context, 'acl')),
  configuration: async (context) => told(await undoExtra(context, 'configuration')),
};

function workOf(table: Readonly<Partial<Record<RedisStepId, Work>>>, stepId: string): Work {
  const work = table[stepId as RedisStepId];
  if (work === undefined) throw unknownStep('redis', stepId);
  return work;
}

async function readStep(context: RestoreContext): Promise<RestoreStepResult> {
  const { keys, types, sum } = await withLoaded(context, (scratch) => readOut(scratch, context.selection));
  const { manifest } = context.stored;
  const recorded = manifest.counts.keys;
  const isWhole = context.selection.pattern === '*' && context.selection.database === null;
  if (isWhole && recorded !== undefined && keys > recorded)
    throw new Failure('RESTORE_MISMATCH', `${keys} keys can be read, but ${recorded} are recorded`);
  const expired = isWhole && recorded !== undefined ? recorded - keys : null;
  const rest = expired === null || expired === 0 ? '' : `; ${expired} have expired since`;
  return told(`${keys} keys were read out${rest}`, { keys, types, sum, expired });
}

async function writeStep(context: RestoreContext): Promise<RestoreStepResult> {
  const startedAt = performance.now();
  const { written, same } = await withBoth(context, async (scratch, live) => {
    await requireSameServer(context, (await infoOf(live, 'server')).run_id ?? '');
    return await copyKeys(scratch, live, context.selection, join(context.keptFolder, 'write'));
  });
  const keysPerSecond = Math.round((written + same) / Math.max((performance.now() - startedAt) / 1000, 0.001));
  return told(`${written} keys were written, ${same} were the same already`, { written, same, keysPerSecond });
}

async function removeStep(context: RestoreContext): Promise<RestoreStepResult> {
  const removed = await withBoth(context, (scratch, live) =>
    removeSurplus(scratch, live, context.selection, join(context.keptFolder, 'remove')),
  );
  return told(`${removed} keys were removed`, { removed });
}

async function compareStep(context: RestoreContext): Promise<RestoreStepResult> {
  const comparison = await withBoth(context, (scratch, live) => compareStores(scratch, live, context.selection));
  requireEqual(comparison);
  const { equal, expired, surplus, sum } = comparison;
  const others = surplus > 0 ? `; the live store has ${surplus} more` : '';
  return told(`${equal} keys are equal, ${expired} have expired${others}`, { equal, expired, surplus, sum });
}

async function replay(context: RestoreContext, name: string): Promise<RestoreStepResult> {
  const { back, gone } = await withStore(context.deps.configuration, (live) =>
    replayJournal(live, join(context.keptFolder, name)),
  );
  return told(`${back} keys were put back, ${gone} that were not there are gone`, { back, gone });
}
