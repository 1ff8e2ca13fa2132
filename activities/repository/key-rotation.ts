// Rotation: the keys of stored backups are wrapped for the configured recipients. Artifacts are never written again.
// key.<n+1> lies in every tier and is proven before the checkpoint names it, and key.<n> goes only after that checkpoint
// lies in every tier: whatever dies in between, the key that the newest checkpoint names is there and opens the backup.
import type { Checkpoint, CheckpointEntry, KeyRecord } from '../../domain/checkpoint.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import type { RotatedKeys, RotateKeysInput } from '../../domain/contracts/repository.ts';
import { Failure, type FailureCode } from '../../domain/failures.ts';
import { canonicalJson } from '../../domain/json.ts';
import { currentKey, domainOf, isSameHolders, KEY_DOMAINS, keyNumber } from '../../domain/key-rotation.ts';
import { BACKUPS, backupFolder, refText } from '../../domain/repository-layout.ts';
import { reportProgress, throwIfCancelled } from '../shared/activity-context.ts';
import { newestCheckpoint, writeCheckpoint } from './checkpoints.ts';
import { contextOf } from './cipher.ts';
import type { RepositoryContext } from './context.ts';
import { type HeldEntry, heldKeys, manifestOf, storesOf, wantedDigest, wantedHolders } from './held-keys.ts';
import { sha256Of } from './measure.ts';
import { keySetOf, proveWrapped, requireProvable, wrapKey } from './recipients.ts';
import { inTurn } from './seal.ts';
import { type BackupStore, readSmall } from './store.ts';
import { failedFinding } from './stored-check.ts';
import { MOST_KEY_BYTES, openBackupKey, readKey } from './wrapped-keys.ts';

/** A key that was wrapped again, and what it takes the place of. */
interface Rewrapped {
  readonly entry: CheckpointEntry;
  readonly key: KeyRecord;
}

// Of one backup alone: the others are rotated all the same, and this one is told.
const OF_ONE_BACKUP: readonly FailureCode[] = [
  'ARTIFACT_MISSING',
  'ARTIFACT_DAMAGED',
  'MANIFEST_UNTRUSTED',
  'WRONG_KEY',
  'KEY_DISABLED',
];

/**
 * Rotates the keys of the next backups after `after` and writes one checkpoint for all of them.
 * @throws {Failure} PLAN_CHANGED when who shall be able to open them is no longer what was approved.
 */
export async function rotateKeys(context: RepositoryContext, input: RotateKeysInput): Promise<RotatedKeys> {
  await requireApproved(context, input.digest);
  const checkpoint = (await newestCheckpoint(context))?.checkpoint ?? null;
  const next = (checkpoint?.backups ?? []).filter(({ sequence }) => sequence > input.after).slice(0, input.most);
  const stale = await staleKeys(context, checkpoint, next);
  for (const { backup } of stale)
    await requireProvable(keySetOf(context.configuration, backup.system), context.platform);
  const rewrapped: Rewrapped[] = [];
  const findings: Finding[] = [];
  for (const { entry } of stale) {
    throwIfCancelled();
    tell(`wrapping the key of ${refText(entry)}`);
    try {
      rewrapped.push({ entry, key: await rewrap(context, checkpoint, entry) });
    } catch (error) {
      if (!(error instanceof Failure && OF_ONE_BACKUP.includes(error.code))) throw error;
      findings.push({ ...failedFinding(refText(entry), error), mend: 'dr keys show --backups' });
    }
  }
  await inTurn(() => writeCheckpoint(context, (backups) => withKeys(backups, rewrapped)));
  return { after: next.at(-1)?.sequence ?? null, rotated: rewrapped.length, findings };
}

const tell = (what: string) => reportProgress({ what, doneBytes: 0, totalBytes: null, bytesPerSecond: 0 });

async function requireApproved(context: RepositoryContext, digest: string): Promise<void> {
  if ((await wantedDigest(context)) !== digest)
    throw new Failure('PLAN_CHANGED', 'the configured recipients are not the ones that were approved');
}

/** Those whose key is wrapped for others than those wanted. */
async function staleKeys(
  context: RepositoryContext,
  checkpoint: Checkpoint | null,
  entries: readonly CheckpointEntry[],
): Promise<readonly HeldEntry[]> {
  const held = await heldKeys(context, checkpoint, [...entries]);
  const wanted = await Promise.all(KEY_DOMAINS.map((domain) => wantedHolders(context, domain)));
  const isStale = ({ backup, holders }: HeldEntry) =>
    !isSameHolders(holders, wanted[KEY_DOMAINS.indexOf(domainOf(backup.system))] ?? []);
  return held.filter(isStale);
}

