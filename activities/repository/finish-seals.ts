// Seals that died after their manifest and before their checkpoint: the backup is signed and whole, and in no list. The
// next sealer lists it. A sequence above every checkpoint's was never listed, so nothing that was withdrawn comes back.
import { type CheckpointEntry, isSameBackup } from '../../domain/checkpoint.ts';
import { Failure, type FailureCode } from '../../domain/failures.ts';
import type { Artifact, BackupRef, Manifest } from '../../domain/manifest.ts';
import { parseManifest, safeName } from '../../domain/manifest-record.ts';
import { parseJson, shapeOf } from '../../domain/record-shape.ts';
import { backupFolder, MANIFEST, refText, SIGNATURE, sequenceName } from '../../domain/repository-layout.ts';
import { isSystemName } from '../../domain/systems.ts';
import { newestCheckpoint } from './checkpoints.ts';
import { leadStore, type RepositoryContext } from './context.ts';
import { sha256Of } from './measure.ts';
import { parseSignature, requireTrusted } from './signing.ts';
import { createText, readSmall, readText } from './store.ts';
import { MOST_KEY_BYTES } from './wrapped-keys.ts';

const KEY = 'key.1'; // What is in no list was never rotated.

/**
 * Entries for backups whose seal stopped before the checkpoint; their manifests lie in every tier when it returns.
 * Whoever still works on such a seal finds its own entry there. What is not whole in every tier is left as it is.
 * What is not signed by a trusted key is not ours to list: whoever can write there must not be able to stop a seal by it.
 * @throws {Failure} STORE_UNREACHABLE, NO_SPACE.
 */
export async function unlistedSeals(
  context: RepositoryContext,
  except: BackupRef,
): Promise<readonly CheckpointEntry[]> {
  const lead = leadStore(context);
  const checkpoint = (await newestCheckpoint(context))?.checkpoint;
  const listed = [...(checkpoint?.backups ?? [])];
  const found: CheckpointEntry[] = [];
  for (let sequence = (checkpoint?.lastSequence ?? 0) + 1; ; sequence++) {
    const claim = await readText(lead, sequenceName(sequence));
    if (claim === null) return found;
    const entry = await unlessForeign(async () => {
      const backup = claimant(claim, sequence);
      return isSameBackup(backup, except) ? null : finish(context, backup, sequence, [...listed, ...found]);
    });
    if (entry !== null) found.push(entry);
  }
}

async function unlessForeign(work: () => Promise<CheckpointEntry | null>): Promise<CheckpointEntry | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Failure && FOREIGN.includes(error.code)) return null;
    throw error;
  }
}

const FOREIGN: readonly FailureCode[] = ['MANIFEST_UNTRUSTED', 'ARTIFACT_DAMAGED', 'VERSION_UNFIT'];

function claimant(text: string, sequence: number): BackupRef {
  const what = `'${sequenceName(sequence)}'`;
  const shape = shapeOf(parseJson(text, what, 'MANIFEST_UNTRUSTED'), what, 'MANIFEST_UNTRUSTED');
  const system = shape.text('system');
  if (!isSystemName(system)) throw new Failure('MANIFEST_UNTRUSTED', `${what} names an unknown system`);
  return { system, backupId: safeName(shape, 'backupId') };
}

async function finish(
  context: RepositoryContext,
  ref: BackupRef,
  sequence: number,
  listed: readonly CheckpointEntry[],
): Promise<CheckpointEntry | null> {
  const sealed = await sealedTexts(context, ref);
  if (sealed === null) return null;
  const manifest = parseManifest(sealed.text);
  if (manifest.sequence !== sequence || refText(manifest) !== refText(ref)) return null;
  const hasParent = (backupId: string) => listed.some((one) => isSameBackup(one, { system: ref.system, backupId }));
  if (!manifest.parents.every(hasParent)) return null; // Retention has taken what it rests on.
  const key = await wholeKey(context, manifest);
  if (key === null) return null;
  for (const store of context.stores) {
    await createText(store, backupFolder(ref) + SIGNATURE, sealed.signature);
    await createText(store, backupFolder(ref) + MANIFEST, sealed.text);
  }
  const tiers = context.stores.map(({ name }) => name);
  return { ...ref, sequence, manifestSha256: sha256Of(sealed.text), keys: [key], parents: manifest.parents, tiers };
}

// The first tier's signature decides, as it does for the seal; the manifest may have reached any of them.
async function sealedTexts(context: RepositoryContext, ref: BackupRef) {
  const signature = await readText(leadStore(context), backupFolder(ref) + SIGNATURE);
  if (signature === null) return null;
  for (const store of context.stores) {
    const text = await readText(store, backupFolder(ref) + MANIFEST);
    if (text === null) continue;
    const what = `the manifest of ${refText(ref)}, which no checkpoint names, in tier '${store.name}'`;
    await requireTrusted(context.configuration.signing, text, parseSignature(signature, what), what);
    return { text, signature };
  }
  return null;
}

// Every byte was read back before the seal began: what is looked for is that nothing has been taken away since.
async function wholeKey(
  { stores }: RepositoryContext,
  manifest: Manifest,
): Promise<CheckpointEntry['keys'][number] | null> {
  const folder = backupFolder(manifest);
  const keys = new Set<string>();
  let storedBytes = 0;
  for (const store of stores) {
    const bytes = new Map((await store.list(folder)).map((object) => [object.name, object.bytes]));
    const isThere = ({ name, storedBytes: wanted }: Artifact) => bytes.get(folder + name) === wanted;
    const key = await readSmall(store, folder + KEY, MOST_KEY_BYTES);
    if (key === null || !manifest.artifacts.every(isThere)) return null;
    keys.add(sha256Of(key));
    storedBytes = key.length;
  }
  const [storedSha256, ...others] = keys;
  return storedSha256 === undefined || others.length > 0 ? null : { name: KEY, storedBytes, storedSha256 };
}
