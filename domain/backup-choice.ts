// Which backup serves a request: pure choices over the list of backups.
import type { ListLimits } from './contracts/repository.ts';
import type { BackupSummary } from './manifest.ts';
import { kindOf, type RestoreScopeKind, type SystemName } from './systems.ts';

export interface BackupWish {
  readonly system: SystemName;
  /** An id, or `newest`. */
  readonly backupId: string;
  readonly scope: RestoreScopeKind;
  /** Kind wanted, or undefined for any that can restore the scope. */
  readonly kind: string | undefined;
}

/** The backup that was named, or the newest (by sequence, not by clock) that can restore the scope; undefined if none. */
export function chooseBackup(backups: readonly BackupSummary[], wish: BackupWish): BackupSummary | undefined {
  const ofSystem = backups.filter(({ system }) => system === wish.system);
  if (wish.backupId !== 'newest') return ofSystem.find(({ backupId }) => backupId === wish.backupId);
  return ofSystem
    .filter(({ kind }) => wish.kind === undefined || kind === wish.kind)
    .filter(({ system, kind }) => kindOf(system, kind)?.restores.includes(wish.scope) === true)
    .reduce<BackupSummary | undefined>(newer, undefined);
}

/** The newest backup of every system and kind, in the order of the systems given. */
export function newestOfEachKind(backups: readonly BackupSummary[], systems: readonly SystemName[]): BackupSummary[] {
  const newest = new Map<string, BackupSummary>();
  for (const backup of backups) {
    const key = `${backup.system}/${backup.kind}`;
    newest.set(key, newer(newest.get(key), backup));
  }
  return [...newest.values()]
    .filter(({ system }) => systems.includes(system))
    .sort((a, b) => systems.indexOf(a.system) - systems.indexOf(b.system) || a.sequence - b.sequence);
}

/** The backups of a list, newest first, that the limits let through. */
export function withinLimits<T extends Pick<BackupSummary, 'system' | 'backupId' | 'kind' | 'provenAt' | 'momentAt'>>(
  newestFirst: readonly T[],
  { backupId, newestOfEach, notAfter, most = Number.POSITIVE_INFINITY }: ListLimits,
): readonly T[] {
  const named = newestFirst
    .filter((backup) => backupId === undefined || backup.backupId === backupId)
    .filter(({ momentAt }) => notAfter === undefined || Date.parse(momentAt) <= Date.parse(notAfter));
  const groups = Map.groupBy(named, ({ system, kind }) => `${system}/${kind}`).values();
  const telling = new Set(
    newestOfEach === undefined ? named : [...groups].flatMap((one) => tellingOf(one, newestOfEach)),
  );
  return named.filter((backup) => telling.has(backup)).slice(0, most);
}

// Beside the newest: the last that was proven, and the oldest, which tells for how long there have been backups.
function tellingOf<T extends Pick<BackupSummary, 'provenAt'>>(newestFirst: readonly T[], count: number): readonly T[] {
  const proven = newestFirst.find(({ provenAt }) => provenAt !== null);
  return [...newestFirst.slice(0, count), ...[proven, newestFirst.at(-1)].filter((one) => one !== undefined)];
}

function newer(best: BackupSummary | undefined, candidate: BackupSummary): BackupSummary {
  return best === undefined || candidate.sequence > best.sequence ? candidate : best;
}
