// The parts that every recovery of several systems is made of: `recoverPlatform` and `failOver` tell them in their order.
import { CancellationScope } from '@temporalio/workflow';
import type { RestorePlan, SystemFacts } from '../../domain/contracts/protected-system.ts';
import type { FailoverPlan } from '../../domain/failover.ts';
import type { PlannedFailoverPlan } from '../../domain/planned-failover.ts';
import { formatSeconds } from '../../domain/quantities.ts';
import { chooseRecoverySet, type RecoveryMember, type RecoveryPlan, type RecoverySet } from '../../domain/recovery.ts';
import { SYSTEMS, type SystemName } from '../../domain/systems.ts';
import type { RecoverPlatformInput, RestoreSystemInput, RestoreSystemResult } from '../messages.ts';
import { recovery, system as systemDoor } from './activities.ts';
import { decided, requireFit } from './decisions.ts';
import { listSomewhere } from './listing.ts';
import type { Members } from './members.ts';
import type { Story } from './story.ts';

export interface RecoveryRun {
  readonly input: RecoverPlatformInput;
  readonly story: Story;
  readonly members: Members;
  /** Members of a live recovery wait for each other; the others are tests that stand for themselves. */
  readonly isLive: boolean;
}

/** Who the stores are that a recovery may replace, where they are not those that the backups came from. */
export type Identities = Readonly<Partial<Record<SystemName, string>>>;

/** The systems of a plan, in the stages in which they come back. */
type Stages = readonly (readonly SystemName[])[];

/** The newest backup of each system that fits the wish, and the tier that told it when not all answer. */
export async function choose({
  story,
  input,
}: RecoveryRun): Promise<{ readonly set: RecoverySet; readonly tier: string | null }> {
  return story.require(
    { id: 'choose', title: 'Choose the recovery set', failsAtOnce: true },
    async () => {
      const notAfter = input.at === null ? {} : { notAfter: input.at };
      const { backups, tier } = await listSomewhere(input.tiers, null, { system: null, newestOfEach: 1, ...notAfter });
      return { set: decided(() => chooseRecoverySet(backups, input)), tier };
    },
    ({ set }) => `${set.members.length} backups, ${formatSeconds(set.spreadSeconds)} apart`,
  );
}

export interface ChosenSet {
  readonly set: RecoverySet;
  readonly tier: string | null;
  readonly identities?: Identities;
}

type Plans = Readonly<Partial<Record<SystemName, RestorePlan>>>;

/** Plans the restore of every member, makes one plan of them and shows it. An approval binds to its digest. */
export async function planTogether<P extends RecoveryPlan | FailoverPlan | PlannedFailoverPlan>(
  run: RecoveryRun,
  chosen: ChosenSet,
  make: (plans: Plans) => Promise<Omit<P, 'digest'>>,
): Promise<P> {
  const { story, members } = run;
  const spec = { id: 'plan', title: 'Plan every restore', failsAtOnce: true, undo: () => members.undoAll() };
  const plan = await story.require(spec, async () => {
    const made = await make(await planRestores(run, chosen));
    return { ...made, ...(await recovery('digest of the plan').digestPlan({ plan: made })) } as P;
  });
  story.showPlan(plan);
  return plan;
}

/** Plans the restore of every member of the set; with a live run each then waits to be let. */
export async function planRestores(
  { input, members, isLive }: RecoveryRun,
  { set, tier, identities = {} }: ChosenSet,
): Promise<Plans> {
  for (const member of set.members) {
    const expectedIdentity = identities[member.system] ?? null;
    await members.start(restoring(input, member, { tier, expectedIdentity }), isLive);
  }
  const plans: Partial<Record<SystemName, RestorePlan>> = {};
  await Promise.all(
    set.members.map(async ({ system }) => {
      plans[system] = await members.planOf(system);
    }),
  );
  return plans;
}

/** What every store of a site is now, in the order of the systems given. */
export const lookAt = (site: string, systems: readonly SystemName[]): Promise<readonly SystemFacts[]> =>
  Promise.all(systems.map((name) => systemDoor(name, site, 'quick', `look at ${name}`).inspect({ site, kinds: [] })));

function restoring(
  input: RecoverPlatformInput,
  { system, backupId }: RecoveryMember,
  where: { readonly tier: string | null; readonly expectedIdentity: string | null },
): RestoreSystemInput {
  const { platform, site, tiers, requestedBy, scheduled, target, dryRun } = input;
  const request = {
    ...{ backup: { system, backupId }, target, ...where },
    ...{ scope: { kind: 'whole' as const, names: {} }, options: input.options[system] ?? {} },
  };
  const unattended = dryRun || target === 'scratch';
  return { ...{ platform, site, tiers, requestedBy, scheduled }, system, request, dryRun, unattended };
}

/** Carries out every member's plan, stage by stage. */
export async function restoreInOrder({ story, members }: RecoveryRun, stages: Stages): Promise<void> {
  story.enter('restoring');
  const specs = stages.flat().map((system) => specOf(members, system));
  story.foresee(specs);
  for (const stage of stages)
    await Promise.all(
      stage.map((system) =>
        story.require(
          specOf(members, system),
          () => members.restore(system),
          (line) => line,
        ),
      ),
    );
}

const specOf = (members: Members, system: SystemName) => ({
  id: system,
  title: `Restore ${SYSTEMS[system].title}`,
  // The member itself asked a person, and was told to give up.
  failsAtOnce: true,
  undo: () => members.undo(system),
});

/** Asks every store how it is, once all are restored. */
export async function validate({ story, input: { site } }: RecoveryRun, stages: Stages): Promise<void> {
  story.enter('validating');
  const spec = {
    id: 'validate',
    title: 'Look at every store',
    safeToLeave: 'everything is restored and can still be undone',
  };
  await story.require(spec, async () => {
    const looks = await lookAt(site, stages.flat());
    requireFit(looks.flatMap(({ findings }) => findings));
  });
}

/** Lets every member keep what it restored: from here on nothing is undone. */
export async function keepAll(
  { story, members, isLive }: RecoveryRun,
  stages: Stages,
): Promise<readonly RestoreSystemResult[]> {
  story.enter('opening');
  const systems = stages.flat();
  // From here on nothing is undone: each member keeps what it restored.
  if (isLive) story.keep();
  const work = () => Promise.all(systems.map((name) => (isLive ? members.keep(name) : members.resultOf(name))));
  return CancellationScope.nonCancellable(() =>
    story.require(
      { id: 'keep', title: isLive ? 'Keep what was restored' : 'Compare and clean up', failsAtOnce: true },
      work,
    ),
  );
}
