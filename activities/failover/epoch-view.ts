// The epochs as a site sees them, through a folder of the witness that may be a mount: one that is not there is no epoch
// store without epochs.
import { join } from 'node:path';
import type { EpochView } from '../../domain/agent.ts';
import { failoverEpochOf } from '../../domain/failover-record.ts';
import { recordNames } from '../shared/durable-files.ts';
import { EpochStore, type EpochStoreOptions } from './epoch-store.ts';

/**
 * Does: reads every epoch, every ordered fence, and which failovers opened their site.
 * Repeat: reads again. Undo: none needed, nothing is written.
 * @throws {Failure} STORE_UNREACHABLE where no witness made its folder, EPOCH_BROKEN.
 */
export async function readEpochView(options: Omit<EpochStoreOptions, 'now'>): Promise<EpochView> {
  const store = new EpochStore({ ...options, now: () => new Date() });
  const fenced = await store.fencedEpochs();
  const names = await recordNames(join(options.witnessDirectory, 'ledger'));
  const opened = names.flatMap((name) => failoverEpochOf(name) ?? []);
  return { firstSite: options.activeSite, epochs: await store.records(), fenced, opened };
}
