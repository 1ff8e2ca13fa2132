// Every objective against what was measured. What was never measured is unknown, and unknown is not met.
import type { Look } from '../contracts/status.ts';
import type { StatusLine } from '../contracts/system-status.ts';
import { type FailoverRecord, lossText } from '../failover-record.ts';
import type { BackupSummary } from '../manifest.ts';
import { formatSeconds } from '../quantities.ts';
import { kindOf, SYSTEMS, type SystemName } from '../systems.ts';
import { judgeProof } from '../verification.ts';
import { type Measurement, newestMeasurement } from './measurements.ts';

export type ObjectiveStanding = 'met' | 'at risk' | 'missed' | 'unknown';

export interface ObjectiveStatus {
  /** A system, or `platform`. */
  readonly what: string;
  readonly objective: 'RTO' | 'RPO';
  readonly wantedSeconds: number;
  /** Null when it was never measured, or nothing counts. */
  readonly measuredSeconds: number | null;
  readonly standing: ObjectiveStanding;
  /** What was measured, when, and by what. */
  readonly why: string;
}

/** From this share of an objective on it is at risk. */
const RISKY_SHARE = 0.9;
/** For a certificate that changed: the watcher sees it within seconds, and its backup takes some more. */
const ON_CHANGE_SECONDS = 300;

const STANDINGS: readonly ObjectiveStanding[] = ['met', 'at risk', 'unknown', 'missed'];

/** The worst: missed before unknown before at risk before met. */
export function worstStanding(standings: readonly ObjectiveStanding[]): ObjectiveStanding {
  return STANDINGS[Math.max(...standings.map((one) => STANDINGS.indexOf(one)))] ?? 'unknown';
}

const byShare = (measured: number, wanted: number): ObjectiveStanding =>
  measured > wanted ? 'missed' : measured > wanted * RISKY_SHARE ? 'at risk' : 'met';

export interface RtoInput {
  /** A system, or `platform`. */
  readonly what: string;
  readonly wantedSeconds: number;
  /** Kinds of backup that a restore may begin from; a system is measured by the slowest. Empty for a platform. */
  readonly kinds: readonly string[];
  /** Systems that a recovery must bring back to count for the platform. */
  readonly systems: readonly string[];
  /** A measurement older than this puts a met objective at risk: the data grew since. */
  readonly limitSeconds: number;
}

/** An RTO against the newest real restores. People's waiting counts for being late, and not for being in time. */
export function judgeRto(input: RtoInput, measured: Look<readonly Measurement[]>, nowMs: number): ObjectiveStatus {
  const head = { what: input.what, objective: 'RTO', wantedSeconds: input.wantedSeconds } as const;
  if ('unseen' in measured) {
    const why = `what restores took could not be read: ${measured.unseen.message}`;
    return { ...head, measuredSeconds: null, standing: 'unknown', why };
  }
  const wanted = input.kinds.length === 0 ? [null] : input.kinds;
  const newest = wanted.map((kind) => newestOf(measured.seen, input, kind));
  const found = newest.filter((one) => one !== undefined);
  const slowest = found.toSorted((a, b) => b.seconds - a.seconds)[0];
  if (slowest === undefined) return { ...head, measuredSeconds: null, standing: 'unknown', why: neverMeasured(input) };
  const standings = found.map((one) => standingOf(one, input, nowMs));
  const missing = wanted.filter((_, index) => newest[index] === undefined);
  const standing = worstStanding([...standings, ...missing.map(() => 'unknown' as const)]);
  const gap = missing.length === 0 ? '' : `; never measured from ${missing.join(', ')}`;
  return { ...head, measuredSeconds: slowest.seconds, standing, why: `${toldOf(slowest, nowMs)}${gap}` };
}

function newestOf(all: readonly Measurement[], { what, systems }: RtoInput, kind: string | null) {
  return newestMeasurement(
    all.filter((one) => one.what === what && one.kind === kind && systems.every((name) => one.systems.includes(name))),
  );
}

function standingOf({ at, seconds, waitedSeconds }: Measurement, input: RtoInput, nowMs: number): ObjectiveStanding {
  const { wantedSeconds, limitSeconds } = input;
  const own = byShare(seconds - waitedSeconds, wantedSeconds);
  if (own !== 'met') return own;
  const isOld = nowMs - Date.parse(at) > limitSeconds * 1000;
  return isOld || seconds > wantedSeconds ? 'at risk' : 'met';
}

const neverMeasured = ({ what }: RtoInput): string =>
  what === 'platform' ? "never measured: 'dr recover --test' does" : `never measured: 'dr verify ${what}' does`;

function toldOf({ kind, target, at, waitedSeconds, told }: Measurement, nowMs: number): string {
  if (told !== undefined) return `${told}; ${agoText(at, nowMs)} ago`;
  const from = kind === null ? 'a recovery' : `a restore from ${kind}`;
  const where = target === 'live' ? 'live' : 'into scratch';
  const waited = waitedSeconds > 0 ? `, of it ${formatSeconds(waitedSeconds)} waiting for people` : '';
  return `${from} ${where}, ${agoText(at, nowMs)} ago${waited}`;
}

