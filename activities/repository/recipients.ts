// A backup's own key, wrapped for several recipients at once: any one of their keys opens it. Writers hold public keys.
import { type KeyringNode, MultiKeyringNode, RawRsaKeyringNode } from '@aws-crypto/client-node';
import type { Configuration, KeySetConfiguration, KmsKeyConfiguration } from '../../domain/configuration/schema.ts';
import { Failure, type FailureCode } from '../../domain/failures.ts';
import { domainOf, type KeyDomain } from '../../domain/key-rotation.ts';
import type { KeyHolder } from '../../domain/manifest.ts';
import type { SystemName } from '../../domain/systems.ts';
import { keyIdOf, readPublicKey } from '../shared/public-keys.ts';
import { encryptSmall, type PartContext } from './cipher.ts';
import { isKmsFailure, isSilent, kmsKeyring, probeKmsKey } from './kms-keys.ts';
import { RSA, readPrivateKeys, type UsableKey, usableKeysOf } from './usable-keys.ts';

const LEAST_BITS = 4096;

/** The keys that guard a system. */
export function keySetOf(repository: Configuration['repository'], system: SystemName): KeySetConfiguration {
  return keySetIn(repository, domainOf(system));
}

/** The keys of a domain: its own where the configuration has them. */
export function keySetIn(repository: Configuration['repository'], domain: KeyDomain): KeySetConfiguration {
  return (domain === 'tls' ? repository.tlsKeys : undefined) ?? repository.keys;
}

interface Recipient extends KeyHolder {
  readonly keyring: KeyringNode;
  /** Why its last use failed, where that was not here. */
  readonly refusal: () => unknown;
}

export interface WrappedKey {
  readonly wrapped: Buffer;
  readonly recipients: readonly KeyHolder[];
  /** What kept it from being wrapped for the other recipients: keys in KMS that are disabled, denied or out of reach. */
  readonly leftOut: readonly Failure[];
}

/**
 * Wraps a backup's key for every recipient of a key set that can be reached: a public key always is. A backup that a key
 * in KMS cannot open yet is better than none; `leftOut` says so, and a rotation makes up for it.
 */
export async function wrapKey(keys: KeySetConfiguration, key: Uint8Array, context: PartContext): Promise<WrappedKey> {
  return wrapFor(await readRecipients(keys), key, context, []);
}

async function wrapFor(
  recipients: readonly Recipient[],
  key: Uint8Array,
  context: PartContext,
  leftOut: readonly Failure[],
): Promise<WrappedKey> {
  const [generator, ...children] = recipients.map(({ keyring }) => keyring);
  if (generator === undefined) throw new Failure('CONFIG_INVALID', 'no recipient is configured');
  try {
    const wrapped = await encryptSmall(new MultiKeyringNode({ generator, children }), key, context);
    return { wrapped, recipients: recipients.map(({ name, keyId }) => ({ name, keyId })), leftOut };
  } catch (error) {
    const refused = recipients.find(({ refusal }) => refusal() !== undefined);
    const why = refused?.refusal();
    if (!isKmsFailure(why)) throw why ?? error;
    return wrapFor(
      recipients.filter((one) => one !== refused),
      key,
      context,
      [...leftOut, why],
    );
  }
}

/** The recipients of a key set, public keys first. Nothing is reached. @throws {Failure} CONFIG_INVALID. */
export async function readRecipients(keys: KeySetConfiguration): Promise<readonly Recipient[]> {
  return [...(await Promise.all(keys.recipients.map(readRecipient))), ...activeKmsKeys(keys).map(inKms)];
}

/** The keys in KMS that new backups are wrapped for. */
export function activeKmsKeys(keys: KeySetConfiguration): readonly KmsKeyConfiguration[] {
  return keys.kms.filter(({ retired }) => !retired);
}

const inKms = (key: KmsKeyConfiguration): Recipient => ({ name: key.name, keyId: key.arn, ...kmsKeyring(key) });

/**
 * True when this worker holds a private key of one of the recipients, false when it holds none at all.
 * @throws {Failure} WRONG_KEY when what it holds opens nothing that is written now; SECRET_UNRESOLVED, FILE_TOO_OPEN.
 */
export async function checkPrivateKeys(keys: KeySetConfiguration): Promise<boolean> {
  const [recipients, held] = await Promise.all([readRecipients(keys), readPrivateKeys(keys)]);
  const fits = held.some(({ keyId }) => recipients.some((recipient) => recipient.keyId === keyId));
  if (held.length > 0 && !fits) {
    const names = recipients.map(({ name }) => name).join(', ');
    throw new Failure('WRONG_KEY', 'the private keys of this worker belong to none of the recipients', {
      recipients: names,
    });
  }
  return fits;
}

