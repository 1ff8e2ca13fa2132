// The unplanned failover: look → plan → people agree → take the epoch → let Terraform prepare the new site → fence the old
// one → restore at the new one → validate → open. It never waits for the old site. Until it opens everything can be undone, and the undo of the epoch is
// the next epoch; from there on it only goes forward.
import { CancellationScope, executeChild } from '@temporalio/workflow';
import type { GivenApproval } from '../domain/approval.ts';
import type { DnsState } from '../domain/contracts/dns.ts';
import type { Finding } from '../domain/contracts/protected-system.ts';
import { type FailoverPlan, planFailover, requireOtherSite } from '../domain/failover.ts';
import { platformBackUpWorkflowId } from '../domain/run-names.ts';
import { SYSTEMS } from '../domain/systems.ts';
import type { TerraformPlan } from '../domain/terraform.ts';
import type { backUpPlatform } from './back-up-platform.ts';
import { CONTROL_QUEUE, type FailOverInput, type FailOverResult, type RestoreSystemResult } from './messages.ts';
import { account, type CountedLoss, countLoss } from './support/accounting.ts';
import { failover } from './support/activities.ts';
import { close, failedFinding } from './support/closing.ts';
import { decided } from './support/decisions.ts';
import { fence } from './support/fencing.ts';
import { Members } from './support/members.ts';
import { planProvision, provision } from './support/provision.ts';
import {
  choose,
  type Identities,
  keepAll,
  lookAt,
  planTogether,
  type RecoveryRun,
  restoreInOrder,
  validate,
} from './support/recovery-work.ts';
import { receiveSignedApprovals, type SignedApprovals } from './support/signed-approvals.ts';
import { Story } from './support/story.ts';
import { thisExecution } from './support/this-run.ts';
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
    await lock(run, plan);
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

const UNCOUNTED: CountedLoss = { markers: {}, findings: [] };

interface Planned {
  readonly plan: FailoverPlan;
  /** The public names as planning found them; null where none are configured. */
  readonly names: DnsState | null;
  /** What Terraform does to the new site before it is restored; null where none is configured. */
  readonly ground: TerraformPlan | null;
}

async function makePlan(run: Failover): Promise<Planned> {
  const { story, wish } = run;
  const epoch = await story.require(
    { id: 'look', title: 'Read which site is the active one', failsAtOnce: true },
    async () => {
      const found = await failover('read the epoch').readEpoch({});
      decided(() => requireOtherSite(found, wish.site));
      return found;
    },
    ({ number, site }) => `'${site}', epoch ${number}`,
  );
  const { set, tier } = await choose(run);
  const ground = await planProvision(run);
  const identities = await survey(run);
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

// The backups came from the old site's stores. What they may replace is what stands at the new one now, and nothing else.
async function survey({ story, wish: { site, systems } }: Failover): Promise<Identities> {
  const spec = { id: 'survey', title: `Look at the stores of '${site}'`, failsAtOnce: true };
  const found = await story.require(spec, () => lookAt(site, systems));
  return Object.fromEntries(systems.map((name, index) => [name, found[index]?.identity]));
}

// Taking the number changes nothing at a site. What was taken is never deleted: its undo is the next number.
async function lock({ story, wish }: Failover, { epoch, from, to }: FailoverPlan): Promise<void> {
  story.enter('locked');
  const by = { run: thisExecution(), person: wish.requestedBy };
  const spec = {
    id: 'lock',
    title: `Take epoch ${epoch.next} for '${to}'`,
    failsAtOnce: true,
    undo: () => giveBack(by),
  };
  await story.require(spec, () =>
    failover('take the epoch').takeEpoch({ ...by, after: epoch.now, from, to, intent: 'failover' }),
  );
}

// Asks first: the answer to the taking may have been lost, and a second undo finds the first one's record.
async function giveBack(by: { readonly run: string; readonly person: string }): Promise<void> {
  const { number: after, record } = await failover('who holds the epoch').readEpoch({});
  if (record?.run !== by.run || record.intent === 'undo') return;
  await failover('give the epoch back').takeEpoch({
    ...by,
    ...{ after, from: record.to, to: record.from, intent: 'undo' },
  });
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
  const protection = isLive && wish.protect.length > 0 ? await protect(run) : [];
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

// The site serves already: what fails here is told, and takes nothing back.
async function protect({ story, wish }: Failover): Promise<readonly Finding[]> {
  story.enter('protecting');
  const { platform, site, tiers, requestedBy, protect: systems } = wish;
  const spec = { id: 'protect', title: `Back up '${site}'`, failsAtOnce: true };
  try {
    const result = await story.require(spec, () =>
      executeChild<typeof backUpPlatform>('backUpPlatform', {
        workflowId: platformBackUpWorkflowId(platform),
        taskQueue: CONTROL_QUEUE,
        args: [{ platform, site, tiers, requestedBy, scheduled: true, systems, applyRetention: false }],
        staticSummary: `First backup of ${site} after the failover`,
      }),
    );
    return result.findings;
  } catch (error) {
    return [failedFinding(`first backup of ${site}`, error)];
  }
}