const agoText = (at: string, nowMs: number): string => formatSeconds(Math.max(0, nowMs - Date.parse(at)) / 1000);

export interface RpoInput {
  readonly system: SystemName;
  readonly wantedSeconds: number;
  readonly proofLimitSeconds: number;
  /** For a system that is backed up on change: when it changed last; null when that is not known. */
  readonly changedAt: string | null;
}

/**
 * An RPO against the newest stored backup that rests on a proof within the limit: what would be lost if the store were
 * gone now. @param backups what the tiers list; unseen when none of them could be read.
 */
export function judgeRpo(input: RpoInput, backups: Look<readonly BackupSummary[]>, nowMs: number): ObjectiveStatus {
  const { system, wantedSeconds, proofLimitSeconds } = input;
  const head = { what: system, objective: 'RPO', wantedSeconds } as const;
  const end = (measuredSeconds: number | null, standing: ObjectiveStanding, why: string): ObjectiveStatus => ({
    ...{ ...head, measuredSeconds, standing, why },
  });
  if ('unseen' in backups) return end(null, 'unknown', `no tier could be read: ${backups.unseen.message}`);
  const whole = backups.seen.filter(
    (one) => one.system === system && kindOf(system, one.kind)?.restores.includes('whole') === true,
  );
  if (whole.length === 0) return end(null, 'missed', `there is no backup of ${SYSTEMS[system].title}`);
  const proofs = whole.map((one) => ({ one, level: levelOf(whole, one, proofLimitSeconds, nowMs) }));
  const [proven, young] = (['ok', 'warning'] as const).map((level) =>
    newestMoment(proofs.filter((found) => found.level === level).map(({ one }) => one)),
  );
  const counts = proven ?? young;
  if (counts === undefined)
    return end(null, 'missed', `no backup rests on a proof of the last ${formatSeconds(proofLimitSeconds)}`);
  const lost = lossIfNow(input, counts, nowMs);
  const proof = proven === undefined ? ', never proven yet' : '';
  const why = `${counts.backupId}${proof}${lost.why}`;
  if (lost.seconds === null) return end(null, 'unknown', why);
  const standing = byLoss(input, lost.seconds);
  return end(lost.seconds, proven === undefined ? worstStanding([standing, 'at risk']) : standing, why);
}

function levelOf(
  whole: readonly BackupSummary[],
  { system, kind }: BackupSummary,
  limitSeconds: number,
  nowMs: number,
) {
  const ofKind = whole.filter((one) => one.kind === kind);
  return judgeProof(ofKind, system, limitSeconds, nowMs)[0]?.level ?? 'failed';
}

const newestMoment = (backups: readonly BackupSummary[]): BackupSummary | undefined =>
  backups.reduce<BackupSummary | undefined>(
    (best, one) => (best && best.momentAt > one.momentAt ? best : one),
    undefined,
  );

function lossIfNow({ system, changedAt }: RpoInput, { momentAt }: BackupSummary, nowMs: number) {
  const age = Math.max(0, (nowMs - Date.parse(momentAt)) / 1000);
  if (SYSTEMS[system].intervalSeconds !== null) return { seconds: age, why: '' };
  if (changedAt === null) return { seconds: null, why: ', and whether it changed since is not known' };
  if (Date.parse(changedAt) <= Date.parse(momentAt)) return { seconds: 0, why: ', unchanged since' };
  return { seconds: (nowMs - Date.parse(changedAt)) / 1000, why: ', changed since' };
}

function byLoss({ system, wantedSeconds }: RpoInput, seconds: number): ObjectiveStanding {
  if (SYSTEMS[system].intervalSeconds !== null || seconds === 0) return byShare(seconds, wantedSeconds);
  return seconds > Math.max(wantedSeconds, ON_CHANGE_SECONDS) ? 'missed' : 'at risk';
}

/** The RPO with what the newest failover really lost of this system. */
export function withLastLoss(rpo: ObjectiveStatus, record: FailoverRecord | null, nowMs: number): ObjectiveStatus {
  const loss = record?.losses[rpo.what as SystemName];
  if (record === null || loss === undefined) return rpo;
  return {
    ...rpo,
    why: `${rpo.why}; the failover ${agoText(record.openedAt, nowMs)} ago lost at most ${lossText(loss)}`,
  };
}

/** `RTO of platform`: the objective as a line, for lists of everything that is not well. */
export function objectiveLine({ what, objective, standing, why }: ObjectiveStatus): StatusLine {
  const level = ({ met: 'ok', 'at risk': 'warning', unknown: 'unknown', missed: 'failed' } as const)[standing];
  return { level, subject: `${objective} of ${what}`, message: `${standing}: ${why}`, code: null };
}
