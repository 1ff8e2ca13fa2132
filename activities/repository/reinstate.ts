// A hold that came while retention was at work: what is held, and what it needs, is named again as it was before.
import { type CheckpointEntry, isSameBackup } from '../../domain/checkpoint.ts';
import { Failure } from '../../domain/failures.ts';
import type { BackupRef } from '../../domain/manifest.ts';
import {
  backupFolder,
  MANIFEST,
  refText,
  SIGNATURE,
  WITHDRAWAL,
  withdrawnFolder,
} from '../../domain/repository-layout.ts';
import type { RetentionDecision } from '../../domain/retention.ts';
import { checkpointsBackwards, writeCheckpoint } from './checkpoints.ts';
import { type RepositoryContext, storeOf } from './context.ts';
import { activeHolds, listHolds } from './holds.ts';
import { type BackupStore, createText, readText } from './store.ts';

type Place = Pick<RetentionDecision, 'backup' | 'tier'>;

/**
 * Call it after a checkpoint left `going` out: whoever places a hold looks at the checkpoint after having written it, so
 * one of the two sees the other. @returns the places that stay after all.
 */
export async function reinstateHeld<P extends Place>(
  context: RepositoryContext,
  going: readonly P[],
): Promise<readonly P[]> {
  const holds = await listHolds(context.stores);
  const areHeld = await Promise.all(
    going.map(async ({ backup }) => (await activeHolds(context, holds, backup)).length > 0),
  );
  const held = going.filter((_, index) => areHeld[index]);
  if (held.length === 0) return [];
  const entries = await Promise.all(going.map((place) => lastEntry(context, place)));
  const staying = withParents(going, held, entries);
  // The manifests first: a listing is never shorter than the newest checkpoint.
  for (const { backup, tier } of staying) await moveBack(storeOf(context, tier), backup);
  const wanted = entries.filter((entry) => staying.some(({ backup }) => isSameBackup(backup, entry)));
  await writeCheckpoint(context, (backups) => wanted.reduce((all, entry) => named(all, entry, staying), backups));
  return staying;
}

// The newest checkpoint that named this place. Old ones are kept far longer than a withdrawal takes.
async function lastEntry(context: RepositoryContext, { backup, tier }: Place): Promise<CheckpointEntry> {
  for await (const { backups } of checkpointsBackwards(context)) {
    const entry = backups.find((one) => isSameBackup(one, backup) && one.tiers.includes(tier));
    if (entry) return entry;
  }
  throw new Failure('COULD_NOT_VERIFY', `no checkpoint names ${refText(backup)} in tier '${tier}', and it is held`);
}

function withParents<P extends Place>(
  going: readonly P[],
  held: readonly P[],
  entries: readonly CheckpointEntry[],
): readonly P[] {
  const staying = new Set(held);
  for (const { backup } of staying) {
    const { parents = [] } = entries.find((entry) => isSameBackup(entry, backup)) ?? {};
    for (const place of going)
      if (place.backup.system === backup.system && parents.includes(place.backup.backupId)) staying.add(place);
  }
  return [...staying];
}

function named(
  backups: readonly CheckpointEntry[],
  entry: CheckpointEntry,
  staying: readonly Place[],
): readonly CheckpointEntry[] {
  const there = backups.find((one) => isSameBackup(one, entry));
  const isThere = (tier: string) =>
    there?.tiers.includes(tier) || staying.some((one) => one.tier === tier && isSameBackup(one.backup, entry));
  const others = backups.filter((one) => one !== there);
  return [...others, { ...entry, tiers: entry.tiers.filter(isThere) }].sort((a, b) => a.sequence - b.sequence);
}

// Only an earlier try that was interrupted can have moved them; the record of the withdrawal goes last.
async function moveBack(store: BackupStore, backup: BackupRef): Promise<void> {
  for (const name of [SIGNATURE, MANIFEST]) {
    const text = await readText(store, withdrawnFolder(backup) + name);
    if (text === null) continue;
    await createText(store, backupFolder(backup) + name, text);
    await store.remove(withdrawnFolder(backup) + name);
  }
  const record = withdrawnFolder(backup) + WITHDRAWAL;
  if ((await readText(store, record)) !== null) await store.remove(record);
}
