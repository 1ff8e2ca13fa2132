// A living site hands over to another with nothing lost: the story that the planned failover and the failback share once
// people have agreed. Until the new site opens, all of it can be taken back, and the old site serves again.
import { CancellationScope } from '@temporalio/workflow';
import type { ApprovedAction, GivenApproval } from '../../domain/approval.ts';
import type { Epoch } from '../../domain/epoch.ts';
import { type PlannedFailoverPlan, planHandover } from '../../domain/planned-failover.ts';
import { SYSTEMS } from '../../domain/systems.ts';
import type { HandOverInput, HandOverResult, RestoreSystemResult } from '../messages.ts';
import { type CountedLoss, countLoss } from './accounting.ts';
import { failover } from './activities.ts';
import { close } from './closing.ts';
import { decided } from './decisions.ts';
import { fence } from './fencing.ts';
import { type CaughtUp, catchUp, type Handover } from './final-backup.ts';
import { Members } from './members.ts';
import { provision } from './provision.ts';
import { openDoor, quiesce } from './quiescing.ts';
import { keepAll, lookAt, planTogether, restoreInOrder, validate } from './recovery-work.ts';
import { receiveSignedApprovals, type SignedApprovals } from './signed-approvals.ts';
import { Story } from './story.ts';
import {
  type Aftermath,
  afterOpening,
  lock,
  lookAround,
  lookAtEpoch,
  type Surroundings,
  takeoverFacts,
  UNOPENED,
} from './takeover.ts';
import { moveTraffic } from './traffic.ts';
import { giveUp } from './unfinished.ts';

/** What makes one handover another than the next. */
export interface HandoverKind {
  readonly action: ApprovedAction;
  /** As a title begins: `Planned failover`. */
  readonly what: string;
  /** Refuses a site that this kind may not go to. */
  readonly requireFit?: (run: Handover) => Promise<unknown>;
}

/** Tells one from its plan to its end. */
export async function tellHandover(input: HandOverInput, kind: HandoverKind): Promise<HandOverResult> {
  const approvals = receiveSignedApprovals(input.platform);
  const title = `${kind.what} of platform ${input.platform} to site ${input.site}`;
  const run = beginHandover(input, new Story(title, input, !input.dryRun));
  const { rehearsed, done } = await handOverOrGiveUp(run, kind, approvals);
  return CancellationScope.nonCancellable(() => conclude(run, rehearsed, done));
}

// Made before the first await, so that no member's word is missed.
function beginHandover(wish: HandOverInput, story: Story): Handover {
  // The newest backups of any standing: they only show that it can be done.
  const input = { ...wish, target: 'live' as const, at: null, unproven: true, options: optionsOf(wish) };
  return { wish, story, members: new Members(story), isLive: !wish.dryRun, input };
}

const optionsOf = ({ systems, options }: HandOverInput): HandOverInput['options'] =>
  Object.fromEntries(
    systems.map((name) => {
      const { optionsElsewhere, optionsWithoutLoss } = SYSTEMS[name];
      return [name, { ...optionsElsewhere, ...optionsWithoutLoss, ...options[name] }];
    }),
  );

interface Ended {
  readonly rehearsed: Rehearsed;
  /** Null for a plan alone. */
  readonly done: HandedOver | null;
}

async function handOverOrGiveUp(run: Handover, kind: HandoverKind, approvals: SignedApprovals): Promise<Ended> {
  const { story, wish, isLive } = run;
  const { action, what } = kind;
  try {
    const epoch = await lookAtEpoch(story, wish);
    await kind.requireFit?.(run);
    const rehearsed = await rehearse(run, epoch, action);
    return { rehearsed, done: isLive ? await handOver(run, rehearsed, approvals) : null };
  } catch (error) {
    throw await giveUp(story, wish, error, { act: action, what: `the ${what.toLowerCase()}` });
  }
}

interface Rehearsed extends Surroundings {
  readonly plan: PlannedFailoverPlan;
  readonly restored: readonly RestoreSystemResult[];
}

// Plans every restore with the newest backups there are, makes one plan of it and shows it.
async function rehearse(run: Handover, epoch: Epoch, action: ApprovedAction): Promise<Rehearsed> {
  const around = await lookAround(run);
  const rehearsal = { ...run, isLive: false, input: { ...run.input, dryRun: true } };
  const plan = await planTogether<PlannedFailoverPlan>(rehearsal, around, async (plans) => {
    const [facts, commands] = await Promise.all([
      takeoverFacts(run.wish, epoch, around),
      failover('plan the commands').planHandover({ from: epoch.site, to: run.wish.site }),
    ]);
    return decided(() => planHandover({ ...facts, plans, action, commands }));
  });
  const restored = await Promise.all(around.set.members.map(({ system }) => run.members.resultOf(system)));
  return { ...around, plan, restored };
}

