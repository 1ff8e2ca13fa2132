// The reading side: trusted manifests, and plain bytes from the first tier that has a whole copy.
import { Readable } from 'node:stream';
import type { KeyringNode } from '@aws-crypto/client-node';
import { type Checkpoint, entryOf, type KeyRecord } from '../../domain/checkpoint.ts';
import type { BackupReader, StoredBackup } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import { currentKey } from '../../domain/key-rotation.ts';
import type { Artifact, BackupRef, Manifest } from '../../domain/manifest.ts';
import { artifactNamed, type CheckedBytes, checkStoredBytes, decryptedBytes, saveWhole } from './artifact-reading.ts';
import { newestReachable } from './checkpoints.ts';
import { backupKeyring, contextOf } from './cipher.ts';
import { type RepositoryContext, storesFor } from './context.ts';
import { firstWhole } from './first-whole.ts';
import { readManifest } from './manifests.ts';
import { type BackupStore, type ReadableStore, withFirstVersions } from './store.ts';
import { openBackupKey } from './wrapped-keys.ts';

/**
 * Opens one backup for reading. When no tier has a whole copy as it is now, what was first written into a bucket with
 * versions counts: hashes and signatures decide, as for every copy.
 */
export async function openStored(context: RepositoryContext, ref: BackupRef, tier?: string): Promise<StoredBackup> {
  const own = storesFor(context, tier);
  try {
    return await openAmong(context, ref, context.stores, own);
  } catch (error) {
    if (!own.some(({ firstVersions }) => firstVersions)) throw error;
    return openAmong(context, ref, withFirstVersions(context.stores), own).catch(() => {
      throw error; // What is told is how the repository looks now.
    });
  }
}

/** @param witnesses stores whose checkpoints count. @param own stores that are read. */
async function openAmong(
  context: RepositoryContext,
  ref: BackupRef,
  witnesses: readonly ReadableStore[],
  own: readonly BackupStore[],
): Promise<StoredBackup> {
  const checkpoint = (await newestReachable(context, witnesses))?.checkpoint ?? null;
  const stores = withFirstVersions(own);
  const manifest = await firstWhole(stores, (store) => readManifest(context, store, checkpoint, ref));
  return storedBackup(context, stores, checkpoint, manifest);
}

function storedBackup(
  context: RepositoryContext,
  stores: readonly ReadableStore[],
  checkpoint: Checkpoint | null,
  manifest: Manifest,
): StoredBackup {
  let opened: Promise<KeyringNode> | undefined;
  const keyring = () => {
    opened ??= openKeyring(context, stores, manifest, keyIn(checkpoint, manifest));
    return opened;
  };
  const bytes = (name: string) => readArtifact(context, stores, manifest, name, keyring);
  return {
    manifest,
    read: (name) => Readable.from(bytes(name), { objectMode: false }),
    save: (name, path) => {
      const { plainBytes } = artifactNamed(manifest.artifacts, manifest, name);
      return saveWhole(bytes(name), path, plainBytes);
    },
  };
}

// A rotation that ended since the checkpoint was read has taken the key away that this one names: the newest names another.
async function openKeyring(
  context: RepositoryContext,
  stores: readonly ReadableStore[],
  manifest: Manifest,
  key: KeyRecord | undefined,
): Promise<KeyringNode> {
  try {
    return backupKeyring(manifest, await openBackupKey(context, stores, manifest, key));
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'ARTIFACT_MISSING')) throw error;
    const now = keyIn((await newestReachable(context))?.checkpoint ?? null, manifest);
    if (now === undefined || now.name === key?.name) throw error;
    return backupKeyring(manifest, await openBackupKey(context, stores, manifest, now));
  }
}

const keyIn = (checkpoint: Checkpoint | null, ref: BackupRef): KeyRecord | undefined =>
  currentKey(entryOf(checkpoint, ref) ?? { keys: [] });

async function* readArtifact(
  context: RepositoryContext,
  stores: readonly ReadableStore[],
  manifest: Manifest,
  name: string,
  keyring: () => Promise<KeyringNode>,
): AsyncGenerator<Uint8Array> {
  const artifact: Artifact = artifactNamed(manifest.artifacts, manifest, name);
  const key = await keyring();
  const checked: CheckedBytes = await firstWhole(stores, (store) =>
    checkStoredBytes(store, manifest, artifact, context.configuration.spool),
  );
  try {
    yield* decryptedBytes(checked.source(), artifact, key, contextOf(context.platform, manifest, name));
  } finally {
    await checked.release();
  }
}

/** The reader that systems get. */
export function createReader(context: RepositoryContext, listManifests: BackupReader['list']): BackupReader {
  return { open: (ref, tier) => openStored(context, ref, tier), list: listManifests };
}
