// What can be judged without opening a backup: is one there, is it young enough, is its size like those before.
import { chooseBackup, newestOfEachKind } from './backup-choice.ts';
import type { Finding } from './contracts/protected-system.ts';
import { describeFailure } from './failures.ts';
import type { BackupRef, BackupSummary } from './manifest.ts';
import { formatBytes, formatSeconds } from './quantities.ts';
import { kindOf, SYSTEMS, type SystemName } from './systems.ts';

/** Beside its history, a backup smaller than this share of the median before it is suspicious. */
const SMALL_SHARE = 0.5;
const LARGE_SHARE = 3;
/** How many backups before it one is compared with. */
export const HISTORY = 10;
/** A count below this share of the usual one was not used up little by little. */
const DROP_SHARE = 0.1;
/** Counts that a disaster takes to nothing and daily work does not. Messages are not among them: queues run empty. */
const LOST_AT_ONCE = ['keys', 'keysSeen', 'rows'];

/** What a finding about the presence of a system's backups is about. */
export const presenceSubject = (system: SystemName): string => `newest backup of ${system}`;

/**
 * Alarm on absence: the newest backup of a system must not be older than its objective.
 * @param nowMs time of the judgement in milliseconds.
 */
export function judgePresence(
  backups: readonly BackupSummary[],
  system: SystemName,
  maximumAgeSeconds: number,
  nowMs: number,
): Finding {
  const subject = presenceSubject(system);
  const newest = chooseBackup(backups, { system, backupId: 'newest', scope: 'whole', kind: undefined });
  if (newest === undefined) return absent(subject, system, `there is no backup of ${SYSTEMS[system].title}`);
  const ageSeconds = (nowMs - Date.parse(newest.momentAt)) / 1000;
  const age = `is ${formatSeconds(Math.max(ageSeconds, 0))} old`;
  if (maximumAgeSeconds > 0 && ageSeconds > maximumAgeSeconds) {
    return absent(
      subject,
      system,
      `backup '${newest.backupId}' ${age}, the objective allows ${formatSeconds(maximumAgeSeconds)}`,
    );
  }
  return { level: 'ok', subject, message: `${newest.backupId} ${age}`, code: null };
}

/**
 * Alarm on the absence of a proof: of every kind some backup must have been restored and compared within the limit. What
 * was stored after it rests on that proof. A system that is protected for less than the limit is given the time.
 */
export function judgeProof(
  backups: readonly BackupSummary[],
  system: SystemName,
  limitSeconds: number,
  nowMs: number,
): readonly Finding[] {
  return newestOfEachKind(backups, [system]).map(({ kind }) => {
    const ofKind = backups.filter((one) => one.system === system && one.kind === kind);
    const provenSeconds = youngest(
      ofKind.flatMap(({ provenAt }) => provenAt ?? []),
      nowMs,
    );
    const protectedSeconds = Math.max(...ofKind.map(({ sealedAt }) => ageOf(sealedAt, nowMs)));
    const subject = `newest proof of ${system} (${kind})`;
    const what = `${SYSTEMS[system].title} (${kind}) was ${provenText(provenSeconds)}`;
    if (provenSeconds <= limitSeconds) return { level: 'ok', subject, message: what, code: null };
    const level = provenSeconds === NEVER && protectedSeconds <= limitSeconds ? 'warning' : 'failed';
    const message = `${what}; the limit is ${formatSeconds(limitSeconds)}`;
    return { level, subject, message, code: 'VERIFICATION_FAILED', mend: `dr verify ${system}` };
  });
}

const NEVER = Number.POSITIVE_INFINITY;
const ageOf = (time: string, nowMs: number): number => Math.max((nowMs - Date.parse(time)) / 1000, 0);
const youngest = (times: readonly string[], nowMs: number): number =>
  Math.min(NEVER, ...times.map((time) => ageOf(time, nowMs)));
const provenText = (seconds: number): string =>
  seconds === NEVER ? 'never restored and compared' : `restored and compared ${formatSeconds(seconds)} ago`;

function absent(subject: string, system: SystemName, what: string): Finding {
  return {
    level: 'failed',
    subject,
    code: 'BACKUP_ABSENT',
    message: describeFailure('BACKUP_ABSENT', what, { system }),
    mend: `dr backup ${system}`,
  };
}

