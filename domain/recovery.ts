// The coordinated recovery of a platform, as pure decisions: which backups belong together, in which order their systems
// come back, and what a person reads before agreeing.
import type { RestorePlan, RestoreStep } from './contracts/protected-system.ts';
import { Failure } from './failures.ts';
import type { BackupRef, BackupSummary, Standing } from './manifest.ts';
import { formatSeconds } from './quantities.ts';
import { refText } from './repository-layout.ts';
import { kindOf, SYSTEMS, type SystemName } from './systems.ts';

/** One system's part of a recovery set. */
export interface RecoveryMember extends BackupRef {
  readonly kind: string;
  readonly momentAt: string;
  readonly standing: Standing;
  readonly held: boolean;
}

/** One backup of each system, and how far apart their moments are. */
export interface RecoverySet {
  readonly members: readonly RecoveryMember[];
  /** Seconds between the oldest and the newest moment: what the systems may disagree about. */
  readonly spreadSeconds: number;
}

export interface RecoveryWish {
  readonly systems: readonly SystemName[];
  /** ISO time that no member's moment may be after; null takes the newest. */
  readonly at: string | null;
  /** True takes stored backups that were not proven yet, too. */
  readonly unproven: boolean;
  /** Kinds that were asked for; a system without one may come from any kind that restores it whole. */
  readonly kinds: Readonly<Partial<Record<SystemName, string>>>;
  /** How many seconds the moments of the stores may be apart; null or absent takes any. */
  readonly maxSpreadSeconds?: number | null;
}

/** What a recovery will do, made before anything is touched. An approval binds to its digest. */
export interface RecoveryPlan {
  readonly title: string;
  readonly set: RecoverySet;
  /** Systems that come back side by side, one stage after the other. */
  readonly stages: readonly (readonly SystemName[])[];
  /** The digest of each member's own plan: a member whose plan is another one is not carried out. */
  readonly members: Readonly<Partial<Record<SystemName, string>>>;
  readonly summary: readonly string[];
  readonly warnings: readonly string[];
  readonly steps: readonly RestoreStep[];
  /** SHA-256 of the canonical JSON of all the above. */
  readonly digest: string;
}

/**
 * The newest proven backup of each system, by sequence and not by clock.
 * @throws {Failure} BACKUP_NOT_FOUND naming every system that has none, SPREAD_TOO_WIDE.
 */
export function chooseRecoverySet(backups: readonly BackupSummary[], wish: RecoveryWish): RecoverySet {
  const chosen = wish.systems.map((system) => ({ system, backup: newestFor(backups, system, wish) }));
  const absent = chosen.filter(({ backup }) => backup === undefined).map(({ system }) => system);
  if (absent.length > 0) throw absence(absent, wish);
  const members = chosen.flatMap(({ backup }) => (backup === undefined ? [] : [memberOf(backup)]));
  requireClose(members, wish.maxSpreadSeconds ?? null);
  return { members, spreadSeconds: spreadOf(members) };
}

function spreadOf(members: readonly RecoveryMember[]): number {
  const moments = members.map(({ momentAt }) => Date.parse(momentAt));
  return moments.length === 0 ? 0 : (Math.max(...moments) - Math.min(...moments)) / 1000;
}

// Stores refer to each other; files are backed up when they change, so theirs are old and agree all the same.
function requireClose(members: readonly RecoveryMember[], mostSeconds: number | null): void {
  const stores = members.filter(({ system }) => SYSTEMS[system].hasService);
  const spread = spreadOf(stores);
  if (mostSeconds === null || spread <= mostSeconds) return;
  const moments = stores.map(({ system, momentAt }) => `${system} ${momentAt}`).join(', ');
  const what = `the moments are ${formatSeconds(spread)} apart, more than ${formatSeconds(mostSeconds)}: ${moments}`;
  throw new Failure('SPREAD_TOO_WIDE', what, { spreadSeconds: spread });
}

function newestFor(backups: readonly BackupSummary[], system: SystemName, { at, unproven, kinds }: RecoveryWish) {
  return backups
    .filter((backup) => backup.system === system && kindOf(system, backup.kind)?.restores.includes('whole') === true)
    .filter(({ kind }) => kinds[system] === undefined || kinds[system] === kind)
    .filter(({ provenAt }) => unproven || provenAt !== null)
    .filter(({ momentAt }) => at === null || Date.parse(momentAt) <= Date.parse(at))
    .reduce<BackupSummary | undefined>((best, one) => (best && best.sequence > one.sequence ? best : one), undefined);
}

