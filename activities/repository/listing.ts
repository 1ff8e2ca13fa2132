// What is stored: the newest checkpoint says what must be there, the tiers' listings must agree.
import type { Checkpoint, CheckpointEntry } from '../../domain/checkpoint.ts';
import { Failure } from '../../domain/failures.ts';
import type { Manifest } from '../../domain/manifest.ts';
import { backupFolder, MANIFEST, refText, SIGNATURE, systemFolder } from '../../domain/repository-layout.ts';
import type { SystemName } from '../../domain/systems.ts';
import { newestCheckpoint, newestReachable } from './checkpoints.ts';
import { type RepositoryContext, storesFor } from './context.ts';
import { readManifest } from './manifests.ts';
import type { BackupStore } from './store.ts';

const AT_ONCE = 16;

/** A backup that is stored, with its manifest. */
export interface ListedBackup {
  readonly entry: CheckpointEntry;
  readonly manifest: Manifest;
}

/**
 * Backups of one system (or of all) in one tier (or in all), newest first by sequence.
 * @param choose of the entries that are there, those whose manifests are wanted: reading a thousand takes a while.
 * @throws {Failure} LISTING_INCOMPLETE when a tier does not list what the newest checkpoint says it holds.
 */
export async function listStored(
  context: RepositoryContext,
  system: SystemName | null,
  tier: string | null,
  choose: (entries: readonly CheckpointEntry[]) => readonly CheckpointEntry[] = (entries) => entries,
): Promise<readonly ListedBackup[]> {
  // One named tier can be listed although others are gone: that is what it is for.
  const newest = tier === null ? await newestCheckpoint(context) : await newestReachable(context);
  const checkpoint = newest?.checkpoint ?? null;
  const stores = storesFor(context, tier);
  const wanted = (checkpoint?.backups ?? []).filter((entry) => isWanted(entry, system, stores));
  await Promise.all(stores.map((store) => requireListed(store, system, wanted)));
  const listed = await inBatches(choose(wanted), async (entry) => {
    const holders = stores.filter((store) => entry.tiers.includes(store.name));
    return { entry, manifest: await readFirst(context, holders, checkpoint, entry) };
  });
  return listed.toSorted((a, b) => b.entry.sequence - a.entry.sequence);
}

const isWanted = (entry: CheckpointEntry, system: SystemName | null, stores: readonly BackupStore[]) =>
  (system === null || entry.system === system) && stores.some((store) => entry.tiers.includes(store.name));

async function requireListed(store: BackupStore, system: SystemName | null, wanted: readonly CheckpointEntry[]) {
  const names = new Set((await store.list(systemFolder(system))).map(({ name }) => name));
  for (const entry of wanted.filter(({ tiers }) => tiers.includes(store.name)))
    for (const object of [MANIFEST, SIGNATURE])
      if (!names.has(backupFolder(entry) + object))
        throw new Failure(
          'LISTING_INCOMPLETE',
          `tier '${store.name}' does not list '${object}' of ${refText(entry)}, which was sealed there`,
        );
}

async function readFirst(
  context: RepositoryContext,
  [store]: readonly BackupStore[],
  checkpoint: Checkpoint | null,
  entry: CheckpointEntry,
): Promise<Manifest> {
  if (!store) throw new Failure('BUG', `no tier holds ${refText(entry)}`);
  return readManifest(context, store, checkpoint, entry);
}

/** Runs `work` for every item, some at a time, in order. */
export async function inBatches<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += AT_ONCE)
    results.push(...(await Promise.all(items.slice(start, start + AT_ONCE).map(work))));
  return results;
}
