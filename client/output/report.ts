// The closing words of a run: tables of backups, findings and steps, and the exit code that fits them.
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { EXIT, FAILURES, isFailureCode } from '../../domain/failures.ts';
import type { BackupSummary } from '../../domain/manifest.ts';
import { formatBytes, formatSeconds } from '../../domain/quantities.ts';
import type { Outcome, RunReport } from '../../domain/run-state.ts';
import type { KeptData } from '../../workflows/messages.ts';
import { table, timeText, visible } from './human.ts';
import type { Output } from './output.ts';
import { stepLine } from './progress.ts';

/** Exit code of a run by its outcome; warnings among the findings of a good run are told by the code too. */
export function exitOf(outcome: Outcome, findings: readonly Finding[]): number {
  const BY_OUTCOME: Readonly<Record<Outcome, number>> = {
    succeeded: EXIT.done,
    failed: EXIT.failed,
    undone: EXIT.undone,
    stuck: EXIT.stuck,
    cancelled: EXIT.undone,
    'taken-over': EXIT.locked,
  };
  if (outcome !== 'succeeded') return BY_OUTCOME[outcome];
  if (findings.some(({ level }) => level === 'failed')) return EXIT.failed;
  return findings.some(({ level }) => level === 'warning') ? EXIT.warnings : EXIT.done;
}

/** Warnings and failures, each with the command that mends it; `all` shows what is well too. */
export function findingsText(findings: readonly Finding[], output: Output, all = false): string {
  const shown = findings.filter(({ level }) => all || level !== 'ok');
  return shown.map((finding) => findingText(finding, output)).join('\n');
}

/** The end of a restore or a recovery: its steps, what was found, and what was kept of the replaced. */
export function restoredText({ findings, kept, report }: Restored, output: Output): string {
  const left = kept.map(({ what, where, removeWith }) => `kept: ${what} at ${where}; remove it with: ${removeWith}`);
  return blocks(
    stepsText(report),
    findingsText(findings, output, true),
    left.map(visible).join('\n'),
    reportLine(report),
  );
}

interface Restored {
  readonly findings: readonly Finding[];
  readonly kept: readonly KeptData[];
  readonly report: RunReport;
}

const LEVEL = { ok: ['✔', 'green'], warning: ['!', 'yellow'], failed: ['✘', 'red'] } as const;

function findingText(finding: Finding, output: Output): string {
  const [mark, style] = LEVEL[finding.level];
  const [first = '', ...rest] = finding.message.split('\n').map(visible);
  const advice = adviceOf(finding);
  return [
    `${output.paint(style, mark)} ${visible(finding.subject)}: ${first}`,
    ...rest.map((line) => `    ${line}`),
    ...(advice === null ? [] : [`    DO: ${visible(advice)}`]),
  ].join('\n');
}

// The finding's own command, else the table's advice for its code where that needs no further names.
function adviceOf({ level, message, mend, code }: Finding): string | null {
  if (level === 'ok' || message.includes('\nDO: ')) return null;
  const general = isFailureCode(code) ? FAILURES[code].action : null;
  return mend ?? (general?.includes('{') ? null : general);
}

/** How much smaller the stored bytes are: `4.2x`. */
export function ratioText({ plainBytes, storedBytes }: Pick<BackupSummary, 'plainBytes' | 'storedBytes'>): string {
  return storedBytes === 0 ? '-' : `${(plainBytes / storedBytes).toFixed(1)}x`;
}

/** Backups with their standing, size and place. */
export function backupTable(backups: readonly BackupSummary[]): string {
  return table<BackupSummary>(
    [
      { title: 'SYSTEM', value: (one) => one.system },
      { title: 'BACKUP', value: (one) => one.backupId },
      { title: 'MOMENT', value: (one) => timeText(one.momentAt) },
      { title: 'STANDING', value: (one) => `${one.standing}${one.held ? ', held' : ''}` },
      { title: 'SIZE', value: (one) => formatBytes(one.plainBytes), right: true },
      { title: 'STORED', value: (one) => formatBytes(one.storedBytes), right: true },
      { title: 'RATIO', value: ratioText, right: true },
      { title: 'TIERS', value: (one) => one.tiers.join(', ') },
    ],
    backups,
  );
}

/** Sentences that every report of a backup must show. */
export function backupWarnings(backups: readonly BackupSummary[]): string {
  return backups
    .flatMap(({ system, backupId, warnings }) => warnings.map((line) => `! ${system}/${backupId}: ${visible(line)}`))
    .join('\n');
}

/** One line: outcome and time, people's time apart. */
export function reportLine({ run, outcome, seconds, waitedSeconds }: RunReport): string {
  const waited = waitedSeconds > 0 ? ` (of which ${formatSeconds(waitedSeconds)} waiting for people)` : '';
  return `${run} ${outcome} in ${formatSeconds(seconds)}${waited}`;
}

export const stepsText = ({ steps }: RunReport): string => steps.map(stepLine).join('\n');

/** Joins blocks with an empty line between them, leaving out empty ones. */
export const blocks = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join('\n\n');
