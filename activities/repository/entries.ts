// The entry of a backup in the newest checkpoint.
import { type CheckpointEntry, entryOf } from '../../domain/checkpoint.ts';
import { Failure } from '../../domain/failures.ts';
import type { BackupRef } from '../../domain/manifest.ts';
import { refText } from '../../domain/repository-layout.ts';
import { newestCheckpoint } from './checkpoints.ts';
import type { RepositoryContext } from './context.ts';

/** @throws {Failure} BACKUP_NOT_FOUND when the newest checkpoint does not know the backup. */
export async function requireEntry(context: RepositoryContext, backup: BackupRef): Promise<CheckpointEntry> {
  const entry = entryOf((await newestCheckpoint(context))?.checkpoint ?? null, backup);
  if (entry) return entry;
  throw new Failure('BACKUP_NOT_FOUND', `there is no backup '${refText(backup)}'`, { backup: backup.backupId });
}
