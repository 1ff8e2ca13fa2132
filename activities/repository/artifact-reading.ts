// The reading side of the pipeline. The cipher's library releases plain bytes before it has seen the end and accepts
// bytes after it; therefore length and hash of the ciphertext are compared with the signed manifest first.
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import type { KeyringNode } from '@aws-crypto/client-node';
import type { ByteSource } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import { type Artifact, type BackupRef, isSafeName } from '../../domain/manifest.ts';
import { backupFolder, refText } from '../../domain/repository-layout.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { asDiskFailure, createPrivateFile, makePrivateFolder, publishFile } from '../shared/durable-files.ts';
import { decryption, type PartContext } from './cipher.ts';
import { requireBytes } from './copy.ts';
import { Measure } from './measure.ts';
import { readOnceMore } from './read-once-more.ts';
import type { ReadableStore } from './store.ts';

const READ_BYTES = 1024 * 1024;
const STAGING = '.reading';
// Room for several pieces: a thread decompresses the next ones while one is hashed and used.
const DECOMPRESSION = { chunkSize: READ_BYTES / 4, readableHighWaterMark: READ_BYTES };

/** Ciphertext that was compared with the manifest. `release` removes what was staged for it; safe to call twice. */
export interface CheckedBytes {
  readonly source: () => ByteSource;
  readonly release: () => Promise<void>;
}

/**
 * Compares an artifact's stored bytes with its record. A folder is read twice; from elsewhere the bytes are staged in a
 * private file, so that what is decrypted is what was compared.
 * @throws {Failure} ARTIFACT_MISSING, ARTIFACT_DAMAGED, NO_SPACE.
 */
export async function checkStoredBytes(
  store: ReadableStore,
  ref: BackupRef,
  artifact: Artifact,
  spool: string,
): Promise<CheckedBytes> {
  const object = backupFolder(ref) + artifact.name;
  if (store.kind === 'folder') {
    await requireBytes(store, object, artifact, ref.system);
    return { source: () => store.read(object), release: async () => undefined };
  }
  const folder = join(spool, STAGING);
  await makePrivateFolder(folder);
  const path = join(folder, randomUUID());
  const release = () => rm(path, { force: true });
  try {
    await readOnceMore(() => stage(store, object, path, artifact, ref));
  } catch (error) {
    await release();
    throw asDiskFailure(error, path, artifact.storedBytes);
  }
  return { source: () => createReadStream(path, { highWaterMark: READ_BYTES }), release };
}

async function stage(
  store: ReadableStore,
  object: string,
  path: string,
  artifact: Artifact,
  ref: BackupRef,
): Promise<void> {
  await rm(path, { force: true });
  const file = await createPrivateFile(path);
  const measured = new Measure();
  try {
    for await (const chunk of store.read(object)) {
      throwIfCancelled();
      measured.add(chunk);
      if (measured.bytes > artifact.storedBytes) break;
      await file.writeFile(chunk);
    }
  } finally {
    await file.close();
  }
  const { bytes, sha256 } = measured.result();
  if (bytes !== artifact.storedBytes || sha256 !== artifact.storedSha256)
    throw new Failure('ARTIFACT_DAMAGED', `'${object}' in tier '${store.name}' is not what was stored`, {
      system: ref.system,
      object,
    });
}

/**
 * Plain bytes of compared ciphertext. The plain length and hash are compared at the end; one byte more than the
 * manifest says ends it at once.
 * @throws {Failure} ARTIFACT_DAMAGED.
 */
export async function* decryptedBytes(
  source: ByteSource,
  artifact: Artifact,
  keyring: KeyringNode,
  context: PartContext,
): AsyncGenerator<Uint8Array> {
  const plain = new Measure();
  for await (const chunk of plainStream(source, keyring, context)) {
    throwIfCancelled();
    plain.add(chunk);
    if (plain.bytes > artifact.plainBytes) throw damaged(artifact, context, 'it is longer than recorded');
    yield chunk;
  }
  const { bytes, sha256 } = plain.result();
  if (bytes !== artifact.plainBytes || sha256 !== artifact.plainSha256)
    throw damaged(artifact, context, 'its content is not what was recorded');
}

async function* plainStream(
  source: ByteSource,
  keyring: KeyringNode,
  context: PartContext,
): AsyncGenerator<Uint8Array> {
  let failure: unknown;
  const plain = pipeline(
    Readable.from(source, { objectMode: false, highWaterMark: READ_BYTES }),
    decryption(keyring, context),
    createZstdDecompress(DECOMPRESSION),
    (error) => {
      failure = error;
    },
  );
  try {
    yield* plain;
  } catch (error) {
    throw asDamage(failure ?? error, context);
  }
}

function asDamage(error: unknown, context: PartContext): unknown {
  if (error instanceof Failure) return error;
  const what = `'${context.part}' of backup '${context.system}/${context.backup}' cannot be decrypted`;
  return new Failure('ARTIFACT_DAMAGED', what, { system: context.system }, error);
}

function damaged(artifact: Artifact, context: PartContext, why: string): Failure {
  const what = `'${artifact.name}' of backup '${context.system}/${context.backup}' is damaged: ${why}`;
  return new Failure('ARTIFACT_DAMAGED', what, { system: context.system });
}

/** Writes a source into a new file (0600) that appears only when it is whole. @throws {Failure} TARGET_NOT_EMPTY. */
export async function saveWhole(source: ByteSource, path: string, needBytes: number): Promise<void> {
  try {
    const created = await publishFile(path, join(path, '..'), async (file) => {
      for await (const chunk of source) await file.writeFile(chunk);
    });
    if (!created) throw new Failure('TARGET_NOT_EMPTY', `'${path}' exists already`, { path });
  } catch (error) {
    throw asDiskFailure(error, path, needBytes);
  }
}

/** The artifact of that name. @throws {Failure} PART_NOT_FOUND. */
export function artifactNamed(artifacts: readonly Artifact[], ref: BackupRef, name: string): Artifact {
  const artifact = artifacts.find((one) => one.name === name);
  if (artifact && isSafeName(name)) return artifact;
  throw new Failure('PART_NOT_FOUND', `backup '${refText(ref)}' has no artifact '${name}'`, { backup: ref.backupId });
}