interface HandedOver {
  readonly approvedBy: readonly GivenApproval[];
  readonly caughtUp: CaughtUp;
  readonly counted: CountedLoss;
  readonly restored: readonly RestoreSystemResult[];
}

// Carries the plan out, up to the point of no return.
async function handOver(
  run: Handover,
  { plan, identities, names, ground }: Rehearsed,
  approvals: SignedApprovals,
): Promise<HandedOver> {
  const { story, wish } = run;
  approvals.bindTo(plan);
  const approvedBy = await approvals.agreed(story);
  await lock(story, wish, plan);
  await provision(story, ground);
  await quiesce(story, plan);
  const caughtUp = await catchUp(run, plan, identities);
  await fence(story, plan, () => startAgain(plan));
  await decideGo(story, wish, plan, caughtUp);
  await restoreInOrder(run, plan.stages);
  await validate(run, plan.stages);
  const counted = await countLoss(story, plan);
  if (names !== null) await moveTraffic(story, plan, names);
  return { approvedBy, caughtUp, counted, restored: await keepAll(run, plan.stages) };
}

// Its stores are asked themselves: a port that is open proves no more than that.
async function startAgain({ from, stages }: PlannedFailoverPlan): Promise<void> {
  await failover(`start ${from} again`).undoFence({ site: from });
  await lookAt(from, stages.flat());
}

// The last word before the new site is touched. A run that nobody watches goes by what was measured, which is no loss.
async function decideGo(
  story: Story,
  { scheduled }: HandOverInput,
  { from, to }: PlannedFailoverPlan,
  { loss, findings }: CaughtUp,
): Promise<void> {
  if (scheduled) return;
  story.enter('go or no-go');
  const seen = findings.filter(({ level }) => level !== 'ok').map(({ subject, message }) => `${subject}: ${message}`);
  const question = {
    step: 'go',
    code: null,
    message: [`'${from}' is fenced; go restores at '${to}', abort starts '${from}' again`, ...loss, ...seen].join('\n'),
    actions: ['go', 'abort'] as const,
    safeToLeave: 'nothing was restored yet; no site serves while nobody decides',
  };
  const spec = { id: 'go', title: 'Go or no-go', failsAtOnce: true };
  await story.require(
    spec,
    () => story.ask(question, () => false),
    () => 'go',
  );
}

// Lets clients into the new site, backs it up and tells the end.
async function conclude(run: Handover, rehearsed: Rehearsed, done: HandedOver | null): Promise<HandOverResult> {
  const { plan, restored } = rehearsed;
  const { story, wish } = run;
  const { platform } = wish;
  const { from, to, action } = plan;
  const { record, findings: after } = done === null ? UNOPENED : await letIn(run, rehearsed, done.counted);
  const results = done?.restored ?? restored;
  const kept = results.flatMap((one) => one.kept);
  const loss = done?.caughtUp.loss ?? [];
  const facts = {
    digest: plan.digest,
    epoch: plan.epoch.next,
    approvedBy: (done?.approvedBy ?? []).map(({ person }) => person).join(', '),
    kept: kept.length,
  };
  const closing = await close(wish, {
    act: `${action}.${done === null ? 'planned' : 'done'}`,
    subject: `${platform}: ${from} → ${to}`,
    level: done === null ? 'info' : 'alarm',
    message:
      done === null ? `planned: ${plan.title}` : `site '${to}' serves now (epoch ${plan.epoch.next}), nothing was lost`,
    facts,
  });
  const report = story.finish('succeeded', { ...facts, loss });
  const findings = [
    ...(done?.caughtUp.findings ?? []),
    ...results.flatMap((one) => one.findings),
    ...after,
    ...closing,
  ];
  const finalBackups = (done?.caughtUp.set.members ?? []).map(({ system, backupId }) => ({ system, backupId }));
  return { plan, finalBackups, loss, record, findings, kept, report };
}

async function letIn({ story, wish }: Handover, { plan, names }: Rehearsed, counted: CountedLoss): Promise<Aftermath> {
  const doors = await openDoor(story, plan);
  story.enter('observing');
  // What the final backups hold is everything: they were compared with the stores.
  const lossSeconds = Object.fromEntries(plan.stages.flat().map((system) => [system, 0]));
  const { record, findings } = await afterOpening(story, wish, {
    plan: { ...plan, lossSeconds },
    markers: counted.markers,
    names,
  });
  return { record, findings: [...counted.findings, ...doors, ...findings] };
}
