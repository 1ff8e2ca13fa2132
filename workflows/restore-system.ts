// One system: choose the backup → plan → a person agrees (live) → the plan's steps → finish. A step that fails waits for
// a person; aborting undoes what was begun, last first; whatever happens, scratch is cleaned up.
import { CancellationScope, workflowInfo } from '@temporalio/workflow';
import { chooseBackup } from '../domain/backup-choice.ts';
import type { Finding, RestorePlan, RestoreRequest, RestoreStep } from '../domain/contracts/protected-system.ts';
import { SYSTEMS } from '../domain/systems.ts';
import { wireFailureOf } from '../domain/wire-failure.ts';
import type { RestoreSystemInput, RestoreSystemResult } from './messages.ts';
import { system } from './support/activities.ts';
import { type ApprovalDesk, receiveApproval } from './support/approval.ts';
import { close, closeUnfinished, failedFinding } from './support/closing.ts';
import { refuse } from './support/decisions.ts';
import { listSomewhere } from './support/listing.ts';
import { joinRecovery, type Membership } from './support/membership.ts';
import { type StepSpec, Story } from './support/story.ts';
import { thisRun } from './support/this-run.ts';
import { outcomeAfter } from './support/unfinished.ts';

export async function restoreSystem(input: RestoreSystemInput): Promise<RestoreSystemResult> {
  const approval = receiveApproval(input.platform);
  const isLive = input.request.target === 'live';
  const title = `${isLive ? 'Restore' : 'Test restore'} of ${SYSTEMS[input.system].title} of ${input.platform}`;
  // A dry run has nothing that a person must decide: it says why there is no plan, and ends.
  const story = new Story(title, input, input.unattended !== true);
  const gate =
    input.coordinator === undefined ? aloneGate(story, approval) : joinRecovery(input.coordinator, input.system, story);
  const { plan, findings } = await restoreOrGiveUp(story, input, gate);
  return CancellationScope.nonCancellable(() => conclude(story, input, plan, findings));
}

interface Restored {
  readonly plan: RestorePlan;
  readonly findings: readonly Finding[];
}

// A restore of its own needs a person's word, and what it did stays.
const aloneGate = (story: Story, approval: ApprovalDesk): Membership => ({
  released: async (plan) => {
    approval.bindTo(plan);
    if (plan.request.target === 'live') await approval.agreed(story);
  },
  kept: async () => undefined,
});

async function restoreOrGiveUp(story: Story, input: RestoreSystemInput, gate: Membership): Promise<Restored> {
  let plan: RestorePlan | undefined;
  try {
    plan = await makePlan(story, input);
    if (input.dryRun) return { plan, findings: [] };
    await gate.released(plan);
    const findings = await carryOut(story, input, plan);
    await gate.kept();
    return { plan, findings };
  } catch (error) {
    throw await giveUp(story, input, plan, error);
  }
}

async function makePlan(story: Story, input: RestoreSystemInput): Promise<RestorePlan> {
  const { platform, site } = input;
  const plan = await story.require(
    { id: 'plan', title: 'Choose the backup and plan', failsAtOnce: true },
    async () => {
      const request: RestoreRequest = {
        ...input.request,
        run: thisRun(),
        platform,
        site,
        ...(await choose(input)),
      };
      return system(input.system, site, 'long', `plan from ${request.backup.backupId}`).planRestore(request);
    },
    ({ request }) => request.backup.backupId,
  );
  story.showPlan(plan);
  return plan;
}

async function choose(input: RestoreSystemInput): Promise<Pick<RestoreRequest, 'backup' | 'tier'>> {
  const { backup, scope, options } = input.request;
  const { backupId } = backup;
  // The newest of each kind are enough to choose from; the whole list would not fit into the run's history.
  const limits = backupId === 'newest' ? { newestOfEach: 1 } : { backupId };
  const { backups, tier } = await listSomewhere(input.tiers, input.request.tier, { system: input.system, ...limits });
  const chosen = chooseBackup(backups, { system: input.system, backupId, scope: scope.kind, kind: options.kind });
  if (chosen) return { backup: { system: chosen.system, backupId: chosen.backupId }, tier };
  throw refuse('BACKUP_NOT_FOUND', `no backup '${backupId}' of ${input.system} can restore a ${scope.kind}`);
}

