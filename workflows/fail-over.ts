// The unplanned failover: look → plan → people agree → take the epoch → let Terraform prepare the new site → fence the old
// one → restore at the new one → validate → open. It never waits for the old site. Until it opens everything can be undone,
// and the undo of the epoch is the next epoch; from there on it only goes forward.
import { CancellationScope } from '@temporalio/workflow';
import type { GivenApproval } from '../domain/approval.ts';
import type { DnsState } from '../domain/contracts/dns.ts';
import { type FailoverPlan, planFailover } from '../domain/failover.ts';
import { SYSTEMS } from '../domain/systems.ts';
import type { TerraformPlan } from '../domain/terraform.ts';
import type { FailOverInput, FailOverResult, RestoreSystemResult } from './messages.ts';
import { account, type CountedLoss, countLoss, UNCOUNTED } from './support/accounting.ts';
import { failover } from './support/activities.ts';
import { close } from './support/closing.ts';
import { decided } from './support/decisions.ts';
import { fence } from './support/fencing.ts';
import { Members } from './support/members.ts';
import { planProvision, provision } from './support/provision.ts';
import { choose, keepAll, planTogether, type RecoveryRun, restoreInOrder, validate } from './support/recovery-work.ts';
import { receiveSignedApprovals, type SignedApprovals } from './support/signed-approvals.ts';
import { Story } from './support/story.ts';
import { lock, lookAtEpoch, protect, survey } from './support/takeover.ts';
import { longestTtl, lookBack, moveTraffic, readNames } from './support/traffic.ts';
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

interface Planned {
  readonly plan: FailoverPlan;
  /** The public names as planning found them; null where none are configured. */
  readonly names: DnsState | null;
  /** What Terraform does to the new site before it is restored; null where none is configured. */
  readonly ground: TerraformPlan | null;
}

async function makePlan(run: Failover): Promise<Planned> {
  const { story, wish } = run;
  const epoch = await lookAtEpoch(story, wish);
  const { set, tier } = await choose(run);
  const ground = await planProvision(run);
  const identities = await survey(story, wish);
  const names = wish.movesNames ? await readNames(story) : null;
  const plan = await planTogether<FailoverPlan>(run, { set, tier, identities }, async (plans) => {
    const [needed, cutOff] = await Promise.all([
      failover('who approves').approvalsNeeded({}),
      failover('plan the fence').planFence({ site: epoch.site }),
    ]);
    const facts = { platform: wish.platform, to: wish.site, epoch, set, plans, at: new Date().toISOString() };
    return decided(() =>
      planFailover({ ...facts, approvals: needed.count, people: needed.people, fence: cutOff, names, ground }),
    );
  });
  return { plan, names, ground };
}

async function conclude(run: Failover, done: Done): Promise<FailOverResult> {
  const { plan, approvedBy, restored, loss, names } = done;
  const { story, wish, isLive } = run;
  const facts = {
    digest: plan.digest,
    epoch: plan.epoch.next,
    approvedBy: approvedBy.map(({ person }) => person).join(', '),
  };
  const ttlSeconds = names === null ? null : longestTtl(names);
  const { record, findings: unwritten } = isLive
    ? await account(story, { platform: wish.platform, plan, markers: loss.markers, ttlSeconds })
    : { record: null, findings: [] };
  const late = isLive && wish.movesNames ? await lookBack(story, plan.from) : [];
  const protection = isLive ? await protect(story, wish) : [];
  const closing = await close(wish, {
    act: isLive ? 'failover.done' : 'failover.planned',
    subject: `${wish.platform}: ${plan.from} → ${plan.to}`,
    level: isLive ? 'alarm' : 'info',
    message: isLive ? `site '${plan.to}' serves now (epoch ${plan.epoch.next})` : `planned: ${plan.summary[0] ?? ''}`,
    facts,
  });
  const report = story.finish('succeeded', { ...facts, lossSeconds: { ...plan.lossSeconds } });
  const findings = [
    ...restored.flatMap((one) => one.findings),
    ...loss.findings,
    ...unwritten,
    ...late,
    ...protection,
    ...closing,
  ];
  return { plan, record, findings, kept: restored.flatMap(({ kept }) => kept), report };
}
