// A backup's own key, wrapped for several recipients at once: any one private key opens it. Writers hold public keys.
import { constants, createPrivateKey, createPublicKey } from 'node:crypto';
import { type KeyringNode, MultiKeyringNode, RawRsaKeyringNode } from '@aws-crypto/client-node';
import type { Configuration, KeySetConfiguration } from '../../domain/configuration/schema.ts';
import { Failure } from '../../domain/failures.ts';
import { domainOf, type KeyDomain } from '../../domain/key-rotation.ts';
import type { KeyHolder } from '../../domain/manifest.ts';
import type { SystemName } from '../../domain/systems.ts';
import { keyIdOf, readPublicKey } from '../shared/public-keys.ts';
import { resolveSecret } from '../shared/secrets.ts';
import { decryptSmall, encryptSmall, openSmall, type PartContext } from './cipher.ts';

const KEY_NAMESPACE = 'holdfast-recipient';
const LEAST_BITS = 4096;
const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const;

/** The keys that guard a system. */
export function keySetOf(repository: Configuration['repository'], system: SystemName): KeySetConfiguration {
  return keySetIn(repository, domainOf(system));
}

/** The keys of a domain: its own where the configuration has them. */
export function keySetIn(repository: Configuration['repository'], domain: KeyDomain): KeySetConfiguration {
  return (domain === 'tls' ? repository.tlsKeys : undefined) ?? repository.keys;
}

/** Wraps a backup's key for every recipient of a key set. */
export async function wrapKey(keys: KeySetConfiguration, key: Uint8Array, context: PartContext) {
  const recipients = await readRecipients(keys);
  const [generator, ...children] = recipients.map(({ keyring }) => keyring);
  if (generator === undefined) throw new Failure('CONFIG_INVALID', 'no recipient is configured');
  const wrapped = await encryptSmall(new MultiKeyringNode({ generator, children }), key, context);
  return { wrapped, recipients: recipients.map(({ name, keyId }): KeyHolder => ({ name, keyId })) };
}

/** The recipients of a key set with their keyrings. @throws {Failure} CONFIG_INVALID. */
export function readRecipients(keys: KeySetConfiguration) {
  return Promise.all(keys.recipients.map(readRecipient));
}

/**
 * True when this worker holds a private key of one of the recipients, false when it holds none at all.
 * @throws {Failure} WRONG_KEY when what it holds opens nothing that is written now; SECRET_UNRESOLVED, FILE_TOO_OPEN.
 */
export async function checkPrivateKeys(keys: KeySetConfiguration): Promise<boolean> {
  const [recipients, held] = await Promise.all([readRecipients(keys), Promise.all(keys.private.map(readPrivate))]);
  const fits = held.some(({ keyId }) => recipients.some((recipient) => recipient.keyId === keyId));
  if (held.length > 0 && !fits) {
    const names = recipients.map(({ name }) => name).join(', ');
    throw new Failure('WRONG_KEY', 'the private keys of this worker belong to none of the recipients', {
      recipients: names,
    });
  }
  return fits;
}

async function readRecipient({ name, publicKey }: KeySetConfiguration['recipients'][number]) {
  const key = await readPublicKey(publicKey);
  const bits = key.asymmetricKeyType === 'rsa' ? key.asymmetricKeyDetails?.modulusLength : undefined;
  if ((bits ?? 0) < LEAST_BITS)
    throw new Failure('CONFIG_INVALID', `public key '${publicKey}' is not RSA with at least ${LEAST_BITS} bits`);
  const keyId = keyIdOf(key);
  const rsaKey = { publicKey: key.export({ type: 'spki', format: 'pem' }) };
  return {
    name,
    keyId,
    keyring: new RawRsaKeyringNode({ keyNamespace: KEY_NAMESPACE, keyName: keyId, rsaKey, ...OAEP }),
  };
}

