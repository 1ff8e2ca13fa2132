// RabbitMQ as a protected system. A live queue is never read: messages come from an isolated clone of the node's files.

import type {
  FinishRestoreInput,
  FinishRestoreResult,
  ProtectedSystem,
  RestoreRequest,
} from '../../domain/contracts/protected-system.ts';
import { LIVE_STEPS, SCRATCH_STEPS } from '../../domain/systems/rabbitmq-restore.ts';
import { requireKnownStep } from '../shared/known-step.ts';
import { removeRunFolder } from '../shared/run-folder.ts';
import type { BrokerDependencies } from './broker-dependencies.ts';
import { checkBackup } from './check-backup.ts';
import { countMarkers } from './count-markers.ts';
import { inspect } from './inspect.ts';
import { liveBroker } from './live-broker.ts';
import { observe } from './observe.ts';
import { planRestore } from './plan-restore.ts';
import { readPosition } from './position.ts';
import { findJournal, removeJournal } from './restore-journal.ts';
import { runLiveStep } from './restore-live.ts';
import { restoreIntoScratch, scratchFolder } from './restore-scratch.ts';
import { takeBackup } from './take-backup.ts';
import { undoLiveStep } from './undo-live.ts';

export function createRabbitmq(deps: BrokerDependencies): ProtectedSystem {
  return {
    /** Does: asks only. Repeat: harmless. Undo: none. */
    inspect: (input) => inspect(deps, input),
    /** Does: asks only. Repeat: harmless. Undo: none. */
    observe: () => observe(deps),
    /** Does: asks only. Repeat: harmless. Undo: none. */
    countMarkers: () => countMarkers(deps),
    readPosition: () => readPosition(deps),
    /**
     * Does: definitions, and messages out of a clone. Repeat: returns the finished backup, or starts over after removing
     * what was left (a clone dies with its worker). Undo: the open backup is abandoned.
     */
    takeBackup: (input) => takeBackup(deps, input),
    /** Does: reads everything. Repeat: harmless. Undo: none. */
    checkBackup: (input) => checkBackup(deps, input),
    /** Does: asks only. Repeat: harmless. Undo: none. */
    planRestore: (request) => planRestore(deps, request),
    /** Does: one step of the plan. Repeat: finds what was done in the journal. Undo: `undoRestoreStep`. */
    runRestoreStep: async ({ plan, stepId }) => {
      requireKnown(plan.request.target, stepId);
      return plan.request.target === 'scratch' ? restoreIntoScratch(deps, plan) : runLiveStep(deps, plan, stepId);
    },
    /** Does: removes what the run made while nobody used it. Repeat: finds nothing left. */
    undoRestoreStep: async ({ plan, stepId }) => {
      requireKnown(plan.request.target, stepId);
      return plan.request.target === 'scratch'
        ? { summary: 'scratch needs no undo', findings: [], facts: {} }
        : undoLiveStep(deps, plan, stepId);
    },
    /** Does: removes scratch, and the journal of a run that ended well. Repeat: finds neither. Undo: none. */
    finishRestore: (input) => finishRestore(deps, input),
  };
}

function requireKnown(target: RestoreRequest['target'], stepId: string): void {
  const steps = target === 'scratch' ? SCRATCH_STEPS : LIVE_STEPS;
  requireKnownStep(
    'rabbitmq',
    steps.map(({ id }) => id),
    stepId,
  );
}

async function finishRestore(
  deps: BrokerDependencies,
  { plan, outcome }: FinishRestoreInput,
): Promise<FinishRestoreResult> {
  const { run, target } = plan.request;
  await removeRunFolder(scratchFolder(deps, run));
  if (target === 'scratch') return { kept: [] };
  const { management } = await liveBroker(deps.configuration);
  const journal = await findJournal(management, run);
  // A run that is stuck may still hold applications out: its journal is the only way to let them in again.
  if (journal && (journal.isOpen || outcome === 'undone')) await removeJournal(management, run);
  return { kept: [] };
}
