// Restores without a workflow: plan, run each step, undo each step, finish.
import { randomBytes } from 'node:crypto';
import { createRedis } from '../../../activities/redis/index.ts';
import type { RedisDependencies } from '../../../activities/redis/run-folder.ts';
import type { RestorePlan, RestoreRequest, RestoreStepResult } from '../../../domain/contracts/protected-system.ts';
import type { TakenBackup } from '../../../domain/manifest.ts';

/** A request for the whole backup into scratch, with a run of its own, and what differs from that. */
export function requestFor(backup: TakenBackup, changes: Partial<RestoreRequest> = {}): RestoreRequest {
  return {
    run: `run-${randomBytes(4).toString('hex')}`,
    platform: 'shop',
    site: 'west',
    backup: { system: 'redis', backupId: backup.facts.backupId },
    tier: null,
    scope: { kind: 'whole', names: {} },
    target: 'scratch',
    expectedIdentity: null,
    options: {},
    ...changes,
  };
}

/** Plans and runs every step; returns what each said by its id. */
export async function restore(deps: RedisDependencies, backup: TakenBackup, changes: Partial<RestoreRequest> = {}) {
  const system = createRedis(deps);
  const plan = await system.planRestore(requestFor(backup, changes));
  const results: Record<string, RestoreStepResult> = {};
  for (const { id } of plan.steps) results[id] = await system.runRestoreStep({ plan, stepId: id, input: {} });
  return { plan, results };
}

/** Undoes every step that has an undo, in reverse, and ends the run. */
export async function undo(deps: RedisDependencies, plan: RestorePlan): Promise<void> {
  const system = createRedis(deps);
  for (const { id } of plan.steps.filter(({ hasUndo }) => hasUndo).toReversed())
    await system.undoRestoreStep({ plan, stepId: id, input: {} });
  await system.finishRestore({ plan, outcome: 'undone' });
}

/** Ends the run's scratch server. */
export async function finish(deps: RedisDependencies, plan: RestorePlan): Promise<void> {
  await createRedis(deps).finishRestore({ plan, outcome: 'succeeded' });
}