function withKeys(backups: readonly CheckpointEntry[], rewrapped: readonly Rewrapped[]): readonly CheckpointEntry[] {
  const byName = new Map(rewrapped.map((one) => [refText(one.entry), one]));
  return backups.map((entry) => {
    const found = byName.get(refText(entry));
    // Another rotation may have been quicker: what it wrote stays, and its own clean-up knows nothing of ours.
    const isSame = found && canonicalJson(found.entry.keys) === canonicalJson(entry.keys);
    return isSame ? { ...entry, keys: [found.key] } : entry;
  });
}

/** Brings `key.<n+1>` into every tier that must hold the backup, and proves each copy. */
async function rewrap(
  context: RepositoryContext,
  checkpoint: Checkpoint | null,
  entry: CheckpointEntry,
): Promise<KeyRecord> {
  const stores = storesOf(context, entry);
  const newest = currentKey(entry);
  const manifest = await manifestOf(context, checkpoint, entry);
  const key = await openBackupKey(context, stores, manifest, newest);
  for (let number = (keyNumber(newest?.name ?? '') ?? 0) + 1; ; number++) {
    throwIfCancelled();
    const record = await tryNumber(context, stores, entry, `key.${number}`, key);
    if (record) return record;
  }
}

/** @returns null when other bytes have that name in one of the tiers: what an unfinished rotation left, or a stranger. */
async function tryNumber(
  context: RepositoryContext,
  stores: readonly BackupStore[],
  entry: CheckpointEntry,
  name: string,
  key: Uint8Array,
): Promise<KeyRecord | null> {
  const set = keySetOf(context.configuration, entry.system);
  const part = contextOf(context.platform, entry, name);
  const [lead] = stores;
  if (!lead) throw new Failure('CONFIG_INVALID', `no configured tier holds ${refText(entry)}`);
  const object = backupFolder(entry) + name;
  // What an earlier try decided is taken as it is when it proves itself.
  const earlier = await readSmall(lead, object, MOST_KEY_BYTES);
  const { wrapped, recipients, leftOut } = await wrapKey(set, key, part);
  for (const failure of leftOut) throw failure; // Whom a rotation is for gets a key, or it is not one.
  const stored = earlier ?? wrapped;
  try {
    await proveWrapped(set, stored, key, part);
    for (const store of stores) await store.create(object, stored);
  } catch (error) {
    const isTaken =
      error instanceof Failure &&
      (error.code === 'ALREADY_EXISTS_DIFFERENT' || (earlier && error.code === 'ARTIFACT_DAMAGED'));
    if (!isTaken) throw error;
    return null;
  }
  const record = { name, storedBytes: stored.length, storedSha256: sha256Of(stored), recipients };
  for (const store of stores) await proveWrapped(set, await readKey(store, entry, record), key, part);
  return record;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Removes wrapped keys that the newest checkpoint does not name, in every tier where the one that it names is whole.
 * Older numbers go at once; higher ones, left by a rotation that was given up, after a day: another may be at work.
 * @returns how many were removed.
 */
export async function removeRetiredKeys(context: RepositoryContext): Promise<number> {
  const checkpoint = (await newestCheckpoint(context))?.checkpoint ?? null;
  let removed = 0;
  for (const store of context.stores)
    for (const loose of await looseKeys(store, checkpoint)) {
      throwIfCancelled();
      tell(`removing ${loose.object} from ${store.name}`);
      await readKey(store, loose.entry, loose.key);
      await store.remove(loose.object);
      removed += 1;
    }
  return removed;
}

interface LooseKey {
  readonly object: string;
  readonly entry: CheckpointEntry;
  /** The key that counts. */
  readonly key: KeyRecord;
}

async function looseKeys(store: BackupStore, checkpoint: Checkpoint | null): Promise<readonly LooseKey[]> {
  const entries = new Map((checkpoint?.backups ?? []).map((entry) => [backupFolder(entry), entry]));
  return (await store.list(BACKUPS)).flatMap(({ name: object, modifiedAt }) => {
    const at = object.lastIndexOf('/') + 1;
    const number = keyNumber(object.slice(at));
    const entry = entries.get(object.slice(0, at));
    const key = entry && currentKey(entry);
    if (number === null || !key || entry.keys.some(({ name }) => name === object.slice(at))) return [];
    const isOld = Date.now() - Date.parse(modifiedAt) > DAY_MS;
    return number < (keyNumber(key.name) ?? 0) || isOld ? [{ object, entry, key }] : [];
  });
}
