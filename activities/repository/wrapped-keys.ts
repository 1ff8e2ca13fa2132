// A backup's own key as it lies in the tiers: `key.<n>`, and only the one that the checkpoint names.
import type { KeyRecord } from '../../domain/checkpoint.ts';
import { Failure } from '../../domain/failures.ts';
import { holdersOf } from '../../domain/key-rotation.ts';
import type { BackupRef, Manifest } from '../../domain/manifest.ts';
import { backupFolder, refText } from '../../domain/repository-layout.ts';
import { contextOf } from './cipher.ts';
import type { RepositoryContext } from './context.ts';
import { firstWhole } from './first-whole.ts';
import { sha256Of } from './measure.ts';
import { keySetOf, unwrapKey } from './recipients.ts';
import { missing, type ReadableStore, readSmall } from './store.ts';

/** More than any wrapped key has. */
export const MOST_KEY_BYTES = 1024 * 1024;

/**
 * The backup's own key, from the first tier with a whole copy of it.
 * @throws {Failure} ARTIFACT_MISSING, ARTIFACT_DAMAGED, KEY_MISSING, WRONG_KEY, KEY_DISABLED, KEY_UNREACHABLE, ACCESS_DENIED.
 */
export async function openBackupKey(
  context: RepositoryContext,
  stores: readonly ReadableStore[],
  manifest: Manifest,
  key: KeyRecord | undefined,
): Promise<Uint8Array> {
  if (!key)
    throw new Failure('ARTIFACT_MISSING', `no key of ${refText(manifest)} is recorded`, { system: manifest.system });
  const stored = await firstWhole(stores, (store) => readKey(store, manifest, key));
  const set = keySetOf(context.configuration, manifest.system);
  return unwrapKey(set, stored, holdersOf(key, manifest), contextOf(context.platform, manifest, key.name));
}

/** The wrapped key as the checkpoint records it. @throws {Failure} ARTIFACT_MISSING, ARTIFACT_DAMAGED. */
export async function readKey(store: ReadableStore, ref: BackupRef, record: KeyRecord): Promise<Uint8Array> {
  const { name, storedBytes, storedSha256 } = record;
  const object = backupFolder(ref) + name;
  const key = await readSmall(store, object, MOST_KEY_BYTES);
  if (key === null) throw missing(store, object);
  if (key.length === storedBytes && sha256Of(key) === storedSha256) return key;
  throw new Failure('ARTIFACT_DAMAGED', `'${name}' of ${refText(ref)} in tier '${store.name}' is not what was stored`, {
    system: ref.system,
  });
}
