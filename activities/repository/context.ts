// What every part of the repository needs to know.
import type { Configuration } from '../../domain/configuration/schema.ts';
import { Failure } from '../../domain/failures.ts';
import type { BackupStore } from './store.ts';

export interface RepositoryContext {
  readonly platform: string;
  readonly configuration: Configuration['repository'];
  /** In the configured order. The first one decides between two sealers. */
  readonly stores: readonly BackupStore[];
  readonly witnessDirectory: string;
  readonly now: () => Date;
}

/** The store of a tier. @throws {Failure} CONFIG_INVALID when the configuration has no such tier. */
export function storeOf({ stores }: RepositoryContext, tier: string): BackupStore {
  const store = stores.find(({ name }) => name === tier);
  if (!store) throw new Failure('CONFIG_INVALID', `the configuration has no tier '${tier}'`);
  return store;
}

/** The tier that was asked for, or all of them in the configured order. */
export function storesFor(context: RepositoryContext, tier: string | null | undefined): readonly BackupStore[] {
  return tier === null || tier === undefined ? context.stores : [storeOf(context, tier)];
}

/** The store whose create-only writes decide between two sealers. */
export function leadStore({ stores }: RepositoryContext): BackupStore {
  const [lead] = stores;
  if (!lead) throw new Failure('CONFIG_INVALID', 'no tier is configured');
  return lead;
}
