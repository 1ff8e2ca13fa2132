// What may be deleted. Pure and total: whatever it is given, it answers, and it keeps more when in doubt.
import { MOST_SKEW_MS } from './clocks.ts';
import type { BackupRef } from './manifest.ts';
import { refText } from './repository-layout.ts';

export interface RetentionDecision {
  readonly backup: BackupRef;
  readonly tier: string;
  readonly keep: boolean;
  /** Why, in one sentence: every line of `dr retention plan` explains itself. */
  readonly reason: string;
}

export interface RetentionPlan {
  readonly madeAt: string;
  readonly decisions: readonly RetentionDecision[];
  /** Decisions that are not listed because there are too many: copies that are kept, or that the next application takes. */
  readonly leftOut: number;
  /** Reasons to delete nothing at all (clock skew, short listing). Not empty means: keep everything. */
  readonly refusals: readonly string[];
  readonly digest: string;
}

/** A stored backup, as far as retention cares. */
export interface RetainedBackup extends BackupRef {
  readonly kind: string;
  /** The order of backups; times only tell ages. */
  readonly sequence: number;
  readonly sealedAt: string;
  readonly provenAt: string | null;
  readonly held: boolean;
  readonly parents: readonly string[];
  readonly tiers: readonly string[];
}

export interface RetentionFacts {
  /** ISO time by the planner's clock. */
  readonly now: string;
  /** Other clocks, read at the same moment. */
  readonly clocks: readonly { readonly source: string; readonly at: string }[];
  readonly tiers: readonly { readonly name: string; readonly keepMs: number }[];
  /** Backups of each system and kind that stay in a tier whatever their age. At least 1 is taken. */
  readonly minimumKept: number;
  readonly backups: readonly RetainedBackup[];
}

/** What goes through a workflow must stay below Temporal's 2 MiB a message; a decision takes about 200 bytes. */
export const MOST_DECISIONS = 6000;

/**
 * As much of a plan as a run can carry: what goes before what stays. The plan is in the order of the repository's list,
 * newest first, so that no backup goes while one that needs it waits.
 */
export function carriedPlan(plan: Omit<RetentionPlan, 'digest'>, most = MOST_DECISIONS): Omit<RetentionPlan, 'digest'> {
  const ordered = plan.decisions.toSorted((a, b) => Number(a.keep) - Number(b.keep));
  return { ...plan, decisions: ordered.slice(0, most), leftOut: plan.leftOut + Math.max(0, ordered.length - most) };
}

/** Decides for every backup in every tier. The digest is added by whoever can hash. */
export function planRetention(facts: RetentionFacts): Omit<RetentionPlan, 'digest'> {
  const refusals = refusalsOf(facts);
  const reasons = refusals.length > 0 ? () => 'nothing is deleted now: see the refusals' : reasonsToKeep(facts);
  const places = facts.backups.flatMap((backup) => backup.tiers.map((tier) => ({ backup, tier })));
  const kept = new Map(places.map(({ backup, tier }) => [placeText(backup, tier), reasons(backup, tier)]));
  if (refusals.length === 0) keepParents(facts.backups, kept);
  const decisions = places.map(({ backup, tier }): RetentionDecision => {
    const reason = kept.get(placeText(backup, tier)) ?? null;
    const ref = { system: backup.system, backupId: backup.backupId };
    return { backup: ref, tier, keep: reason !== null, reason: reason ?? `older than tier '${tier}' keeps` };
  });
  return { madeAt: facts.now, decisions, leftOut: 0, refusals };
}

const placeText = (backup: BackupRef, tier: string) => `${refText(backup)} ${tier}`;
const groupText = ({ system, kind }: RetainedBackup) => `${system} ${kind}`;
const newestFirst = (a: RetainedBackup, b: RetainedBackup) =>
  b.sequence - a.sequence || (a.backupId < b.backupId ? 1 : -1);

function refusalsOf({ now, clocks, tiers, backups }: RetentionFacts): readonly string[] {
  const nowMs = Date.parse(now);
  if (Number.isNaN(nowMs)) return [`the time '${now}' cannot be read`];
  const skewed = clocks.filter(({ at }) => !(Math.abs(Date.parse(at) - nowMs) <= MOST_SKEW_MS));
  const future = backups.filter(({ sealedAt }) => !(Date.parse(sealedAt) <= nowMs + MOST_SKEW_MS));
  return [
    ...skewed.map(({ source, at }) => `clock skew: ${source} says ${at}, this machine says ${now}`),
    ...future.map((backup) => `${refText(backup)} says it was sealed at ${backup.sealedAt}, and now is ${now}`),
    ...silenceOf(nowMs, tiers, backups),
  ];
}

