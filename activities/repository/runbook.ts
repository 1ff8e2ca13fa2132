// The runbook: made of the newest proven backups, and kept in every tier as `runbook.md`.

import { isSameBackup, type KeyRecord } from '../../domain/checkpoint.ts';
import type { TierConfiguration } from '../../domain/configuration/schema.ts';
import { currentKey, holdersOf } from '../../domain/key-rotation.ts';
import type { Manifest } from '../../domain/manifest.ts';
import { RUNBOOK } from '../../domain/repository-layout.ts';
import { type RunbookBackup, runbookText } from '../../domain/runbook.ts';
import type { RepositoryContext } from './context.ts';
import { type ListedBackup, listStored } from './listing.ts';
import { listProofs, provenAt } from './proofs.ts';
import { createText, readText } from './store.ts';

/** The text as it is now. @throws {Failure} when what is stored cannot be listed in full. */
export async function makeRunbook(context: RepositoryContext): Promise<string> {
  const { platform, configuration } = context;
  const tiers = Object.entries(configuration.tiers).map(([name, tier]) => `${name} (${placeOf(tier)})`);
  return runbookText({ platform, madeAt: context.now().toISOString(), tiers, backups: await newestProven(context) });
}

const placeOf = (tier: TierConfiguration): string =>
  tier.kind === 'folder'
    ? tier.path
    : `s3://${tier.bucket}/${tier.prefix}${tier.endpoint ? ` at ${tier.endpoint}` : ''}`;

async function newestProven(context: RepositoryContext): Promise<readonly RunbookBackup[]> {
  const proofs = await listProofs(context.stores);
  const listed = await listStored(context, null, null);
  const found = new Map<string, RunbookBackup>();
  for (const { entry, manifest } of listed) {
    const kind = `${manifest.system} ${manifest.kind}`;
    const key = currentKey(entry);
    if (found.has(kind) || key === undefined) continue;
    const proof = await provenAt(context, proofs, entry, entry.manifestSha256);
    const parents = parentsOf(manifest, listed);
    if (proof !== null && parents !== null) found.set(kind, { ...openingOf(manifest, key), provenAt: proof, parents });
  }
  return [...found.values()].sort((a, b) => (a.manifest.system < b.manifest.system ? -1 : 1));
}

const openingOf = (manifest: Manifest, key: KeyRecord) => ({
  manifest,
  key: key.name,
  openedBy: holdersOf(key, manifest),
});

// A chain with a gap brings nothing back, so an older backup is the newest that can be told.
function parentsOf({ system, parents }: Manifest, listed: readonly ListedBackup[]): RunbookBackup['parents'] | null {
  const found = parents.map((backupId) => listed.find((one) => isSameBackup(one.manifest, { system, backupId })));
  const whole = found.flatMap((one) => {
    const key = one && currentKey(one.entry);
    return one && key ? [openingOf(one.manifest, key)] : [];
  });
  return whole.length === parents.length ? whole : null;
}

/** Writes it into every tier. It is the one object that is replaced: nothing of ours reads it or trusts it. */
export async function writeRunbook(context: RepositoryContext): Promise<void> {
  const text = await makeRunbook(context);
  for (const store of context.stores) {
    if ((await readText(store, RUNBOOK)) !== null) await store.remove(RUNBOOK);
    await createText(store, RUNBOOK, text);
  }
}
