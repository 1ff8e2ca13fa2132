// What a failover took and lost, as two small tables: the recovery time with all of its parts, and the loss of each store.
import { type Configuration, durationMs } from '../../domain/configuration/schema.ts';
import { type FailoverRecord, lossVerdict, PART_TITLES, partText } from '../../domain/failover-record.ts';
import { formatSeconds } from '../../domain/quantities.ts';
import { RECOVERY_PARTS, type RecoveryPart } from '../../domain/recovery-time.ts';
import { SYSTEM_NAMES, type SystemName } from '../../domain/systems.ts';
import { table } from './human.ts';

/** Seconds that the owner allows: the recovery time of the platform, and the loss of each system. */
export interface Objectives {
  readonly rtoSeconds: number;
  readonly rpoSeconds: Readonly<Record<SystemName, number>>;
}

export function objectivesOf({ objectives }: Configuration): Objectives {
  const rpo = SYSTEM_NAMES.map((system) => [system, durationMs(objectives[system].rpo) / 1000] as const);
  return {
    rtoSeconds: durationMs(objectives.platform.rto) / 1000,
    rpoSeconds: Object.fromEntries(rpo) as Objectives['rpoSeconds'],
  };
}

/** The account against the objectives. */
export function accountText(record: FailoverRecord, objectives: Objectives): string {
  const { recoveryTime, losses } = record;
  const { seconds, parts } = recoveryTime;
  const time = table<RecoveryPart>(
    [
      { title: 'RECOVERY TIME', value: (part) => PART_TITLES[part] },
      { title: formatSeconds(seconds), value: (part) => partText(parts[part]), right: true },
      {
        title: beginningText(record),
        value: (part) => (parts[part] === null ? 'no outside probe told when it failed' : ''),
      },
    ],
    RECOVERY_PARTS,
  );
  const verdict = seconds <= objectives.rtoSeconds ? 'met' : 'MISSED';
  const lost = table(
    [
      { title: 'LOST AT MOST', value: ([system]) => system },
      { title: 'TIME', value: ([, loss]) => formatSeconds(loss.seconds), right: true },
      { title: 'MARKERS', value: ([, { markers }]) => (markers === null ? '-' : String(markers.lost)), right: true },
      { title: 'OF', value: ([, { markers }]) => (markers === null ? '-' : String(markers.acknowledged)), right: true },
      { title: 'OBJECTIVE', value: ([system]) => formatSeconds(objectives.rpoSeconds[system]), right: true },
      { title: 'RPO', value: ([system, loss]) => lossVerdict(system, loss, objectives.rpoSeconds[system]) },
    ],
    Object.entries(losses) as [SystemName, NonNullable<FailoverRecord['losses'][SystemName]>][],
  );
  return `${time}\nobjective of the platform ${formatSeconds(objectives.rtoSeconds)}: ${verdict}\n\n${lost}`;
}

function beginningText({ outage, servedUntil }: FailoverRecord): string {
  if (servedUntil !== null) return `from ${servedUntil}, when clients were kept out`;
  return outage === null ? 'from the start of the run' : `from ${outage.since}, as ${outage.by} saw it`;
}
