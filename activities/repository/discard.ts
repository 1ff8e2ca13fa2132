// Removing what a backup that was never sealed left in the tiers.
import { entryOf } from '../../domain/checkpoint.ts';
import { Failure } from '../../domain/failures.ts';
import type { BackupRef } from '../../domain/manifest.ts';
import { backupFolder, MANIFEST, refText, SIGNATURE } from '../../domain/repository-layout.ts';
import { newestCheckpoint } from './checkpoints.ts';
import type { RepositoryContext } from './context.ts';
import { inTurn } from './seal.ts';
import type { BackupStore, StoredObject } from './store.ts';

/**
 * Removes an unsealed backup's objects and unfinished uploads from every tier.
 * @throws {Failure} RETENTION_REFUSED when the backup is sealed, or a sealer has begun to seal it.
 */
export function discardUnsealed(context: RepositoryContext, backup: BackupRef): Promise<void> {
  // In turn with sealers: what is looked at here must not be sealed a moment later.
  return inTurn(() => discard(context, backup));
}

async function discard(context: RepositoryContext, backup: BackupRef): Promise<void> {
  const checkpoint = (await newestCheckpoint(context))?.checkpoint ?? null;
  if (entryOf(checkpoint, backup)) throw refused(backup, 'the newest checkpoint names it');
  const folders = await Promise.all(context.stores.map((store) => store.list(backupFolder(backup))));
  const isSealed = folders.flat().some(({ name }) => name.endsWith(`/${MANIFEST}`) || name.endsWith(`/${SIGNATURE}`));
  if (isSealed) throw refused(backup, 'its manifest is stored');
  await Promise.all(context.stores.map((store, index) => removeSeen(store, backup, folders[index] ?? [])));
}

// Only what was looked at: a signature or a manifest that came meanwhile is not ours to remove.
async function removeSeen(store: BackupStore, backup: BackupRef, seen: readonly StoredObject[]): Promise<void> {
  await store.removeUnfinished(backupFolder(backup), null);
  for (const { name } of seen) await store.remove(name);
}

function refused(backup: BackupRef, why: string): Failure {
  return new Failure('RETENTION_REFUSED', `backup '${refText(backup)}' was sealed: ${why}`, {
    backup: backup.backupId,
  });
}