/**
 * Opens a wrapped key with a private key that this worker holds.
 * @throws {Failure} KEY_MISSING when it holds none, WRONG_KEY when none of them is a recipient's.
 */
export async function unwrapKey(
  keys: KeySetConfiguration,
  stored: Uint8Array,
  recipients: readonly KeyHolder[],
  context: PartContext,
): Promise<Uint8Array> {
  const what = `backup '${context.system}/${context.backup}'`;
  if (keys.private.length === 0) throw new Failure('KEY_MISSING', `${what} cannot be opened: no private key here`);
  const held = await Promise.all(keys.private.map(readPrivate));
  const fitting = held.filter(({ keyId }) => recipients.some((recipient) => recipient.keyId === keyId));
  if (fitting.length === 0) {
    const names = recipients.map(({ name }) => name).join(', ');
    throw new Failure('WRONG_KEY', `${what} is not encrypted for a key of this worker`, { recipients: names });
  }
  return openWith(fitting, stored, context, what);
}

async function openWith(fitting: readonly Held[], stored: Uint8Array, context: PartContext, what: string) {
  try {
    return await decryptSmall(
      new MultiKeyringNode({ children: fitting.map(({ keyring }) => keyring) }),
      stored,
      context,
    );
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure('ARTIFACT_DAMAGED', `the wrapped key of ${what} is damaged`, { system: context.system }, cause);
  }
}

/**
 * Proves a wrapped key: every private key of its recipients that this worker holds opens it to exactly `key`, there is at
 * least one, and it is wrapped for the recipients of the set and nobody else.
 * @throws {Failure} WRONG_KEY, KEY_MISSING, ARTIFACT_DAMAGED.
 */
export async function proveWrapped(
  keys: KeySetConfiguration,
  stored: Uint8Array,
  key: Uint8Array,
  context: PartContext,
): Promise<void> {
  const what = `'${context.part}' of backup '${context.system}/${context.backup}'`;
  const wanted = (await readRecipients(keys)).map(({ keyId }) => keyId);
  for (const { keyring } of await requireHeld(keys, wanted)) {
    const { plain, wrappedFor } = await openSmall(keyring, stored, context).catch((cause) => {
      throw new Failure('ARTIFACT_DAMAGED', `${what} cannot be opened`, { system: context.system }, cause);
    });
    if (!plain.equals(key))
      throw new Failure('ARTIFACT_DAMAGED', `${what} holds another key`, { system: context.system });
    if (wrappedFor.toSorted().join() !== wanted.toSorted().join())
      throw new Failure('ARTIFACT_DAMAGED', `${what} is wrapped for others`, { system: context.system });
  }
}

/** @throws {Failure} KEY_MISSING, WRONG_KEY when this worker could not open what it wraps for the recipients of the set. */
export async function requireProvable(keys: KeySetConfiguration): Promise<void> {
  if (await checkPrivateKeys(keys)) return;
  throw new Failure('KEY_MISSING', 'what is wrapped here could not be proven: no private key of a recipient is here');
}

async function requireHeld(keys: KeySetConfiguration, wanted: readonly string[]): Promise<readonly Held[]> {
  await requireProvable(keys);
  const held = await Promise.all(keys.private.map(readPrivate));
  return held.filter(({ keyId }) => wanted.includes(keyId));
}

interface Held {
  readonly keyId: string;
  readonly keyring: KeyringNode;
}

async function readPrivate({ name, key }: KeySetConfiguration['private'][number]): Promise<Held> {
  const pem = await resolveSecret(key);
  try {
    const keyId = keyIdOf(createPublicKey(createPrivateKey(pem)));
    return {
      keyId,
      keyring: new RawRsaKeyringNode({
        keyNamespace: KEY_NAMESPACE,
        keyName: keyId,
        rsaKey: { privateKey: pem },
        ...OAEP,
      }),
    };
  } catch {
    // The cause could quote the key.
    throw new Failure('SECRET_UNRESOLVED', `private key '${name}' is not a private key in PEM`);
  }
}
