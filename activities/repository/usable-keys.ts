// What this worker can open backups with: private keys in files first, because they need no network, then keys in KMS.
import { constants, createPrivateKey, createPublicKey } from 'node:crypto';
import { type KeyringNode, RawRsaKeyringNode } from '@aws-crypto/client-node';
import type { KeySetConfiguration, KmsKeyConfiguration } from '../../domain/configuration/schema.ts';
import { Failure } from '../../domain/failures.ts';
import { keyIdOf } from '../shared/public-keys.ts';
import { resolveSecret } from '../shared/secrets.ts';
import { openSmall, type PartContext } from './cipher.ts';
import { kmsKeyring } from './kms-keys.ts';

export const RSA = {
  keyNamespace: 'holdfast-recipient',
  padding: constants.RSA_PKCS1_OAEP_PADDING,
  oaepHash: 'sha256',
} as const;

/** A key that this worker may use. `open` throws ARTIFACT_DAMAGED, and what KMS refuses. */
export interface UsableKey {
  readonly keyId: string;
  readonly open: (stored: Uint8Array, context: PartContext) => ReturnType<typeof openSmall>;
}

/** Every key of a set that this worker may try, in the order of trying. @throws {Failure} SECRET_UNRESOLVED, FILE_TOO_OPEN. */
export async function usableKeysOf(keys: KeySetConfiguration): Promise<readonly UsableKey[]> {
  return [...(await readPrivateKeys(keys)), ...keys.kms.map(inKms)];
}

/** The private keys of a set that lie here. @throws {Failure} SECRET_UNRESOLVED, FILE_TOO_OPEN. */
export function readPrivateKeys(keys: KeySetConfiguration): Promise<readonly UsableKey[]> {
  return Promise.all(keys.private.map(readPrivate));
}

async function readPrivate({ name, key }: KeySetConfiguration['private'][number]): Promise<UsableKey> {
  const privateKey = await resolveSecret(key);
  try {
    const keyId = keyIdOf(createPublicKey(createPrivateKey(privateKey)));
    const keyring = new RawRsaKeyringNode({ ...RSA, keyName: keyId, rsaKey: { privateKey } });
    return { keyId, open: (stored, context) => openWith(keyring, stored, context) };
  } catch {
    // The cause could quote the key.
    throw new Failure('SECRET_UNRESOLVED', `private key '${name}' is not a private key in PEM`);
  }
}

function inKms(key: KmsKeyConfiguration): UsableKey {
  return {
    keyId: key.arn,
    open: (stored, context) => {
      const { keyring, refusal } = kmsKeyring(key);
      return openWith(keyring, stored, context, refusal);
    },
  };
}

async function openWith(
  keyring: KeyringNode,
  stored: Uint8Array,
  context: PartContext,
  refusal = (): unknown => undefined,
) {
  try {
    return await openSmall(keyring, stored, context);
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    const { system, backup } = context;
    throw (
      refusal() ??
      new Failure('ARTIFACT_DAMAGED', `the wrapped key of backup '${system}/${backup}' is damaged`, { system }, cause)
    );
  }
}
