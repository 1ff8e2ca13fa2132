// The tables at the end of the failover: the account from the ledger, beside the objectives and what was found.
import type { Objectives } from '../../../client/output/account.ts';
import { type FailoverRecord, failoverRecordName, lossVerdict, PART_TITLES } from '../../../domain/failover-record.ts';
import type { MarkedSystem } from '../../../domain/markers.ts';
import { RECOVERY_PARTS } from '../../../domain/recovery-time.ts';
import { SYSTEMS, type SystemName } from '../../../domain/systems.ts';
import { count, table, time } from '../screen.ts';
import type { Found } from './account.ts';

const seconds = (value: number): string => time(value * 1000);

type Meanings = Readonly<Record<(typeof RECOVERY_PARTS)[number], string>>;

const meanings = ({ from, to, servedUntil }: FailoverRecord): Meanings => ({
  detection:
    servedUntil === null
      ? 'from the first failed outside probe until somebody started the run'
      : 'none: clients were kept out on purpose',
  people: 'questions and approvals, while nothing else was done',
  fence: `cutting ${from} off, and proving it`,
  terraform: `planning and making what ${to} stands on`,
  restore: 'bringing the stores back from the repository',
  dns: 'name servers, and caches that may still hold the old address',
  ours:
    servedUntil === null
      ? 'all the rest'
      : 'all the rest: final backups, and the proof that nothing was written after them',
});

/** One row a part, and the whole against the objective of the platform. */
export function partTable(record: FailoverRecord, { rtoSeconds }: Objectives): string[] {
  const { recoveryTime } = record;
  const { parts } = recoveryTime;
  const means = meanings(record);
  const rows = RECOVERY_PARTS.map((part) => {
    const value = parts[part];
    return [PART_TITLES[part], value === null ? 'unknown' : seconds(value), means[part]];
  });
  const verdict = recoveryTime.seconds <= rtoSeconds ? 'met' : 'MISSED';
  const whole = [
    record.servedUntil === null ? 'RTO' : 'interruption',
    seconds(recoveryTime.seconds),
    `objective ${seconds(rtoSeconds)}: ${verdict}`,
  ];
  return table([['part', 'time', 'what'], ...rows, whole]);
}

/** One row a step: when it began, counted from the start of the run, and what it took. */
export function stepTable({ startedAt, steps }: FailoverRecord): string[] {
  const rows = steps.map((step) => [
    step.title,
    seconds((Date.parse(step.startedAt) - Date.parse(startedAt)) / 1000),
    seconds((Date.parse(step.endedAt) - Date.parse(step.startedAt)) / 1000),
  ]);
  return table([['step', 'began after', 'took'], ...rows]);
}

/** One row a system: what was reported, and what the workload's lists say. */
export function lossTable(
  { losses }: FailoverRecord,
  found: Readonly<Record<MarkedSystem, Found>>,
  { rpoSeconds }: Objectives,
): string[] {
  const rows = (Object.entries(losses) as [SystemName, NonNullable<FailoverRecord['losses'][SystemName]>][]).map(
    ([system, loss]) => {
      const { seconds: atMost, markers } = loss;
      const objective = rpoSeconds[system];
      const real = found[system as MarkedSystem] as Found | undefined;
      return [
        SYSTEMS[system].title,
        seconds(atMost),
        objective === 0 ? 'at once' : seconds(objective),
        lossVerdict(system, loss, objective),
        real === undefined ? '' : seconds(real.lostSeconds),
        markers === null ? '' : count(markers.acknowledged),
        markers === null ? '' : count(markers.lost),
        real === undefined ? '' : count(real.lost),
      ];
    },
  );
  const head = ['store', 'lost at most', 'objective', 'RPO', 'really lost', 'markers', 'lost, reported', 'lost, found'];
  return table([head, ...rows]);
}

/** One way between the sites, as the ledger tells it and as the workload saw it. */
export interface Told {
  readonly record: FailoverRecord;
  /** How long the clients of the store that waited longest had no answer; null when they have none yet. */
  readonly waitedMs: number | null;
  /** Markers of all stores, since the beginning. */
  readonly acknowledged: number;
  /** Those of them that this way has lost. */
  readonly lost: number;
}

/** Both ways side by side, with the records that prove them. */
export function bothTable(out: Told, back: Told): string[] {
  const ways = [out, back];
  const row = (title: string, cell: (way: Told) => string) => [title, ...ways.map(cell)];
  const parts = RECOVERY_PARTS.map((part) =>
    row(`  ${PART_TITLES[part]}`, ({ record }) => {
      const value = record.recoveryTime.parts[part];
      return value === null ? 'unknown' : seconds(value);
    }),
  );
  return table([
    ['', 'failover, west killed', 'failback, planned'],
    row('from and to', ({ record: { from, to, epoch } }) => `${from} to ${to}, epoch ${epoch}`),
    row('nobody served for', ({ record }) => seconds(record.recoveryTime.seconds)),
    ...parts,
    row('clients waited', ({ waitedMs }) => (waitedMs === null ? 'for ever' : time(waitedMs))),
    row('markers acknowledged', ({ acknowledged }) => count(acknowledged)),
    row('of them lost', ({ lost }) => count(lost)),
    row('in the ledger', ({ record }) => failoverRecordName(record.epoch)),
  ]);
}
