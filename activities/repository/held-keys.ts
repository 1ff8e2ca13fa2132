// Who can open what is stored: the newest checkpoint says so of rotated keys, the manifests of all others.
import { type Checkpoint, type CheckpointEntry, entryOf } from '../../domain/checkpoint.ts';
import { canonicalJson } from '../../domain/json.ts';
import {
  currentKey,
  type HeldKey,
  holdersOf,
  KEY_DOMAINS,
  type KeyDomain,
  type KeyReport,
  planDomain,
  type RotationPlan,
  reportKeys,
} from '../../domain/key-rotation.ts';
import type { BackupRef, KeyHolder, ShownBackup } from '../../domain/manifest.ts';
import { newestCheckpoint, newestReachable } from './checkpoints.ts';
import type { RepositoryContext } from './context.ts';
import { firstWhole } from './first-whole.ts';
import { inBatches } from './listing.ts';
import { readManifest } from './manifests.ts';
import { sha256Of } from './measure.ts';
import { openStored } from './reader.ts';
import { keySetIn, readRecipients, requireProvable } from './recipients.ts';

/** A stored backup, its entry in the checkpoint, and who can open it. */
export interface HeldEntry extends HeldKey {
  readonly entry: CheckpointEntry;
}

/** Who can open backups of a checkpoint (all of them, newest first, if none are named). */
export async function heldKeys(
  context: RepositoryContext,
  checkpoint: Checkpoint | null,
  entries = (checkpoint?.backups ?? []).toReversed(),
): Promise<HeldEntry[]> {
  return inBatches(entries, async (entry) => {
    const { system, backupId } = entry;
    // Manifests are read only where the checkpoint does not say.
    const holders = currentKey(entry)?.recipients ?? (await manifestOf(context, checkpoint, entry)).recipients;
    return { entry, backup: { system, backupId }, holders };
  });
}

/** The manifest of a backup from the first tier with a whole copy. */
export function manifestOf(context: RepositoryContext, checkpoint: Checkpoint | null, entry: CheckpointEntry) {
  return firstWhole(storesOf(context, entry), (store) => readManifest(context, store, checkpoint, entry));
}

/** The tiers that must hold a backup. */
export const storesOf = ({ stores }: RepositoryContext, { tiers }: CheckpointEntry) =>
  stores.filter(({ name }) => tiers.includes(name));

/** The recipients that the configuration wants in a domain. */
export async function wantedHolders(context: RepositoryContext, domain: KeyDomain): Promise<readonly KeyHolder[]> {
  const recipients = await readRecipients(keySetIn(context.configuration, domain));
  return recipients.map(({ name, keyId }) => ({ name, keyId }));
}

/** Which keys open what. It needs no private key, and only one tier that answers. */
export async function reportHeldKeys(context: RepositoryContext): Promise<KeyReport> {
  const held = await heldKeys(context, (await newestReachable(context))?.checkpoint ?? null);
  const [general, tls] = await Promise.all(KEY_DOMAINS.map((domain) => wantedHolders(context, domain)));
  return reportKeys(held, (domain) => (domain === 'tls' ? tls : general) ?? []);
}

/**
 * What a rotation would change. Every tier must answer.
 * @throws {Failure} KEY_MISSING, WRONG_KEY when this worker could not prove what it wraps; KEY_DISABLED, KEY_UNREACHABLE.
 */
export async function planRotation(context: RepositoryContext): Promise<RotationPlan> {
  const held = await heldKeys(context, (await newestCheckpoint(context))?.checkpoint ?? null);
  const domains = await Promise.all(
    KEY_DOMAINS.map(async (domain) => planDomain(domain, await wantedHolders(context, domain), held)),
  );
  for (const { domain, stale } of domains)
    if (stale > 0) await requireProvable(keySetIn(context.configuration, domain), context.platform);
  return { domains, digest: await wantedDigest(context) };
}

/** SHA-256 of who shall be able to open what: what a person approves, and everyone else loses. */
export async function wantedDigest(context: RepositoryContext): Promise<string> {
  const wanted = await Promise.all(KEY_DOMAINS.map((domain) => wantedHolders(context, domain)));
  return sha256Of(canonicalJson(wanted));
}

/** A backup's manifest, and who can open it now. */
export async function showStored(context: RepositoryContext, backup: BackupRef): Promise<ShownBackup> {
  const { manifest } = await openStored(context, backup);
  const entry = entryOf((await newestReachable(context))?.checkpoint ?? null, backup);
  return { ...manifest, openedBy: holdersOf(entry && currentKey(entry), manifest) };
}