const memberOf = ({ system, backupId, kind, momentAt, standing, held }: BackupSummary): RecoveryMember => ({
  ...{ system, backupId, kind, momentAt, standing, held },
});

function absence(systems: readonly SystemName[], { at, unproven }: RecoveryWish): Failure {
  const what = unproven ? 'stored' : 'proven';
  const when = at === null ? '' : ` from ${at} or before`;
  const mend = unproven
    ? "name fewer systems, or take another --at: see 'dr backups list'"
    : "prove one with 'dr verify', or take what is stored with --unproven; 'dr recover' with names takes fewer systems";
  return new Failure('BACKUP_NOT_FOUND', `no ${what} backup${when} of ${systems.join(', ')}`, { mend });
}

/**
 * Systems in stages: each comes after those that it needs and that are recovered too.
 * @throws {Failure} PLAN_IMPOSSIBLE with the cycle when there is no such order.
 */
export function stagesOf(
  systems: readonly SystemName[],
  after: (system: SystemName) => readonly SystemName[] = (system) => SYSTEMS[system].recoversAfter,
): readonly (readonly SystemName[])[] {
  const stages: SystemName[][] = [];
  for (let left = [...systems]; left.length > 0; ) {
    const ready = left.filter((system) => !after(system).some((needed) => left.includes(needed)));
    if (ready.length === 0) throw cycle(left, after);
    stages.push(ready);
    left = left.filter((system) => !ready.includes(system));
  }
  return stages;
}

function cycle(left: readonly SystemName[], after: (system: SystemName) => readonly SystemName[]): Failure {
  const path: SystemName[] = left.slice(0, 1);
  for (;;) {
    const next = after(path.at(-1) as SystemName).find((needed) => left.includes(needed)) as SystemName;
    const start = path.indexOf(next);
    path.push(next);
    if (start >= 0)
      return new Failure('PLAN_IMPOSSIBLE', `each of these waits for the next: ${path.slice(start).join(' → ')}`);
  }
}

export interface RecoveryPlanFacts {
  readonly platform: string;
  readonly site: string;
  readonly target: 'live' | 'scratch';
  readonly set: RecoverySet;
  readonly plans: Readonly<Partial<Record<SystemName, RestorePlan>>>;
}

/** Everything of the plan but its digest, which an activity computes. */
export function planRecovery({ platform, site, target, set, plans }: RecoveryPlanFacts): Omit<RecoveryPlan, 'digest'> {
  const systems = set.members.map(({ system }) => system);
  const stages = stagesOf(systems);
  const planned = systems.flatMap((system) => {
    const plan = plans[system];
    return plan === undefined ? [] : [{ system, plan }];
  });
  return {
    title: `recover platform '${platform}' ${target === 'live' ? `at site '${site}', LIVE` : 'into scratch'}`,
    set,
    stages,
    members: Object.fromEntries(planned.map(({ system, plan }) => [system, plan.digest])),
    summary: [
      ...set.members.map((member) => `${refText(member)}, ${member.standing}, of ${member.momentAt}`),
      `the moments are ${formatSeconds(set.spreadSeconds)} apart: that is what the systems may disagree about`,
      `order: ${stages.map((stage) => stage.join(' and ')).join(', then ')}`,
      ...planned.flatMap(({ system, plan }) => plan.summary.map((line) => `${system}: ${line}`)),
    ],
    warnings: [
      ...set.members
        .filter(({ standing }) => standing !== 'proven')
        .map((member) => `${refText(member)} was never proven by a restore`),
      ...planned.flatMap(({ system, plan }) => plan.warnings.map((line) => `${system}: ${line}`)),
    ],
    steps: stages.flat().flatMap((system) => stepsOf(system, plans[system]?.steps ?? [])),
  };
}

const stepsOf = (system: SystemName, steps: readonly RestoreStep[]): readonly RestoreStep[] =>
  steps.map((step) => ({ ...step, id: memberStep(system, step.id), title: `${SYSTEMS[system].title}: ${step.title}` }));

/** How a recovery names the step of a member. */
export const memberStep = (system: SystemName, step: string): string => `${system}/${step}`;
