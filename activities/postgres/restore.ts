// The restore's four activities: which procedure a request means, and the steps of its plan.
import type {
  FinishRestoreInput,
  FinishRestoreResult,
  RestorePlan,
  RestoreRequest,
  RestoreStepInput,
  RestoreStepResult,
} from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { kindOf } from '../../domain/systems.ts';
import { requireKnownStep, unknownStep } from '../shared/known-step.ts';
import { type Dependencies, removeRunFolder, runFolder } from './context.ts';
import { baseIntoScratch } from './restore-base.ts';
import { baseIntoLive } from './restore-base-live.ts';
import { digestOf, done, type RestoreContext, type RestoreProcedure, type StepContext } from './restore-context.ts';
import { databasesIntoLive, databasesIntoScratch } from './restore-databases.ts';
import { tableIntoLive, tableIntoScratch } from './restore-table.ts';
import { endScratch } from './scratch-server.ts';

interface Procedures {
  readonly scratch: RestoreProcedure;
  readonly live: RestoreProcedure;
}

const DATABASES: Procedures = { scratch: databasesIntoScratch, live: databasesIntoLive };
const TABLE: Procedures = { scratch: tableIntoScratch, live: tableIntoLive };
const BASE: Procedures = { scratch: baseIntoScratch, live: baseIntoLive };

const PROCEDURES: Readonly<Record<string, Readonly<Record<string, Procedures>>>> = {
  logical: { whole: DATABASES, database: DATABASES, table: TABLE },
  physical: { whole: BASE, table: TABLE },
  incremental: { whole: BASE, table: TABLE },
};

function procedureOf({ request, backup }: RestoreContext): RestoreProcedure {
  const { kind } = backup.manifest;
  const procedures = PROCEDURES[kind]?.[request.scope.kind];
  if (procedures) return procedures[request.target];
  const can = kindOf('postgres', kind)?.restores.join(', ') ?? 'nothing';
  throw new Failure('USAGE', `a ${kind} backup of PostgreSQL restores ${can}, not ${request.scope.kind}`);
}

async function contextOf(deps: Dependencies, request: RestoreRequest): Promise<RestoreContext> {
  return { deps, request, backup: await deps.reader.open(request.backup, request.tier ?? undefined) };
}

/**
 * Does: looks at backup and target and writes down what would happen. A table's plan loads it into scratch to compare.
 * Repeat: looks again; scratch is made anew. Undo: `finishRestore`; a run without a plan is never finished, so what a
 * failed planning started goes here.
 * @throws {Failure} TARGET_MISMATCH, TARGET_UNSAFE, VERSION_UNFIT, PART_NOT_FOUND, USAGE and what opening throws.
 */
export async function planRestore(deps: Dependencies, request: RestoreRequest): Promise<RestorePlan> {
  const context = await contextOf(deps, request);
  try {
    const draft = await procedureOf(context).plan(context);
    const plan = { request, ...draft };
    return { ...plan, digest: digestOf(plan) };
  } catch (error) {
    await endScratch(runFolder(deps, request.run, 'restore'));
    await removeRunFolder(deps, request.run, 'restore');
    throw error;
  }
}

const STEP = /^([a-z-]+?)(?:-(\d{4,}))?$/;

async function openStep(deps: Dependencies, { plan, stepId }: RestoreStepInput) {
  if (digestOf(plan) !== plan.digest) throw new Failure('PLAN_CHANGED', 'the plan is not the one that was made');
  requireKnownStep(
    'postgres',
    plan.steps.map(({ id }) => id),
    stepId,
  );
  const [, name = '', number = '0'] = STEP.exec(stepId) ?? [];
  const base = await contextOf(deps, plan.request);
  const context: StepContext = { ...base, observed: plan.observed, number: Number(number) };
  const procedure = procedureOf(base);
  requireKnownStep('postgres', Object.keys(procedure.run), name);
  return { procedure, context, name };
}

/** Does, repeats and undoes what the step's own comment says. */
export async function runRestoreStep(deps: Dependencies, input: RestoreStepInput): Promise<RestoreStepResult> {
  const { procedure, context, name } = await openStep(deps, input);
  const work = procedure.run[name];
  if (!work) throw unknownStep('postgres', input.stepId);
  return work(context);
}

/** Undoes a step, whether it was done, done in part or never begun. A step without an undo changed nothing that stays. */
export async function undoRestoreStep(deps: Dependencies, input: RestoreStepInput): Promise<RestoreStepResult> {
  const { procedure, context, name } = await openStep(deps, input);
  const work = procedure.undo[name];
  return work ? work(context) : done('nothing to undo');
}

/**
 * Does: ends the scratch server, removes the run's folder, and tells what was kept of the replaced data.
 * Repeat: finds nothing left and tells the same. Undo: none.
 */
export async function finishRestore(deps: Dependencies, { plan }: FinishRestoreInput): Promise<FinishRestoreResult> {
  await endScratch(runFolder(deps, plan.request.run, 'restore'));
  try {
    const base = await contextOf(deps, plan.request);
    return { kept: await procedureOf(base).kept({ ...base, observed: plan.observed, number: 0 }) };
  } finally {
    await removeRunFolder(deps, plan.request.run, 'restore');
  }
}
