// Reading a sealed manifest: signed by a trusted key, the one that the newest checkpoint names, and of this backup.
import { type Checkpoint, type CheckpointEntry, entryOf } from '../../domain/checkpoint.ts';
import { Failure } from '../../domain/failures.ts';
import type { BackupRef, Manifest } from '../../domain/manifest.ts';
import { parseManifest } from '../../domain/manifest-record.ts';
import { backupFolder, MANIFEST, refText, SIGNATURE } from '../../domain/repository-layout.ts';
import type { RepositoryContext } from './context.ts';
import { sha256Of } from './measure.ts';
import { parseSignature, requireTrusted } from './signing.ts';
import { type ReadableStore, readText } from './store.ts';

// A manifest is known by the hash in a signed checkpoint, so what was once checked stays true.
const checked = new Map<string, Manifest>();
const MOST_KEPT = 20_000;

/**
 * The manifest of `ref` in one tier. `afresh` looks at this copy's signature even when the same bytes were checked before.
 * @throws {Failure} BACKUP_NOT_FOUND when neither the tier nor the checkpoint knows it, ARTIFACT_MISSING when only the
 * checkpoint does, MANIFEST_UNTRUSTED, CHECKPOINT_MISMATCH, VERSION_UNFIT.
 */
export async function readManifest(
  context: RepositoryContext,
  store: ReadableStore,
  checkpoint: Checkpoint | null,
  ref: BackupRef,
  afresh = false,
): Promise<Manifest> {
  const entry = entryOf(checkpoint, ref);
  const text = await readText(store, backupFolder(ref) + MANIFEST);
  const what = `the manifest of ${refText(ref)} in tier '${store.name}'`;
  if (text === null) throw absent(entry, what, ref);
  const sha256 = sha256Of(text);
  const known = checked.get(sha256);
  if (!afresh && known && entry?.manifestSha256 === sha256) return known;
  const manifest = await readSigned(context, store, ref, text, what);
  if (entry?.manifestSha256 !== sha256)
    throw new Failure('CHECKPOINT_MISMATCH', `${what} is not the one that the newest checkpoint names`);
  remember(sha256, manifest);
  return manifest;
}

function absent(entry: CheckpointEntry | undefined, what: string, ref: BackupRef): Failure {
  return entry
    ? new Failure('ARTIFACT_MISSING', `${what} is not there`, { system: ref.system })
    : new Failure('BACKUP_NOT_FOUND', `there is no backup '${refText(ref)}'`, { backup: ref.backupId });
}

async function readSigned(
  context: RepositoryContext,
  store: ReadableStore,
  ref: BackupRef,
  text: string,
  what: string,
) {
  const signature = await readText(store, backupFolder(ref) + SIGNATURE);
  if (signature === null) throw new Failure('MANIFEST_UNTRUSTED', `${what} has no signature`);
  await requireTrusted(context.configuration.signing, text, parseSignature(signature, what), what);
  const manifest = parseManifest(text);
  if (refText(manifest) !== refText(ref) || manifest.platform !== context.platform)
    throw new Failure('MANIFEST_UNTRUSTED', `${what} is of '${manifest.platform}', ${refText(manifest)}`);
  return manifest;
}

function remember(sha256: string, manifest: Manifest): void {
  if (checked.size >= MOST_KEPT) checked.clear();
  checked.set(sha256, manifest);
}
