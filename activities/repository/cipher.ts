// The AWS Encryption SDK's message format: AES-256-GCM with key commitment, frames of 1 MiB. Published, with readers in
// other languages (docs/repository-format.md). Its default frame of 4 KiB is ten times slower.
import type { Duplex } from 'node:stream';
import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  type KeyringNode,
  type MessageHeader,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
} from '@aws-crypto/client-node';
import { Failure } from '../../domain/failures.ts';
import { type BackupRef, isSafeName } from '../../domain/manifest.ts';
import { refText } from '../../domain/repository-layout.ts';
import { contained } from './contained-stream.ts';

const FRAME_BYTES = 1024 * 1024;
const KEY_NAMESPACE = 'holdfast-backup';
const SUITE = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY;
const client = buildClient({
  commitmentPolicy: CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT,
  maxEncryptedDataKeys: 20,
});

/** What a message is bound to: a part that was moved to another place does not open there. */
export type PartContext = Readonly<Record<'platform' | 'system' | 'backup' | 'part', string>>;

/** The context of one part of one backup. */
export function contextOf(platform: string, ref: BackupRef, part: string): PartContext {
  if (!isSafeName(part)) throw new Failure('BUG', `'${part}' cannot be the name of an artifact`);
  return { platform, system: ref.system, backup: ref.backupId, part };
}

/** The keyring of a backup's own 256-bit key. */
export function backupKeyring(ref: BackupRef, key: Uint8Array): KeyringNode {
  return new RawAesKeyringNode({
    keyNamespace: KEY_NAMESPACE,
    keyName: refText(ref),
    unencryptedMasterKey: new Uint8Array(key),
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  });
}

/** A stream that encrypts. Memory: about two frames. */
export function encryption(keyring: KeyringNode, context: PartContext): Duplex {
  return contained(
    client.encryptStream(keyring, { suiteId: SUITE, frameLength: FRAME_BYTES, encryptionContext: { ...context } }),
  );
}

/**
 * A stream that decrypts and fails when the message is bound to anything else than `context`. It accepts bytes after
 * the end of a message: compare the ciphertext's length and hash with the manifest before.
 */
export function decryption(keyring: KeyringNode, context: PartContext): Duplex {
  const inner = client.decryptUnsignedMessageStream(keyring, { maxBodySize: FRAME_BYTES });
  const stream = contained(inner);
  inner.once('MessageHeader', (header: MessageHeader) => {
    if (!isBoundTo(header.encryptionContext, context)) stream.destroy(contextMismatch(context));
  });
  return stream;
}

/** Encrypts a small message. */
export async function encryptSmall(keyring: KeyringNode, plain: Uint8Array, context: PartContext): Promise<Buffer> {
  const options = { suiteId: SUITE, encryptionContext: { ...context }, plaintextLength: plain.length };
  return (await client.encrypt(keyring, plain, options)).result;
}

/**
 * Decrypts a small message and compares what it is bound to. `wrappedFor` names the keys that it is wrapped for, from its
 * authenticated header.
 */
export async function openSmall(keyring: KeyringNode, stored: Uint8Array, context: PartContext) {
  const { plaintext: plain, messageHeader } = await client.decrypt(keyring, stored);
  if (!isBoundTo(messageHeader.encryptionContext, context)) throw contextMismatch(context);
  const wrappedFor = messageHeader.encryptedDataKeys.map(({ providerInfo }) => providerInfo);
  return { plain, wrappedFor };
}

function isBoundTo(found: Readonly<Record<string, string>>, context: PartContext): boolean {
  const wanted = Object.entries(context);
  return Object.keys(found).length === wanted.length && wanted.every(([name, value]) => found[name] === value);
}

function contextMismatch({ system, backup, part }: PartContext): Failure {
  return new Failure(
    'ARTIFACT_DAMAGED',
    `what is stored as '${part}' of backup '${system}/${backup}' belongs elsewhere`,
    {
      system,
    },
  );
}
