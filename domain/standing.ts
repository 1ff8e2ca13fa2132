// A backup's line in a list, made of its manifest and of what is known about its proofs and holds.
import type { CheckpointEntry } from './checkpoint.ts';
import { type BackupSummary, type Manifest, totalBytes } from './manifest.ts';

export interface KnownStanding {
  /** Time of the newest proof; null when it was never restored and compared. */
  readonly provenAt: string | null;
  readonly held: boolean;
}

/** The summary of a sealed backup. */
export function summaryOf(
  manifest: Manifest,
  { tiers }: Pick<CheckpointEntry, 'tiers'>,
  known: KnownStanding,
): BackupSummary {
  const { system, backupId, kind, site, sequence, momentAt, sealedAt, counts, parents, warnings } = manifest;
  return {
    system,
    backupId,
    kind,
    site,
    sequence,
    momentAt,
    sealedAt,
    standing: known.provenAt === null ? 'stored' : 'proven',
    ...known,
    tiers,
    ...totalBytes(manifest.artifacts),
    counts,
    parents,
    warnings,
  };
}
