// Holds: a held backup is kept whatever its age. A hold that cannot be read holds; a release that cannot be trusted
// releases nothing.
import type { BackupRef } from '../../domain/manifest.ts';
import { type HoldRecord, parseHold } from '../../domain/records.ts';
import { HOLDS } from '../../domain/repository-layout.ts';
import type { RepositoryContext } from './context.ts';
import { requireEntry } from './entries.ts';
import { decideRecord, readRecord } from './records.ts';
import type { BackupStore } from './store.ts';

interface Reason {
  readonly backup: BackupRef;
  readonly reason: string;
  readonly person: string;
}

const stemOf = ({ system, backupId }: BackupRef) => `${HOLDS}${system}.${backupId}.`;
const HOLD = /^(.*\.)(\d+)\.json$/;
const releaseOf = (hold: string) => hold.replace(/\.json$/, '.released.json');

/** Names of the holds in the tiers, with the tiers in which each one lies or is released. */
export interface HoldNames {
  readonly holds: ReadonlySet<string>;
  readonly releases: ReadonlyMap<string, readonly BackupStore[]>;
}

/** Lists all holds and releases. */
export async function listHolds(stores: readonly BackupStore[]): Promise<HoldNames> {
  const holds = new Set<string>();
  const releases = new Map<string, BackupStore[]>();
  for (const store of stores)
    for (const { name } of await store.list(HOLDS)) {
      if (HOLD.test(name)) holds.add(name);
      else releases.set(name, [...(releases.get(name) ?? []), store]);
    }
  return { holds, releases };
}

/** Names of a backup's holds that no trusted release has ended. */
export async function activeHolds(
  context: RepositoryContext,
  names: HoldNames,
  backup: BackupRef,
): Promise<readonly string[]> {
  const own = [...names.holds].filter((name) => HOLD.exec(name)?.[1] === stemOf(backup));
  const isReleased = await Promise.all(own.map((name) => hasRelease(context, names, name, backup)));
  return own.filter((_, index) => !isReleased[index]);
}

async function hasRelease(context: RepositoryContext, { releases }: HoldNames, hold: string, backup: BackupRef) {
  for (const store of releases.get(releaseOf(hold)) ?? []) {
    const record = await readRecord(context, store, releaseOf(hold), parseHold);
    if (record?.type === 'release' && record.system === backup.system && record.backupId === backup.backupId)
      return true;
  }
  return false;
}

/**
 * Holds a backup. The same person with the same reason holds it once.
 * @throws {Failure} BACKUP_NOT_FOUND, also when retention withdrew it at the same time and did not see the hold.
 */
export async function holdBackup(context: RepositoryContext, hold: Reason): Promise<void> {
  await requireEntry(context, hold.backup);
  await writeHold(context, hold);
  // Retention looks for holds after its checkpoint, a hold looks for the checkpoint after its record: one sees the other.
  await requireEntry(context, hold.backup);
}

async function writeHold(context: RepositoryContext, { backup, reason, person }: Reason): Promise<void> {
  const names = await listHolds(context.stores);
  for (const name of await activeHolds(context, names, backup))
    if (await isHeldBy(context, name, person, reason)) return;
  await decideRecord(context, `${stemOf(backup)}${nextNumber(names, backup)}.json`, () =>
    recordOf(context, 'hold', { backup, reason, person }),
  );
}

async function isHeldBy(context: RepositoryContext, name: string, person: string, reason: string): Promise<boolean> {
  for (const store of context.stores) {
    const record = await readRecord(context, store, name, parseHold);
    if (record?.person === person && record.reason === reason) return true;
  }
  return false;
}

function nextNumber({ holds }: HoldNames, backup: BackupRef): number {
  const numbers = [...holds].flatMap((name) => {
    const [, stem, digits] = HOLD.exec(name) ?? [];
    return stem === stemOf(backup) ? [Number(digits)] : [];
  });
  return Math.max(0, ...numbers) + 1;
}

function recordOf(
  context: RepositoryContext,
  type: HoldRecord['type'],
  { backup, reason, person }: Reason,
): HoldRecord {
  const at = context.now().toISOString();
  return { type, format: 1, platform: context.platform, ...backup, at, reason, person };
}

/** Ends every hold of a backup; a later hold is a new one. */
export async function releaseBackup(context: RepositoryContext, release: Reason): Promise<void> {
  await requireEntry(context, release.backup);
  const active = await activeHolds(context, await listHolds(context.stores), release.backup);
  for (const name of active) await decideRecord(context, releaseOf(name), () => recordOf(context, 'release', release));
}