async function readRecipient({ name, publicKey }: KeySetConfiguration['recipients'][number]): Promise<Recipient> {
  const key = await readPublicKey(publicKey);
  const bits = key.asymmetricKeyType === 'rsa' ? key.asymmetricKeyDetails?.modulusLength : undefined;
  if ((bits ?? 0) < LEAST_BITS)
    throw new Failure('CONFIG_INVALID', `public key '${publicKey}' is not RSA with at least ${LEAST_BITS} bits`);
  const keyId = keyIdOf(key);
  const rsaKey = { publicKey: key.export({ type: 'spki', format: 'pem' }) };
  const keyring = new RawRsaKeyringNode({ ...RSA, keyName: keyId, rsaKey });
  return { name, keyId, keyring, refusal: () => undefined };
}

/**
 * Opens a wrapped key with the first key of this worker that does: its private keys, then keys in KMS.
 * @throws {Failure} KEY_MISSING when it holds none, WRONG_KEY when none of them is a recipient's; KEY_DISABLED,
 * KEY_UNREACHABLE, ACCESS_DENIED when KMS gives none.
 */
export async function unwrapKey(
  keys: KeySetConfiguration,
  stored: Uint8Array,
  recipients: readonly KeyHolder[],
  context: PartContext,
): Promise<Uint8Array> {
  const what = `backup '${context.system}/${context.backup}'`;
  const held = await usableKeysOf(keys);
  if (held.length === 0) throw new Failure('KEY_MISSING', `${what} cannot be opened: no private key here`);
  const fitting = held.filter(({ keyId }) => recipients.some((recipient) => recipient.keyId === keyId));
  if (fitting.length === 0) {
    const names = recipients.map(({ name }) => name).join(', ');
    throw new Failure('WRONG_KEY', `${what} is not encrypted for a key of this worker`, { recipients: names });
  }
  return openWithAny(fitting, stored, context, what);
}

// What says most about the backup comes first, then what may pass by waiting.
const TELLING: readonly FailureCode[] = ['ARTIFACT_DAMAGED', 'KEY_UNREACHABLE', 'KEY_DISABLED', 'ACCESS_DENIED'];

async function openWithAny(fitting: readonly UsableKey[], stored: Uint8Array, context: PartContext, what: string) {
  const failures: Failure[] = [];
  for (const { open } of fitting.toSorted((a, b) => Number(isSilent(a.keyId)) - Number(isSilent(b.keyId)))) {
    try {
      return (await open(stored, context)).plain;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failures.push(error);
    }
  }
  const [worst] = failures.toSorted((a, b) => TELLING.indexOf(a.code) - TELLING.indexOf(b.code));
  if (worst === undefined || failures.length === 1) throw worst ?? new Failure('BUG', `no key was tried for ${what}`);
  const told = failures.map(({ message }) => message).join('; ');
  throw new Failure(worst.code, `${what} cannot be opened: ${told}`, worst.details, worst);
}

/**
 * Proves a wrapped key: every key of its recipients that this worker may use opens it to exactly `key`, there is at least
 * one, and it is wrapped for the recipients of the set and nobody else.
 * @throws {Failure} WRONG_KEY, KEY_MISSING, ARTIFACT_DAMAGED; KEY_DISABLED, KEY_UNREACHABLE.
 */
export async function proveWrapped(
  keys: KeySetConfiguration,
  stored: Uint8Array,
  key: Uint8Array,
  context: PartContext,
): Promise<void> {
  const what = `'${context.part}' of backup '${context.system}/${context.backup}'`;
  const wanted = (await readRecipients(keys)).map(({ keyId }) => keyId);
  const held = (await usableKeysOf(keys)).filter(({ keyId }) => wanted.includes(keyId));
  const opened = (await Promise.all(held.map(({ open }) => open(stored, context).catch(unlessDenied)))).flat();
  if (opened.length === 0) throw new Failure('KEY_MISSING', `${what} could not be proven: no key here opens it`);
  for (const { plain, wrappedFor } of opened) {
    if (!plain.equals(key))
      throw new Failure('ARTIFACT_DAMAGED', `${what} holds another key`, { system: context.system });
    if (wrappedFor.toSorted().join() !== wanted.toSorted().join())
      throw new Failure('ARTIFACT_DAMAGED', `${what} is wrapped for others`, { system: context.system });
  }
}

// An account that may not decrypt with a key in KMS does not hold it.
function unlessDenied(error: unknown): readonly [] {
  if (error instanceof Failure && error.code === 'ACCESS_DENIED') return [];
  throw error;
}

/**
 * @throws {Failure} KEY_MISSING, WRONG_KEY when this worker could not open what it wraps for the recipients of the set;
 * KEY_DISABLED, KEY_UNREACHABLE, ACCESS_DENIED when it could not wrap for all of them.
 */
export async function requireProvable(keys: KeySetConfiguration, platform: string): Promise<void> {
  const opens = await Promise.all(activeKmsKeys(keys).map((key) => probeKmsKey(key, platform)));
  if (opens.includes(true) || (await checkPrivateKeys(keys))) return;
  throw new Failure('KEY_MISSING', 'what is wrapped here could not be proven: no private key of a recipient is here');
}
