// How long restores really took: read from the audit log, and failovers from the ledger, where every run writes what it
// measured. Never typed in, never estimated.
import type { AuditRecord } from '../audit.ts';
import { type FailoverRecord, recoveryTimeText } from '../failover-record.ts';
import { kindIn } from '../manifest.ts';

/** Acts that carry a measurement. */
export const MEASURED_ACTS: readonly string[] = ['restore.done', 'restore.tested', 'recovery.done', 'recovery.tested'];

/** How many of the newest audit records are looked through: a busy platform writes some hundred a day. */
export const SEARCHED_RECORDS = 4000;

export interface Measurement {
  /** What was brought back: a system, or `platform`. */
  readonly what: string;
  /** Kind of the backup; null for a whole platform. */
  readonly kind: string | null;
  readonly target: 'live' | 'scratch';
  readonly at: string;
  /** From the start of the run to its end. */
  readonly seconds: number;
  /** How many of them it waited for people. */
  readonly waitedSeconds: number;
  /** Systems of a recovery; the one system of a restore. */
  readonly systems: readonly string[];
  readonly run: string;
  /** Its own words, where it has more to tell than when it was. */
  readonly told?: string;
}

/** The measurements in audit records; of restores only those of a whole system. */
export function measurementsIn(records: readonly AuditRecord[]): readonly Measurement[] {
  return records.flatMap((record) => {
    const { act, subject, at, run, facts } = record;
    const { seconds, waitedSeconds, systems, scope } = facts;
    if (typeof seconds !== 'number' || typeof waitedSeconds !== 'number') return [];
    const common = { at, run, seconds, waitedSeconds, target: act.endsWith('.done') ? 'live' : 'scratch' } as const;
    if (act.startsWith('recovery.'))
      return [{ ...common, what: 'platform', kind: null, systems: String(systems ?? '').split(' ') }];
    const [system = '', backupId = ''] = subject.split('/');
    return scope === 'whole' ? [{ ...common, what: system, kind: kindIn(backupId), systems: [system] }] : [];
  });
}

/** A failover as the measurement of a platform, its parts with it. */
export function measurementOf({ from, to, run, openedAt, recoveryTime, losses }: FailoverRecord): Measurement {
  const { seconds, parts } = recoveryTime;
  return {
    ...{ what: 'platform', kind: null, target: 'live', at: openedAt, run, seconds, waitedSeconds: parts.people },
    systems: Object.keys(losses),
    told: `the failover from ${from} to ${to}, ${recoveryTimeText(recoveryTime)}`,
  };
}

export const newestMeasurement = (all: readonly Measurement[]): Measurement | undefined =>
  all.reduce<Measurement | undefined>((best, one) => (best && best.at > one.at ? best : one), undefined);
