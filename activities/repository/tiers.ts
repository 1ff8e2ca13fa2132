// The one list of kinds of tiers.
import type { TierConfiguration } from '../../domain/configuration/schema.ts';
import { openFolderStore } from './folder-store.ts';
import { openS3Store } from './s3-store.ts';
import type { BackupStore } from './store.ts';

/** Opens the tiers of the configuration, in its order. Nothing is reached before the first use. */
export function openTiers(tiers: Readonly<Record<string, TierConfiguration>>): readonly BackupStore[] {
  return Object.entries(tiers).map(([name, tier]) => openTier(name, tier));
}

function openTier(name: string, tier: TierConfiguration): BackupStore {
  return tier.kind === 'folder' ? openFolderStore(name, tier.path) : openS3Store(name, tier);
}
