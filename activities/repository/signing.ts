// Ed25519 signatures. The sealer alone holds the private key; everyone else trusts the public keys of the configuration,
// never one that lies in the repository.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import type { Configuration } from '../../domain/configuration/schema.ts';
import { Failure, type FailureCode } from '../../domain/failures.ts';
import { isText, parseJson, SHA256, shapeOf } from '../../domain/record-shape.ts';
import { keyIdOf, readPublicKey } from '../shared/public-keys.ts';
import { resolveSecret } from '../shared/secrets.ts';

export type SigningConfiguration = Configuration['repository']['signing'];

export interface Signature {
  readonly keyId: string;
  readonly algorithm: 'Ed25519';
  /** Base64. */
  readonly signature: string;
}

/** A record and its signature in one object, so that both are there or neither. `record` is the signed text itself. */
export interface SignedRecord extends Signature {
  readonly record: string;
}

/** Signs text. @throws {Failure} SECRET_UNRESOLVED when this worker has no signing key. */
export async function signText(signing: SigningConfiguration, text: string): Promise<Signature> {
  const key = await readSigningKey(signing);
  return {
    keyId: keyIdOf(createPublicKey(key)),
    algorithm: 'Ed25519',
    signature: sign(null, Buffer.from(text), key).toString('base64'),
  };
}

/** A sentence about the signing key. @throws {Failure} SECRET_UNRESOLVED, MANIFEST_UNTRUSTED when nobody trusts it. */
export async function requireSignerTrusted(signing: SigningConfiguration): Promise<string> {
  const trusted = await Promise.all(signing.trusted.map(({ publicKey }) => readPublicKey(publicKey)));
  if (signing.key === undefined) return 'this worker checks signatures and cannot sign';
  const keyId = keyIdOf(createPublicKey(await readSigningKey(signing)));
  if (!trusted.some((key) => keyIdOf(key) === keyId))
    throw new Failure('MANIFEST_UNTRUSTED', `signing key '${signing.name}' is not among repository.signing.trusted`, {
      keyId,
    });
  return `signs as '${signing.name}', which is trusted`;
}

async function readSigningKey({ name, key }: SigningConfiguration): Promise<KeyObject> {
  if (key === undefined) throw new Failure('SECRET_UNRESOLVED', `this worker has no signing key '${name}'`);
  const pem = await resolveSecret(key);
  try {
    return createPrivateKey(pem);
  } catch {
    // The cause could quote the key.
    throw new Failure('SECRET_UNRESOLVED', `signing key '${name}' is not an Ed25519 private key in PEM`);
  }
}

/** An Ed25519 pair in PEM: a new one, or that of a private key which is there. @throws {Failure} SECRET_UNRESOLVED. */
export function signerPair(privateKey?: string): { readonly publicKey: string; readonly privateKey: string } {
  if (privateKey === undefined) {
    const made = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    return signerPair(made);
  }
  try {
    const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
    return { publicKey, privateKey };
  } catch {
    // The cause could quote the key.
    throw new Failure('SECRET_UNRESOLVED', 'the signing key that is there is not a private key in PEM');
  }
}

/** @throws {Failure} `code` unless a key that the configuration trusts has signed exactly this text. */
export async function requireTrusted(
  signing: SigningConfiguration,
  text: string,
  { keyId, signature }: Signature,
  what: string,
  code: FailureCode = 'MANIFEST_UNTRUSTED',
): Promise<void> {
  const keys = await Promise.all(signing.trusted.map(({ publicKey }) => readPublicKey(publicKey)));
  const key = keys.find((candidate) => keyIdOf(candidate) === keyId);
  if (!key) throw new Failure(code, `${what} is signed by key '${keyId}', which is not trusted`, { keyId });
  if (!verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64')))
    throw new Failure(code, `the signature of ${what} does not fit its text`, { keyId });
}

/** A signature read from JSON. @throws {Failure} `code` when it is not well formed. */
export function parseSignature(text: string, what: string, code: FailureCode = 'MANIFEST_UNTRUSTED'): Signature {
  const shape = shapeOf(parseJson(text, what, code), what, code);
  shape.text('algorithm', /^Ed25519$/);
  return { keyId: shape.text('keyId', SHA256), algorithm: 'Ed25519', signature: shape.text('signature') };
}

/** The text of a signed record. */
export async function signRecord(signing: SigningConfiguration, record: string): Promise<string> {
  const signed: SignedRecord = { ...(await signText(signing, record)), record };
  return `${JSON.stringify(signed)}\n`;
}

/** The signed text inside a signed record. @throws {Failure} `code` unless a trusted key signed it. */
export async function openRecord(
  signing: SigningConfiguration,
  text: string,
  what: string,
  code: FailureCode = 'MANIFEST_UNTRUSTED',
): Promise<string> {
  const signature = parseSignature(text, what, code);
  const record = (JSON.parse(text) as { record?: unknown }).record;
  if (!isText(record)) throw new Failure(code, `${what} holds no record`);
  await requireTrusted(signing, record, signature, what, code);
  return record;
}
