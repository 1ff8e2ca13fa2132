// Which backups there are, also on the day when a tier is gone.
import { isCancellation } from '@temporalio/workflow';
import type { ListLimits } from '../../domain/contracts/repository.ts';
import type { BackupSummary } from '../../domain/manifest.ts';
import type { SystemName } from '../../domain/systems.ts';
import { repository } from './activities.ts';

export interface Found {
  readonly backups: readonly BackupSummary[];
  /** The tier that answered; null when all did. */
  readonly tier: string | null;
}

/**
 * A list over all tiers needs all of them. On the day one is gone, the first that answers is enough to restore from, and
 * the plan names it.
 */
export async function listSomewhere(
  tiers: readonly string[],
  wanted: string | null,
  what: ListLimits & { readonly system: SystemName | null },
): Promise<Found> {
  const places = wanted === null ? [null, ...tiers] : [wanted];
  let failure: unknown;
  for (const tier of places) {
    try {
      const list = repository('control', 'look', `list backups${tier === null ? '' : ` in ${tier}`}`).listBackups;
      return { backups: await list({ ...what, tier }), tier };
    } catch (error) {
      if (isCancellation(error)) throw error;
      failure ??= error;
    }
  }
  throw failure;
}
