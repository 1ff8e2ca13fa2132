// The status of a platform: every look judged, every objective measured, and the worst of all of them.
import { kindsToTake, systemsOf, tierNames } from '../configuration/protection.ts';
import { type Configuration, durationMs } from '../configuration/schema.ts';
import type { Look, Seen, TemporalSeen } from '../contracts/status.ts';
import type { Health, StatusLine, SystemStatus } from '../contracts/system-status.ts';
import { EXIT } from '../failures.ts';
import type { BackupSummary } from '../manifest.ts';
import { counted } from '../quantities.ts';
import { kindOf, SYSTEMS, type SystemName } from '../systems.ts';
import { backupLines, backupsIn, tierLines } from './backups.ts';
import { linesOf, unseenLine, worstOf } from './lines.ts';
import { type Measurement, measurementOf, measurementsIn } from './measurements.ts';
import { judgeRpo, judgeRto, type ObjectiveStatus, objectiveLine, withLastLoss } from './objectives.ts';
import { standbyLines } from './standby.ts';
import { applicationLines, diskLines, scheduleLines, workerLines } from './surroundings.ts';

export interface StatusSection {
  /** A system, or `applications`, `site NAME` for each other site, `backups`, `tiers`, `disks`, `schedules`, `workers`. */
  readonly name: string;
  readonly title: string;
  /** The worst of its lines. */
  readonly level: Health;
  readonly lines: readonly StatusLine[];
  /** Of a system: the figures behind the lines; null when it could not be asked. */
  readonly facts?: SystemStatus['facts'] | null;
}

export interface PlatformStatus {
  readonly platform: string;
  readonly site: string;
  /** ISO time of the look. */
  readonly at: string;
  /** The worst of all sections and objectives. */
  readonly level: Health;
  /** Exit code of `dr status`. */
  readonly exit: number;
  readonly objectives: readonly ObjectiveStatus[];
  readonly sections: readonly StatusSection[];
}

export interface PlatformLook {
  readonly configuration: Configuration;
  readonly site: string;
  readonly seen: Seen;
  readonly temporal: TemporalSeen;
}

/** Judges everything that was seen at one site. */
export function judgePlatform(look: PlatformLook): PlatformStatus {
  const { configuration, site, seen } = look;
  const objectives = objectivesOf(look, backupsIn(seen.tiers));
  const sections = sectionsOf(look, backupsIn(seen.tiers));
  const level = worstOf([...sections.map((one) => one.level), ...objectives.map((one) => objectiveLine(one).level)]);
  const exit = exitOf(level, objectives);
  return { platform: configuration.platform, site, at: seen.at, level, exit, objectives, sections };
}

/** `1 objective missed, 2 failed, 1 unknown`: everything that is not well, counted. */
export function summaryOf({ objectives, sections }: Pick<PlatformStatus, 'objectives' | 'sections'>): string {
  const standings = (['missed', 'at risk', 'unknown'] as const).map((standing) => {
    const count = objectives.filter((one) => one.standing === standing).length;
    return count === 0 ? [] : [`${counted(count, 'objective')} ${standing}`];
  });
  const lines = sections.flatMap((section) => section.lines);
  const levels = (['failed', 'unknown', 'warning'] as const).map((level) => {
    const count = lines.filter((one) => one.level === level).length;
    return count === 0 ? [] : [level === 'warning' ? counted(count, 'warning') : `${count} ${level}`];
  });
  const told = [...standings, ...levels].flat();
  return told.length === 0 ? 'every objective met' : told.join(', ');
}

/** A missed objective is told before anything else: it is what the owner asked for. */
function exitOf(level: Health, objectives: readonly ObjectiveStatus[]): number {
  if (objectives.some(({ standing }) => standing === 'missed')) return EXIT.objectiveMissed;
  return { ok: EXIT.done, warning: EXIT.warnings, unknown: EXIT.warnings, failed: EXIT.failed }[level];
}

type Backups = Look<readonly BackupSummary[]>;

