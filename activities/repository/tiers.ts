// The one list of kinds of tiers.
import type { TierConfiguration } from '../../domain/configuration/schema.ts';
import { openFolderStore } from './folder-store.ts';
import type { S3Clients } from './s3-client.ts';
import { openS3Store } from './s3-store.ts';
import type { BackupStore } from './store.ts';

/** Opens the tiers of the configuration, in its order. Nothing is reached before the first use. */
export function openTiers(tiers: Readonly<Record<string, TierConfiguration>>): readonly BackupStore[] {
  const clients: S3Clients = new Map();
  return Object.entries(tiers).map(([name, tier]) => openTier(name, tier, clients));
}

function openTier(name: string, tier: TierConfiguration, clients: S3Clients): BackupStore {
  return tier.kind === 'folder' ? openFolderStore(name, tier.path) : openS3Store(name, tier, clients);
}