async function carryOut(story: Story, input: RestoreSystemInput, plan: RestorePlan): Promise<Finding[]> {
  const findings: Finding[] = [];
  story.enter('restoring');
  story.foresee(plan.steps);
  for (const step of plan.steps) {
    const result = await story.step(
      specOf(input, plan, step),
      (corrected) => doStep(input, plan, step, corrected),
      ({ summary }) => summary,
    );
    findings.push(...(result?.findings ?? [skipped(step)]));
  }
  return findings;
}

function specOf({ system: name, site }: RestoreSystemInput, plan: RestorePlan, step: RestoreStep): StepSpec {
  const { id, title, skippable, safeToLeave } = step;
  const undo = () => system(name, site, 'long', `undo: ${title}`).undoRestoreStep({ plan, stepId: id, input: {} });
  return { id, title, skippable, safeToLeave, ...(step.hasUndo ? { undo } : {}) };
}

async function doStep(
  { system: name, site }: RestoreSystemInput,
  plan: RestorePlan,
  step: RestoreStep,
  input: Readonly<Record<string, string>>,
) {
  const result = await system(name, site, 'long', step.title).runRestoreStep({ plan, stepId: step.id, input });
  const failed = result.findings.find(({ level }) => level === 'failed');
  if (failed)
    throw refuse('RESTORE_MISMATCH', `${failed.subject}: ${failed.message}`, { findings: result.findings.length });
  return result;
}

const skipped = ({ title }: RestoreStep): Finding => ({
  level: 'warning',
  subject: title,
  message: 'skipped by a person',
  code: null,
});

// What was restored stays restored: a clean-up or an audit record that fails is told, and undoes nothing.
async function conclude(story: Story, input: RestoreSystemInput, plan: RestorePlan, findings: readonly Finding[]) {
  const { kept, leftovers } = await cleanUp(input, plan, 'succeeded');
  const act = input.dryRun ? 'restore.planned' : input.request.target === 'live' ? 'restore.done' : 'restore.tested';
  const subject = `${input.system}/${plan.request.backup.backupId}`;
  const closing = await close(input, {
    act,
    subject,
    level: 'info',
    message: plan.summary[0] ?? subject,
    facts: { digest: plan.digest, ...measurementOf(story, input) },
  });
  const report = story.finish('succeeded', { backup: plan.request.backup.backupId });
  return { plan, findings: [...findings, ...leftovers, ...closing], kept, report };
}

// What `dr status` measures the RTO by. A member of a recovery waits for the others: the recovery itself is measured.
function measurementOf({ measured }: Story, { dryRun, coordinator, request }: RestoreSystemInput) {
  return dryRun || coordinator !== undefined ? {} : { ...measured, scope: request.scope.kind };
}

async function cleanUp(input: RestoreSystemInput, plan: RestorePlan, outcome: 'succeeded' | 'undone' | 'stuck') {
  const { system: name, site } = input;
  try {
    const { kept } = await system(name, site, 'long', 'clean up').finishRestore({ plan, outcome });
    return { kept, leftovers: [] };
  } catch (error) {
    return { kept: [], leftovers: [failedFinding('clean-up', error)] };
  }
}

async function giveUp(
  story: Story,
  input: RestoreSystemInput,
  plan: RestorePlan | undefined,
  error: unknown,
): Promise<unknown> {
  const hadUndo = story.hasUndo;
  const undone = await story.undoAll(error);
  return CancellationScope.nonCancellable(async () => {
    const failure = wireFailureOf(error);
    const isOurs = plan !== undefined && undone !== 'taken-over';
    const leftovers = isOurs ? (await cleanUp(input, plan, undone)).leftovers : [];
    const outcome = outcomeAfter(error, undone, hadUndo);
    story.finish(outcome);
    // A run that made no plan touched nothing; whoever started it sees why.
    const level = plan === undefined ? 'warning' : 'alarm';
    const subject = `${input.system}/${input.request.backup.backupId}`;
    const message = [failure.message, ...leftovers.map((one) => `the clean-up failed too: ${one.message}`)].join('\n');
    await closeUnfinished(input, { act: `restore.${outcome}`, subject, level, message }, error);
    if (undone !== 'stuck') return error;
    return refuse(
      'UNDO_FAILED',
      `a step could not be undone after: ${failure.message.split('\n', 1)[0]}`,
      { run: workflowInfo().workflowId },
      error,
    );
  });
}
