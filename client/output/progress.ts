// How a run looks while it goes: step lines and bars. Pure text; who paints them where is in live.ts.
import { formatBytes, formatSeconds } from '../../domain/quantities.ts';
import type { StepState, StepStatus } from '../../domain/run-state.ts';
import type { ActivityFacts, Snapshot } from '../temporal/observe.ts';
import { visible } from './human.ts';

const MARKS: Readonly<Record<StepStatus, string>> = {
  pending: '·',
  running: '▶',
  waiting: '?',
  done: '✔',
  skipped: '↷',
  failed: '✘',
  undone: '↩',
  'undo-failed': '‼',
};

/** `✔ Take the backup: 3 databases` */
export function stepLine({ status, title, detail }: StepState): string {
  return `${MARKS[status]} ${visible(title)}${detail === '' ? '' : `: ${visible(detail)}`}`;
}

const BAR = 24;

/** `  ▕██████      ▏ 45% 120 MiB of 266 MiB, 40 MiB/s, 3.6 s left  postgres.takeBackup: orders` */
export function progressLine({ name, progress, attempt, lastFailure }: ActivityFacts): string {
  const again = attempt > 1 ? ` (attempt ${attempt}${lastFailure ? `: ${visible(lastFailure)}` : ''})` : '';
  if (progress === null) return `  … ${visible(name)}${again}`;
  const { what, doneBytes, totalBytes, bytesPerSecond } = progress;
  const rate = bytesPerSecond > 0 ? `, ${formatBytes(bytesPerSecond)}/s` : '';
  const label = `${visible(name)}: ${visible(what)}${again}`;
  if (totalBytes === null || totalBytes <= 0) return `  … ${formatBytes(doneBytes)}${rate}  ${label}`;
  const share = Math.min(doneBytes / totalBytes, 1);
  const filled = Math.round(share * BAR);
  const bar = `▕${'█'.repeat(filled)}${' '.repeat(BAR - filled)}▏${String(Math.floor(share * 100)).padStart(3)}%`;
  const left =
    bytesPerSecond > 0 ? `, ${formatSeconds(Math.max(totalBytes - doneBytes, 0) / bytesPerSecond)} left` : '';
  return `  ${bar} ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}${rate}${left}  ${label}`;
}

/** Everything about a run on a terminal; long lines are cut at `columns`. */
export function liveLines(snapshot: Snapshot, columns: number): string[] {
  const { state, activities } = snapshot;
  const head =
    state === null ? ['… waiting for a worker to answer'] : [`${visible(state.title)}: ${visible(state.phase)}`];
  const steps = state?.steps.map(stepLine) ?? [];
  return [...head, ...steps, ...activities.map(progressLine)].map((line) => cut(line, columns - 1));
}

const cut = (line: string, columns: number): string =>
  line.length <= columns ? line : `${line.slice(0, columns - 1)}…`;