function sectionsOf({ configuration, site, seen, temporal }: PlatformLook, backups: Backups): StatusSection[] {
  const nowMs = Date.parse(seen.at);
  const systems = systemsOf(configuration, site);
  const wanted = systems.map((system) => ({ system, kinds: kindsToTake(configuration, site, system) }));
  const limits = { tiers: tierNames(configuration), proofLimitSeconds: proofLimit(configuration) };
  return [
    ...systems.map((system) => systemSection(system, seen.systems[system])),
    section('applications', 'Applications', applicationLines(seen.applications)),
    ...otherSites(configuration, seen),
    section('backups', 'Backups', backupLines(backups, wanted, limits, nowMs)),
    section('tiers', 'Tiers', tierLines(seen.tiers, nowMs)),
    section('disks', 'Disks', diskLines(seen.disks, configuration.status)),
    section('schedules', 'Schedules', scheduleLines(temporal.schedules, nowMs)),
    section('workers', 'Workers', workerLines(temporal.queues)),
  ].filter(({ name, lines }) => name !== 'applications' || lines.length > 0);
}

// Another site is judged by what it could take over; files of another machine cannot be seen from here.
function otherSites({ activeSite, sites }: Configuration, { otherSites: seen }: Seen): StatusSection[] {
  return Object.entries(seen).map(([name, stores]) => {
    const role = name === activeSite ? 'the active one' : 'stands by';
    const provisions = sites[name]?.terraform !== undefined;
    return section(`site ${name}`, `Site ${name} (${role})`, standbyLines({ stores, provisions }));
  });
}

const section = (name: string, title: string, lines: readonly StatusLine[]): StatusSection => ({
  ...{ name, title, lines, level: worstOf(lines.map(({ level }) => level)) },
});

function systemSection(system: SystemName, look: Seen['systems'][string] | undefined): StatusSection {
  const { title } = SYSTEMS[system];
  const nothing = { code: 'BUG', message: 'was not looked at', silent: false };
  const lines = look === undefined ? [unseenLine(title, nothing)] : linesOf(title, look, (one) => one.lines);
  return { ...section(system, title, lines), facts: look !== undefined && 'seen' in look ? look.seen.facts : null };
}

const seconds = (duration: string): number => durationMs(duration) / 1000;
const proofLimit = ({ repository }: Configuration): number => seconds(repository.proofLimit);

function objectivesOf({ configuration, site, seen }: PlatformLook, backups: Backups): ObjectiveStatus[] {
  const nowMs = Date.parse(seen.at);
  const { objectives } = configuration;
  const systems = systemsOf(configuration, site);
  const measured: Look<readonly Measurement[]> =
    'seen' in seen.restores ? { seen: measurementsIn(seen.restores.seen) } : seen.restores;
  const ofPlatform = withFailover(measured, seen.failover);
  const failover = 'seen' in seen.failover ? seen.failover.seen : null;
  const limitSeconds = proofLimit(configuration);
  const rto = (what: SystemName | 'platform', kinds: readonly string[], needed: readonly string[]) =>
    judgeRto(
      { what, wantedSeconds: seconds(objectives[what].rto), kinds, systems: needed, limitSeconds },
      what === 'platform' ? ofPlatform : measured,
      nowMs,
    );
  return [
    ...systems.flatMap((system) => {
      const kinds = kindsToTake(configuration, site, system).filter(
        (kind) => kindOf(system, kind)?.restores.includes('whole') === true,
      );
      const look = seen.systems[system];
      const changedAt = look !== undefined && 'seen' in look ? look.seen.changedAt : null;
      const wantedSeconds = seconds(objectives[system].rpo);
      return [
        rto(system, kinds, [system]),
        withLastLoss(
          judgeRpo({ system, wantedSeconds, proofLimitSeconds: limitSeconds, changedAt }, backups, nowMs),
          failover,
          nowMs,
        ),
      ];
    }),
    rto('platform', [], systems),
  ];
}

// A platform is measured by recoveries and by failovers: without either list nobody knows which was the newest.
function withFailover(
  measured: Look<readonly Measurement[]>,
  failover: Seen['failover'],
): Look<readonly Measurement[]> {
  if ('unseen' in failover) return failover;
  if ('unseen' in measured || failover.seen === null) return measured;
  return { seen: [...measured.seen, measurementOf(failover.seen)] };
}
