// The tables at the end of the failover: the account from the ledger, beside the objectives and what was found.
import type { Objectives } from '../../../client/output/account.ts';
import { type FailoverRecord, lossVerdict, PART_TITLES } from '../../../domain/failover-record.ts';
import type { MarkedSystem } from '../../../domain/markers.ts';
import { RECOVERY_PARTS } from '../../../domain/recovery-time.ts';
import { SYSTEMS, type SystemName } from '../../../domain/systems.ts';
import { count, table, time } from '../screen.ts';
import type { Found } from './account.ts';

const seconds = (value: number): string => time(value * 1000);

const MEANS: Readonly<Record<(typeof RECOVERY_PARTS)[number], string>> = {
  detection: 'from the first failed outside probe until somebody started the run',
  people: 'questions and approvals, while nothing else was done',
  fence: 'cutting west off, and proving it',
  terraform: 'making what the new site lacks: nothing, in this demo',
  restore: 'bringing the stores back from the repository',
  dns: 'name servers, and caches that may still hold the old address',
  ours: 'all the rest',
};

/** One row a part, and the whole against the objective of the platform. */
export function partTable({ recoveryTime }: FailoverRecord, { rtoSeconds }: Objectives): string[] {
  const { parts } = recoveryTime;
  const rows = RECOVERY_PARTS.map((part) => {
    const value = parts[part];
    return [PART_TITLES[part], value === null ? 'unknown' : seconds(value), MEANS[part]];
  });
  const verdict = recoveryTime.seconds <= rtoSeconds ? 'met' : 'MISSED';
  const whole = ['RTO', seconds(recoveryTime.seconds), `objective ${seconds(rtoSeconds)}: ${verdict}`];
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
