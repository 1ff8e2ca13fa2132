// The unplanned failover: look → plan → people agree → take the epoch → let Terraform prepare the new site → fence the old
// one → restore at the new one → validate → open. It never waits for the old site. Until it opens everything can be undone,
// and the undo of the epoch is the next epoch; from there on it only goes forward.
import { CancellationScope } from '@temporalio/workflow';
import type { GivenApproval } from '../domain/approval.ts';
import type { DnsState } from '../domain/contracts/dns.ts';
import { type FailoverPlan, planFailover } from '../domain/failover.ts';
import { SYSTEMS } from '../domain/systems.ts';
import type { FailOverInput, FailOverResult, RestoreSystemResult } from './messages.ts';
import { type CountedLoss, countLoss, UNCOUNTED } from './support/accounting.ts';
import { close } from './support/closing.ts';
import { decided } from './support/decisions.ts';
import { fence } from './support/fencing.ts';
import { Members } from './support/members.ts';
import { provision } from './support/provision.ts';
import { keepAll, planTogether, type RecoveryRun, restoreInOrder, validate } from './support/recovery-work.ts';
import { receiveSignedApprovals, type SignedApprovals } from './support/signed-approvals.ts';
import { Story } from './support/story.ts';
import {
  afterOpening,
  lock,
  lookAround,
  lookAtEpoch,
  type Surroundings,
  takeoverFacts,
  UNOPENED,
} from './support/takeover.ts';
import { moveTraffic } from './support/traffic.ts';
import { giveUp } from './support/unfinished.ts';

export async function failOver(input: FailOverInput): Promise<FailOverResult> {
  const approvals = receiveSignedApprovals(input.platform);
  const isLive = !input.dryRun;
  const story = new Story(`Failover of platform ${input.platform} to site ${input.site}`, input, isLive);
  const run: Failover = {
    ...{ wish: input, story, members: new Members(story), isLive },
    input: { ...input, target: 'live', options: elsewhere(input) },
  };
  const done = await failOverOrGiveUp(run, approvals);
  return CancellationScope.nonCancellable(() => conclude(run, done));
}

// What a restore at another site does without being told, and what this run was told.
const elsewhere = ({ systems, options }: FailOverInput): FailOverInput['options'] =>
  Object.fromEntries(systems.map((name) => [name, { ...SYSTEMS[name].optionsElsewhere, ...options[name] }]));

interface Failover extends RecoveryRun {
  readonly wish: FailOverInput;
}

interface Done {
  readonly plan: FailoverPlan;
  readonly approvedBy: readonly GivenApproval[];
  readonly restored: readonly RestoreSystemResult[];
  readonly loss: CountedLoss;
  readonly names: DnsState | null;
}

async function failOverOrGiveUp(run: Failover, approvals: SignedApprovals): Promise<Done> {
  const { story, isLive } = run;
  try {
    const { plan, names, ground } = await makePlan(run);
    if (!isLive) return { plan, names, approvedBy: [], loss: UNCOUNTED, restored: await keepAll(run, plan.stages) };
    approvals.bindTo(plan);
    const approvedBy = await approvals.agreed(story);
    await lock(story, run.wish, plan);
    await provision(story, ground);
    await fence(story, plan);
    await restoreInOrder(run, plan.stages);
    await validate(run, plan.stages);
    const loss = await countLoss(story, plan);
    if (names !== null) await moveTraffic(story, plan, names);
    return { plan, names, approvedBy, loss, restored: await keepAll(run, plan.stages) };
  } catch (error) {
    throw await giveUp(story, run.wish, error, { act: 'failover', what: 'the failover' });
  }
}

async function makePlan(run: Failover): Promise<Surroundings & { readonly plan: FailoverPlan }> {
  const epoch = await lookAtEpoch(run.story, run.wish);
  const around = await lookAround(run);
  const plan = await planTogether<FailoverPlan>(run, around, async (plans) => {
    const facts = await takeoverFacts(run.wish, epoch, around);
    return decided(() => planFailover({ ...facts, plans, at: new Date().toISOString() }));
  });
  return { ...around, plan };
}

async function conclude(run: Failover, done: Done): Promise<FailOverResult> {
  const { plan, approvedBy, restored, loss, names } = done;
  const { story, wish, isLive } = run;
  const facts = {
    digest: plan.digest,
    epoch: plan.epoch.next,
    approvedBy: approvedBy.map(({ person }) => person).join(', '),
  };
  const opened = { plan, names, markers: loss.markers };
  const { record, findings: after } = isLive ? await afterOpening(story, wish, opened) : UNOPENED;
  const closing = await close(wish, {
    act: isLive ? 'failover.done' : 'failover.planned',
    subject: `${wish.platform}: ${plan.from} → ${plan.to}`,
    level: isLive ? 'alarm' : 'info',
    message: isLive ? `site '${plan.to}' serves now (epoch ${plan.epoch.next})` : `planned: ${plan.summary[0] ?? ''}`,
    facts,
  });
  const report = story.finish('succeeded', { ...facts, lossSeconds: { ...plan.lossSeconds } });
  const findings = [...restored.flatMap((one) => one.findings), ...loss.findings, ...after, ...closing];
  return { plan, record, findings, kept: restored.flatMap(({ kept }) => kept), report };
}
