// What a platform needs besides its stores: applications that answer, room on the disks, schedules and workers.
import type { ApplicationStatus, DiskStatus, Look, QueueStatus, ScheduleStatus } from '../contracts/status.ts';
import type { StatusLine } from '../contracts/system-status.ts';
import { formatBytes, formatSeconds } from '../quantities.ts';
import { linesOf } from './lines.ts';

const line = (level: StatusLine['level'], subject: string, message: string, mend?: string): StatusLine => ({
  ...{ level, subject, message, code: null },
  ...(mend === undefined ? {} : { mend }),
});

/** One line an application. */
export function applicationLines(looks: Readonly<Record<string, Look<ApplicationStatus>>>): readonly StatusLine[] {
  return Object.entries(looks).flatMap(([name, look]) =>
    linesOf(name, look, ({ well, message }) => [line(well ? 'ok' : 'failed', name, message)]),
  );
}

export interface DiskLimits {
  /** Per cent that must be free. */
  readonly warnFreePercent: number;
  readonly failFreePercent: number;
}

/** One line a folder whose disk must not run full. */
export function diskLines(
  looks: Readonly<Record<string, Look<DiskStatus>>>,
  limits: DiskLimits,
): readonly StatusLine[] {
  return Object.entries(looks).flatMap(([name, look]) => linesOf(name, look, (disk) => [diskLine(name, disk, limits)]));
}

function diskLine(name: string, disk: DiskStatus, { warnFreePercent, failFreePercent }: DiskLimits): StatusLine {
  const { path, freeBytes, totalBytes } = disk;
  const percent = totalBytes > 0 ? (freeBytes / totalBytes) * 100 : 0;
  const level = percent < failFreePercent ? 'failed' : percent < warnFreePercent ? 'warning' : 'ok';
  const limit =
    level === 'ok' ? '' : `; it should be ${level === 'failed' ? failFreePercent : warnFreePercent} % at least`;
  const message = `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} free (${percent.toFixed(0)} %) at ${path}${limit}`;
  return {
    ...line(level, name, message, level === 'ok' ? undefined : 'dr retention plan'),
    code: level === 'ok' ? null : 'NO_SPACE',
  };
}

/** A run that should have begun longer ago than this did not begin. */
const LATE_MS = 60_000;

/** One line a schedule. */
export function scheduleLines(look: Look<readonly ScheduleStatus[]>, nowMs: number): readonly StatusLine[] {
  return linesOf('schedules', look, (schedules) => schedules.map((one) => scheduleLine(one, nowMs)));
}

function scheduleLine(
  { id, watches, nextAt, lastAt, paused, note, missed, differs }: ScheduleStatus,
  nowMs: number,
): StatusLine {
  if (differs !== null) return line('warning', id, differs, 'dr schedule apply');
  if (watches) return line('ok', id, 'runs, and backs up on change');
  const last = lastAt === null ? 'never ran' : `last ${agoText(lastAt, nowMs)} ago`;
  const past = missed === 0 ? '' : `, ${missed} missed since it was made`;
  if (paused)
    return line('warning', id, `paused${note === '' ? '' : `: ${note}`}; ${last}${past}`, `dr schedule resume ${id}`);
  const isLate = nextAt !== null && nowMs - Date.parse(nextAt) > LATE_MS;
  if (isLate) return line('failed', id, `should have run ${agoText(nextAt, nowMs)} ago; ${last}${past}`);
  return line('ok', id, `${last}${nextAt === null ? '' : `, next in ${agoText(nextAt, nowMs)}`}${past}`);
}

const agoText = (at: string, nowMs: number): string => formatSeconds(Math.abs(nowMs - Date.parse(at)) / 1000);

/** One line a queue: who takes its work, and of which build. */
export function workerLines(look: Look<readonly QueueStatus[]>): readonly StatusLine[] {
  return linesOf('workers', look, (queues) => queues.map(queueLine));
}

function queueLine({ queue, workers }: QueueStatus): StatusLine {
  const subject = `queue ${queue}`;
  if (workers.length === 0)
    return {
      ...line('failed', subject, 'no worker polls it: runs would wait', `dr worker --queue ${queue}`),
      code: 'NO_WORKER',
    };
  const builds = new Set(workers.map(({ build }) => build));
  const names = workers.map(({ identity, build }) => (build === null ? identity : `${identity} (build ${build})`));
  const mixed = builds.size > 1 ? '; of different builds' : '';
  return line(builds.size > 1 ? 'warning' : 'ok', subject, `polled by ${names.join(', ')}${mixed}`);
}
