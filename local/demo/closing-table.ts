// The two tables at the end: what was protected, and what came back how fast against its objective.
import type { BackupSummary } from '../../domain/manifest.ts';
import type { RunReport } from '../../domain/run-state.ts';
import { SYSTEMS, type SystemName } from '../../domain/systems.ts';
import { count, size, table, time } from './screen.ts';

export interface Recovered {
  readonly system: SystemName;
  readonly act: string;
  /** From the loss to the end of the restore. */
  readonly milliseconds: number;
  readonly same: boolean;
}

/** One row for each backup, with sizes, ratio and the time its run took. */
export function protectedTable(backups: readonly BackupSummary[], report: RunReport): string[] {
  const rows = backups.map((backup) => [
    SYSTEMS[backup.system].title,
    backup.kind,
    contents(backup.counts),
    size(backup.plainBytes),
    size(backup.storedBytes),
    ratio(backup),
    stepTime(report, `${backup.system}-${backup.kind}`),
    backup.tiers.join(' + '),
  ]);
  return table([['protected', 'kind', 'contents', 'read', 'stored', 'ratio', 'time', 'tiers'], ...rows]);
}

// Sizes have columns of their own, and what is not there says nothing.
function contents(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([name, value]) => value > 0 && !/bytes/i.test(name))
    .sort(([, a], [, b]) => b - a)
    .slice(0, 3)
    .map(([name, value]) => `${count(value)} ${name}`)
    .join(', ');
}

const ratio = ({ plainBytes, storedBytes }: BackupSummary) =>
  storedBytes === 0 ? '' : `${(plainBytes / storedBytes).toFixed(1)}:1`;

function stepTime(report: RunReport, id: string): string {
  const step = report.steps.find((candidate) => candidate.id === id);
  if (!step?.startedAt || !step.endedAt) return '';
  return time(Date.parse(step.endedAt) - Date.parse(step.startedAt));
}

/** One row for each loss: how long it took to be back, and the objective (RTO) of its system. */
export function recoveredTable(recovered: readonly Recovered[]): string[] {
  const rows = recovered.map(({ system, act, milliseconds, same }) => {
    const objective = SYSTEMS[system].objective.rtoSeconds * 1000;
    const verdict = same && milliseconds <= objective ? 'met' : 'MISSED';
    return [SYSTEMS[system].title, act, time(milliseconds), time(objective), verdict, same ? 'the same' : 'DIFFERENT'];
  });
  return table([['lost', 'how', 'back after', 'objective', 'RTO', 'counts and checksums'], ...rows]);
}
