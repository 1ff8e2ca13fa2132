// How one tier is now, for `dr status`: read from that tier alone, so that one that is down hides nothing of the others.
import type { CheckpointEntry } from '../../domain/checkpoint.ts';
import type { TierStatus } from '../../domain/contracts/status.ts';
import { kindIn } from '../../domain/manifest.ts';
import { proofFolder } from '../../domain/repository-layout.ts';
import { HISTORY } from '../../domain/verification.ts';
import { readKnownRecords, summarize } from './catalogue-activities.ts';
import { type RepositoryContext, storeOf } from './context.ts';
import { inBatches, listStored } from './listing.ts';

/**
 * Does: reads the tier's newest checkpoint, its listings, and the manifests of some backups of each kind.
 * Repeat: reads again. Undo: none needed, nothing is changed.
 * @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED, CHECKPOINT_MISMATCH when it holds less than was sealed,
 * LISTING_INCOMPLETE.
 */
export async function lookAtTier(context: RepositoryContext, tier: string): Promise<TierStatus> {
  const store = storeOf(context, tier);
  const alone: RepositoryContext = { ...context, stores: [store] };
  const records = await readKnownRecords(alone);
  let stored = 0;
  const listed = await listStored(alone, null, tier, (entries) => {
    stored = entries.length;
    return tellingOf(entries, (entry) => records.proofs.has(proofFolder(entry)));
  });
  const telling = await inBatches(listed, (one) => summarize(alone, one, records));
  return { name: tier, kind: store.kind, freeBytes: await store.freeBytes(), stored, telling };
}

// Of each system and kind: the newest, those before it that it is compared with, the newest that was proven, and the
// oldest, which tells for how long there have been backups.
function tellingOf(entries: readonly CheckpointEntry[], isProven: (entry: CheckpointEntry) => boolean) {
  const kinds = Map.groupBy(entries, ({ system, backupId }) => `${system} ${kindIn(backupId)}`);
  return [...kinds.values()].flatMap((ofKind) => {
    const newestFirst = ofKind.toSorted((a, b) => b.sequence - a.sequence);
    const others = [newestFirst.find(isProven), newestFirst.at(-1)].filter((one) => one !== undefined);
    return [...new Set([...newestFirst.slice(0, HISTORY + 1), ...others])];
  });
}
