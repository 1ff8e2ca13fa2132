// The whole platform at one site: choose a recovery set → plan every restore → a person agrees once → the systems in the
// order that they need each other → validate → open. Until all are back, everything can be undone; a member that fails for
// good takes the recovery back to where it began.
import { CancellationScope } from '@temporalio/workflow';
import type { Finding } from '../domain/contracts/protected-system.ts';
import { planRecovery, type RecoveryMember, type RecoveryPlan, type RecoverySet } from '../domain/recovery.ts';
import type { RecoverPlatformInput, RecoverPlatformResult, RestoreSystemResult } from './messages.ts';
import { repository } from './support/activities.ts';
import { type ApprovalDesk, receiveApproval } from './support/approval.ts';
import { close, failedFinding } from './support/closing.ts';
import { decided } from './support/decisions.ts';
import { Members } from './support/members.ts';
import { choose, keepAll, planTogether, type RecoveryRun, restoreInOrder, validate } from './support/recovery-work.ts';
import { Story } from './support/story.ts';
import { thisRun } from './support/this-run.ts';
import { giveUp } from './support/unfinished.ts';

export async function recoverPlatform(input: RecoverPlatformInput): Promise<RecoverPlatformResult> {
  const approval = receiveApproval(input.platform);
  const isLive = input.target === 'live' && !input.dryRun;
  const story = new Story(
    `${isLive ? 'Recovery' : 'Test of the recovery'} of platform ${input.platform}`,
    input,
    isLive,
  );
  const run: RecoveryRun = { input, story, members: new Members(story), isLive };
  const { plan, restored } = await recoverOrGiveUp(run, approval);
  return CancellationScope.nonCancellable(() => conclude(run, plan, restored));
}

interface Recovered {
  readonly plan: RecoveryPlan;
  readonly restored: readonly RestoreSystemResult[];
}

async function recoverOrGiveUp(run: RecoveryRun, approval: ApprovalDesk): Promise<Recovered> {
  const { story, isLive } = run;
  let held: RecoverySet | null = null;
  try {
    const { set, tier } = await choose(run);
    if (isLive) held = await hold(run, set);
    const plan = await makePlan(run, set, tier);
    if (isLive) {
      approval.bindTo(plan);
      await approval.agreed(story);
      await restoreInOrder(run, plan.stages);
      await validate(run, plan.stages);
    }
    return { plan, restored: await keepAll(run, plan.stages) };
  } catch (error) {
    const tidy = async (hadUndo: boolean) => {
      // Its undo released them; without one they are still held.
      if (!hadUndo && held !== null) await releaseTold(run.input, held);
    };
    throw await giveUp(story, run.input, error, { act: 'recovery', what: 'a member', tidy });
  }
}

// While it runs, retention takes nothing of the set. What a person holds already stays theirs to release.
async function hold({ story, input }: RecoveryRun, set: RecoverySet): Promise<RecoverySet> {
  const members = ours(set);
  const reason = `recovery ${thisRun()}`;
  const spec = { id: 'hold', title: 'Hold the backups of the set', undo: () => release(input, members) };
  await story.require(spec, () =>
    Promise.all(
      members.map(({ system, backupId }) => {
        const backup = { system, backupId };
        return repository('control', 'quick', `hold ${backupId}`).holdBackup({
          backup,
          reason,
          person: input.requestedBy,
        });
      }),
    ),
  );
  return set;
}

const ours = ({ members }: RecoverySet): readonly RecoveryMember[] => members.filter(({ held }) => !held);

async function release({ requestedBy: person }: RecoverPlatformInput, members: readonly RecoveryMember[]) {
  const reason = `recovery ${thisRun()} has ended`;
  await Promise.all(
    members.map(({ system, backupId }) => {
      const backup = { system, backupId };
      return repository('control', 'quick', `release ${backupId}`).releaseBackup({ backup, reason, person });
    }),
  );
}

const makePlan = (run: RecoveryRun, set: RecoverySet, tier: string | null): Promise<RecoveryPlan> =>
  planTogether<RecoveryPlan>(run, { set, tier, identities: run.input.identities ?? {} }, async (plans) =>
    decided(() => planRecovery({ ...run.input, set, plans })),
  );

async function conclude(
  { input, story, isLive }: RecoveryRun,
  plan: RecoveryPlan,
  restored: readonly RestoreSystemResult[],
): Promise<RecoverPlatformResult> {
  const leftovers = isLive ? await releaseTold(input, plan.set) : [];
  const act = input.dryRun ? 'recovery.planned' : isLive ? 'recovery.done' : 'recovery.tested';
  const closing = await close(input, {
    act,
    subject: input.platform,
    level: 'info',
    message: `${restored.length} systems of ${input.platform}: ${plan.summary[0] ?? ''}`,
    facts: { digest: plan.digest, spreadSeconds: plan.set.spreadSeconds, ...measurementOf(story, input, plan) },
  });
  const report = story.finish('succeeded', { systems: restored.length, spreadSeconds: plan.set.spreadSeconds });
  const findings = [...restored.flatMap((one) => one.findings), ...leftovers, ...closing];
  return { plan, findings, kept: restored.flatMap(({ kept }) => kept), report };
}

// What `dr status` measures the platform's RTO by.
function measurementOf({ measured }: Story, { dryRun }: RecoverPlatformInput, { stages }: RecoveryPlan) {
  return dryRun ? {} : { ...measured, systems: stages.flat().join(' ') };
}

// A hold that stays is told: it keeps a backup longer than anybody asked for.
async function releaseTold(input: RecoverPlatformInput, set: RecoverySet): Promise<readonly Finding[]> {
  try {
    await release(input, ours(set));
    return [];
  } catch (error) {
    return [failedFinding('holds of the set', error)];
  }
}