/** Compares a backup's size with the median of those of the same kind before it. What holds only changes has any size. */
export function judgeSize(backups: readonly BackupSummary[], backup: BackupSummary): Finding {
  const subject = `size of ${backup.system}/${backup.backupId}`;
  const before = historyOf(backups, backup).map(({ plainBytes }) => plainBytes);
  if (kindOf(backup.system, backup.kind)?.restsOn !== undefined)
    return { level: 'ok', subject, message: `${formatBytes(backup.plainBytes)} of changes`, code: null };
  if (before.length === 0)
    return { level: 'ok', subject, message: `${formatBytes(backup.plainBytes)}, the first of its kind`, code: null };
  const usual = median(before);
  const message = `${formatBytes(backup.plainBytes)}, usually ${formatBytes(usual)}`;
  const odd = backup.plainBytes < usual * SMALL_SHARE || backup.plainBytes > usual * LARGE_SHARE;
  return { level: odd ? 'warning' : 'ok', subject, message, code: null };
}

type Counted = Pick<BackupSummary, 'system' | 'kind' | 'counts'>;

const historyOf = (backups: readonly BackupSummary[], { system, kind, sequence }: Counted & { sequence: number }) =>
  backups
    .filter((one) => one.system === system && one.kind === kind && one.sequence < sequence)
    .sort((a, b) => b.sequence - a.sequence)
    .slice(0, HISTORY);

/**
 * What makes a backup suspicious beside those of its kind before it, in words, or null: a store that was emptied, or came
 * back empty, is backed up as faithfully as any other, and in time retention would keep nothing else.
 */
export function suspicionOf(backups: readonly BackupSummary[], backup: Counted & { sequence?: number }): string | null {
  const before = historyOf(backups, { sequence: Number.POSITIVE_INFINITY, ...backup });
  for (const name of LOST_AT_ONCE) {
    const usual = median(before.flatMap(({ counts }) => counts[name] ?? []));
    const count = backup.counts[name];
    if (count !== undefined && count < usual * DROP_SHARE)
      return `holds ${count} ${name}, those before it usually ${usual}: the store may have lost its data`;
  }
  return null;
}

/** A suspicious backup is not good until a person has looked. */
export function judgeCounts(backups: readonly BackupSummary[], backup: BackupSummary): Finding {
  const subject = `counts of ${backup.system}/${backup.backupId}`;
  const suspicion = suspicionOf(backups, backup);
  if (suspicion === null) return { level: 'ok', subject, message: 'as in those before it', code: null };
  const mend = `look at the store; if it lost its data: dr restore ${backup.system} --backup with one of before`;
  return { level: 'failed', subject, message: `${subject}: it ${suspicion}`, code: 'VERIFICATION_FAILED', mend };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

/**
 * Told of a backup that is not good: which of those that were listed rest on it, however far up, and cannot be restored
 * either. Nothing when none does.
 */
export function judgeDependants(
  backups: readonly BackupSummary[],
  { system, backupId }: BackupRef,
): readonly Finding[] {
  const lost = new Set([backupId]);
  const own = backups.filter((one) => one.system === system).toSorted((a, b) => a.sequence - b.sequence);
  for (const one of own) if (one.parents.some((parent) => lost.has(parent))) lost.add(one.backupId);
  const others = [...lost].slice(1);
  if (others.length === 0) return [];
  const subject = `backups that rest on ${system}/${backupId}`;
  const message = `${others.map((id) => `'${id}'`).join(', ')} cannot be restored without it`;
  return [{ level: 'failed', subject, message, code: 'VERIFICATION_FAILED', mend: `dr backup ${system}` }];
}

/** What makes a recipient's key useless on the day of a restore. */
const KEY_CODES: readonly (string | null)[] = ['KEY_DISABLED', 'KEY_UNREACHABLE'];

/** A backup goes on beside a key in KMS that does not open, as others do; a verification is there to find it in time. */
export function judgeKeys(findings: readonly Finding[]): readonly Finding[] {
  return findings.map((one) =>
    one.level === 'warning' && KEY_CODES.includes(one.code) ? { ...one, level: 'failed' } : one,
  );
}

/** The worst level among findings: unknown never counts as good. */
export function worstLevel(findings: readonly Finding[]): Finding['level'] {
  if (findings.some(({ level }) => level === 'failed')) return 'failed';
  return findings.some(({ level }) => level === 'warning') ? 'warning' : 'ok';
}