// A clock that jumped ahead makes everything look old at once. So do backups that stopped long ago; both ways nothing
// may go.
function silenceOf(
  nowMs: number,
  tiers: RetentionFacts['tiers'],
  backups: readonly RetainedBackup[],
): readonly string[] {
  const newest = Math.max(...backups.map(({ sealedAt }) => Date.parse(sealedAt)));
  const shortest = Math.min(...tiers.map(({ keepMs }) => keepMs));
  if (backups.length === 0 || nowMs - newest < shortest) return [];
  return ['no backup was sealed for as long as a tier keeps them: backups stopped, or the clock is wrong'];
}

type Reasons = (backup: RetainedBackup, tier: string) => string | null;

function reasonsToKeep(facts: RetentionFacts): Reasons {
  const ordered = facts.backups.toSorted(newestFirst);
  const proven = newestProven(ordered);
  const sealed = effectiveTimes(ordered);
  const keepMs = new Map(facts.tiers.map((tier) => [tier.name, tier.keepMs]));
  const minimum = Math.max(1, Math.floor(facts.minimumKept) || 1);
  return (backup, tier) => {
    const newest = proven.get(groupText(backup));
    if (backup.held) return 'held';
    if (newest === undefined) return 'no backup of this system and kind is proven yet';
    if (newest.sequence <= backup.sequence)
      return newest === backup ? 'the newest proven one' : 'newer than the newest proven one';
    if (isAmongNewest(ordered, backup, tier, minimum)) return `among the newest ${minimum} of its kind`;
    return ageReason(Date.parse(facts.now) - (sealed.get(backup) ?? Number.NaN), keepMs.get(tier), tier);
  };
}

function ageReason(ageMs: number, keepMs: number | undefined, tier: string): string | null {
  if (keepMs === undefined) return `the configuration has no tier '${tier}'`;
  return ageMs >= keepMs ? null : `younger than tier '${tier}' keeps`;
}

function newestProven(ordered: readonly RetainedBackup[]): ReadonlyMap<string, RetainedBackup> {
  const proven = new Map<string, RetainedBackup>();
  for (const backup of ordered)
    if (backup.provenAt !== null && !proven.has(groupText(backup))) proven.set(groupText(backup), backup);
  return proven;
}

// A backup is never older than one that was sealed before it: where a clock once went back, the later time counts.
function effectiveTimes(ordered: readonly RetainedBackup[]): ReadonlyMap<RetainedBackup, number> {
  const times = new Map<RetainedBackup, number>();
  let latest = Number.NEGATIVE_INFINITY;
  for (const backup of ordered.toReversed()) {
    latest = Math.max(latest, Date.parse(backup.sealedAt));
    times.set(backup, latest);
  }
  return times;
}

function isAmongNewest(
  ordered: readonly RetainedBackup[],
  backup: RetainedBackup,
  tier: string,
  minimum: number,
): boolean {
  const rivals = ordered.filter((one) => groupText(one) === groupText(backup) && one.tiers.includes(tier));
  return rivals.indexOf(backup) < minimum;
}

// What a kept backup needs is kept wherever it lies, whatever tier the needing one is kept in; and so on up the chain.
function keepParents(backups: readonly RetainedBackup[], kept: Map<string, string | null>): void {
  const known = new Map(backups.map((backup) => [refText(backup), backup]));
  const queue = backups.filter((backup) => backup.tiers.some((tier) => kept.get(placeText(backup, tier)) !== null));
  const seen = new Set(queue);
  for (const child of queue)
    for (const parent of parentsOf(child, known)) {
      for (const tier of parent.tiers)
        if (kept.get(placeText(parent, tier)) === null)
          kept.set(placeText(parent, tier), `needed by ${child.backupId}`);
      if (!seen.has(parent)) {
        seen.add(parent);
        queue.push(parent);
      }
    }
}

function parentsOf(child: RetainedBackup, known: ReadonlyMap<string, RetainedBackup>): readonly RetainedBackup[] {
  const refs = child.parents.map((backupId) => refText({ system: child.system, backupId }));
  return refs.map((ref) => known.get(ref)).filter((parent) => parent !== undefined);
}
