// Planning a handover from a living site to another, with nothing lost: what is kept out, backed up, compared, cut off and
// restored, and how each of it is taken back. The two are `dr failover run --planned` and `dr failback run`.
import type { ApprovedAction } from './approval.ts';
import type { StorePosition } from './contracts/protected-system.ts';
import {
  epochLine,
  fenceWarnings,
  groundDigest,
  groundLines,
  namesLine,
  peopleWarnings,
  planStep,
  type TakeoverFacts,
  type TakeoverPlan,
  takeoverSteps,
} from './failover.ts';
import { Failure } from './failures.ts';
import type { BackupSummary } from './manifest.ts';
import { chooseRecoverySet, planRecovery, type RecoverySet } from './recovery.ts';
import { kindOf, type SystemName } from './systems.ts';

/** What the configuration runs, as a person reads it. */
export interface HandoverCommands {
  /** Keeps clients out of the old site, and lets them in again. */
  readonly keepOut: readonly string[];
  readonly letIn: readonly string[];
  /** Cuts the old site off, and starts it again. */
  readonly fence: readonly string[];
  readonly undoFence: readonly string[];
  /** Lets clients into the new site when it opens. */
  readonly open: readonly string[];
}

export interface PlannedFailoverPlan extends TakeoverPlan {
  readonly commands: HandoverCommands;
  /** The kind of each system's final backup. */
  readonly kinds: Readonly<Partial<Record<SystemName, string>>>;
  /** The backups that every restore was planned with; what is restored are those that are taken once clients are out. */
  readonly rehearsed: RecoverySet;
}

export interface HandoverFacts extends TakeoverFacts {
  readonly action: ApprovedAction;
  readonly commands: HandoverCommands;
}

/**
 * Everything of the plan but its digest, which an activity computes.
 * @throws {Failure} HANDOVER_UNPREPARED when it could lose something or could not be taken back.
 */
export function planHandover(facts: HandoverFacts): Omit<PlannedFailoverPlan, 'digest'> {
  const { platform, to, epoch, set, plans, approvals, action, commands } = facts;
  const from = epoch.site;
  requirePrepared(from, facts);
  const recovery = planRecovery({ platform, site: to, target: 'live', set, plans });
  const verb = action === 'failback' ? 'fail back' : 'hand over';
  return {
    title: `${verb} platform '${platform}' from site '${from}' to site '${to}', losing nothing`,
    action,
    ...{ from, to, approvals, commands },
    terraform: groundDigest(facts),
    epoch: { now: epoch.number, next: epoch.number + 1 },
    stages: recovery.stages,
    kinds: Object.fromEntries(set.members.map(({ system, kind }) => [system, kind])),
    rehearsed: set,
    summary: [
      'loses nothing: clients are kept out, a final backup of every system is restored, and a write after it is a no-go',
      ...commandLines(from, to, commands),
      epochLine(epoch),
      ...groundLines(facts),
      namesLine(facts.names),
      'planned with the newest backups; the final ones are taken once clients are out:',
      ...recovery.summary,
    ],
    warnings: [
      ...peopleWarnings(facts),
      ...fenceWarnings(from, facts.fence),
      ...doorWarnings(to, commands),
      ...recovery.warnings.filter((line) => !line.endsWith('was never proven by a restore')),
    ],
    steps: takeoverSteps(facts, handoverSteps(from), recovery.steps),
  };
}

const handoverSteps = (from: string) => [
  planStep('quiesce', `Keep clients out of '${from}'`, true),
  planStep('final', 'Take the final backup of every system', false),
  planStep('caught-up', 'Prove that nothing was written since', false),
  planStep('fence', `Fence '${from}'`, true),
  planStep('go', 'Go or no-go, with the measured loss', false),
];

function commandLines(from: string, to: string, { keepOut, letIn, fence, undoFence, open }: HandoverCommands) {
  const line = (what: string, commands: readonly string[]) =>
    commands.length === 0 ? [] : [`${what}: ${commands.map((command) => `'${command}'`).join(', ')}`];
  return [
    ...line(`keeps clients out of '${from}'`, keepOut),
    ...line(`lets them into '${from}' again if it is taken back`, letIn),
    ...line(`fences '${from}'`, fence),
    ...line(`starts '${from}' again if it is taken back`, undoFence),
    ...line(`lets clients into '${to}' when it opens`, open),
  ];
}

const doorWarnings = (to: string, { open }: HandoverCommands): readonly string[] =>
  open.length > 0
    ? []
    : [
        `nothing keeps clients out of '${to}' (sites.${to}.quiesce): keep the applications there stopped until it opens`,
      ];

function requirePrepared(from: string, { commands, set }: HandoverFacts): void {
  const unprepared = (what: string) => new Failure('HANDOVER_UNPREPARED', what);
  if (commands.keepOut.length === 0)
    throw unprepared(`no command keeps clients out of '${from}': give sites.${from}.quiesce`);
  if (commands.fence.length > 0 && commands.undoFence.length === 0)
    throw unprepared(`no command starts '${from}' again after its fence: give sites.${from}.fence.undo`);
  for (const { system, kind } of set.members) {
    const lacks = kindOf(system, kind)?.leavesOut;
    if (lacks === undefined) continue;
    throw unprepared(`a backup of the kind '${kind}' leaves out the ${lacks} of ${system}: take another with --kind`);
  }
}

/** What every store says of itself, at one of the two looks. */
export type Positions = Readonly<Partial<Record<SystemName, StorePosition>>>;

/** The systems that stand elsewhere than before, or that one of the two looks says nothing of. */
export function movedSince(before: Positions, after: Positions, systems: readonly SystemName[]): readonly SystemName[] {
  return systems.filter((system) => {
    const [was, is] = [before[system]?.position, after[system]?.position];
    return was === undefined || was !== is;
  });
}

/** @throws {Failure} WRITES_GO_ON naming where each of the systems stood and stands. */
export function requireStill(from: string, moved: readonly SystemName[], before: Positions, after: Positions): void {
  if (moved.length === 0) return;
  const each = moved.map((system) => `${system}: '${before[system]?.detail}' became '${after[system]?.detail}'`);
  throw new Failure('WRITES_GO_ON', `site '${from}' was written to after its final backup: ${each.join('; ')}`);
}

/** The measured loss, a line for each system: where it stood before its final backup, and stands still. */
export const lossLines = (systems: readonly SystemName[], at: Positions): readonly string[] =>
  systems.map((system) => `${system}: nothing lost (${at[system]?.detail})`);

/**
 * The set that is restored: exactly the final backups, newer ones in place of those that were overtaken.
 * @throws {Failure} BACKUP_NOT_FOUND when one is missing.
 */
export function finalSet(backups: readonly BackupSummary[], systems: readonly SystemName[]): RecoverySet {
  return chooseRecoverySet(backups, { systems, at: null, unproven: true, kinds: {} });
}

/** @throws {Failure} NOT_A_FORMER_SITE when a site to come back to never was the active one. */
export function requireFormer(former: readonly string[], to: string): void {
  if (former.includes(to)) return;
  const known = former.length === 0 ? 'no other site was, so far' : `these were: ${former.join(', ')}`;
  throw new Failure('NOT_A_FORMER_SITE', `site '${to}' never was the active one: ${known}`, { site: to });
}
