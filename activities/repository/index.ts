// The repository: encrypted, signed backups in several tiers. docs/repository-format.md describes what is stored.
import type { Configuration } from '../../domain/configuration/schema.ts';
import type { BackupReader, BackupWriter } from '../../domain/contracts/backup-content.ts';
import type { RepositoryActivities, RepositoryFacts, TextTier } from '../../domain/contracts/repository.ts';
import type { TierStatus } from '../../domain/contracts/status.ts';
import { catalogueActivities } from './catalogue-activities.ts';
import type { RepositoryContext } from './context.ts';
import { keyActivities } from './key-activities.ts';
import { listStored } from './listing.ts';
import { lookAtTier } from './look.ts';
import { inspectRepository } from './prepare.ts';
import { createReader } from './reader.ts';
import { retentionActivities } from './retention.ts';
import { textTierOf } from './store.ts';
import { openTiers } from './tiers.ts';
import { createWriter } from './writer.ts';
import { writingActivities } from './writing-activities.ts';

export interface RepositoryDependencies {
  readonly platform: string;
  readonly repository: Configuration['repository'];
  /** Folder at the witness where the newest checkpoint numbers are kept. */
  readonly witnessDirectory: string;
  readonly now?: () => Date;
}

export interface Repository {
  readonly activities: RepositoryActivities;
  /** The writing side for one site's systems. */
  writerFor(site: string): BackupWriter;
  readonly reader: BackupReader;
  /** What `prepare` finds, for a person: every finding, and nothing is thrown for a tier that fails. */
  inspect(): Promise<RepositoryFacts>;
  /** How one tier is now, whatever the others do. */
  lookAt(tier: string): Promise<TierStatus>;
  /** The tiers as places for small texts that other rooms keep there. */
  readonly textTiers: readonly TextTier[];
}

/** Builds the repository of a platform. Nothing is reached before the first use. */
export function createRepository(dependencies: RepositoryDependencies): Repository {
  const { platform, repository, witnessDirectory, now = () => new Date() } = dependencies;
  const stores = openTiers(repository.tiers);
  const context: RepositoryContext = { platform, configuration: repository, stores, witnessDirectory, now };
  return {
    activities: createActivities(context),
    inspect: () => inspectRepository(context),
    lookAt: (tier) => lookAtTier(context, tier),
    textTiers: stores.map(textTierOf),
    writerFor: (site) => createWriter(context, site),
    reader: createReader(context, async (system) =>
      (await listStored(context, system, null)).map(({ manifest }) => manifest),
    ),
  };
}

function createActivities(context: RepositoryContext): RepositoryActivities {
  return {
    ...writingActivities(context),
    ...catalogueActivities(context),
    ...retentionActivities(context),
    ...keyActivities(context),
  };
}
