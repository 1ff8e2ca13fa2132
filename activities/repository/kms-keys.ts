// Recipients whose private half never leaves AWS KMS. The message is the published one (provider `aws-kms`, the key's ARN),
// so AWS's own readers open it too; every call ends soon, because another key may open the backup.
import { randomBytes } from 'node:crypto';
import { KMS, KmsKeyringNode } from '@aws-crypto/client-node';
import type { KmsKeyConfiguration } from '../../domain/configuration/schema.ts';
import { Failure, type FailureCode } from '../../domain/failures.ts';
import { kmsRegionOf } from '../../domain/key-ids.ts';
import { currentSignal } from '../shared/activity-context.ts';
import { credentialsOf } from '../shared/aws-account.ts';

/** The longest that one key is waited for, tries included: a region that is gone is found out within it. */
export const KMS_LIMIT_MS = 8000;
const CONNECT_MS = 2000;
const ANSWER_MS = 3500;

// A restore opens keys more than once. A region that was just found to be silent is asked last, not waited for each time.
const ASKED_LAST_MS = 60_000;
const silentSince = new Map<string, number>();

/** True for a key in KMS that did not answer within the last minute. */
export function isSilent(arn: string): boolean {
  return performance.now() - (silentSince.get(arn) ?? Number.NEGATIVE_INFINITY) < ASKED_LAST_MS;
}

type Act = 'Encrypt' | 'Decrypt' | 'GenerateDataKey';

function connect({ arn, endpoint, ...account }: KmsKeyConfiguration): KMS {
  return new KMS({
    region: kmsRegionOf(arn) ?? 'us-east-1',
    ...(endpoint === undefined ? {} : { endpoint }),
    ...credentialsOf(account),
    maxAttempts: 2,
    // Without throwOnRequestTimeout the handler only warns, and waits on.
    requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: ANSWER_MS, throwOnRequestTimeout: true },
  });
}

type Call<T> = (options: { abortSignal: AbortSignal }) => Promise<T>;

async function talking<T>(key: KmsKeyConfiguration, act: Act, call: Call<T>): Promise<T> {
  const limit = AbortSignal.timeout(KMS_LIMIT_MS);
  const outer = currentSignal();
  try {
    const answer = await call({ abortSignal: outer ? AbortSignal.any([outer, limit]) : limit });
    silentSince.delete(key.arn);
    return answer;
  } catch (error) {
    if (outer?.aborted) throw outer.reason;
    const failure = asKmsFailure(error, key, act);
    if (failure.code === 'KEY_UNREACHABLE') silentSince.set(key.arn, performance.now());
    throw failure;
  }
}

// https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors and those of API_Encrypt
const MEANING: Readonly<Record<string, FailureCode>> = {
  DisabledException: 'KEY_DISABLED',
  KMSInvalidStateException: 'KEY_DISABLED',
  NotFoundException: 'KEY_DISABLED',
  InvalidKeyUsageException: 'KEY_DISABLED',
  IncorrectKeyException: 'ARTIFACT_DAMAGED',
  InvalidCiphertextException: 'ARTIFACT_DAMAGED',
  AccessDeniedException: 'ACCESS_DENIED',
  UnrecognizedClientException: 'ACCESS_DENIED',
  InvalidSignatureException: 'ACCESS_DENIED',
};

function asKmsFailure(error: unknown, { name, arn }: KmsKeyConfiguration, act: Act): Failure {
  if (error instanceof Failure) return error;
  const words = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const code = MEANING[error instanceof Error ? error.name : ''] ?? 'KEY_UNREACHABLE';
  const details = { arn, need: `kms:${act} with '${name}'` };
  return new Failure(code, `KMS key '${name}' failed at ${act}: ${words}`, details, error);
}

/** True for what KMS or the way to it refused: it says nothing against this worker's settings, and others may open. */
export function isKmsFailure(error: unknown): error is Failure {
  return error instanceof Failure && ['KEY_DISABLED', 'KEY_UNREACHABLE', 'ACCESS_DENIED'].includes(error.code);
}

interface Answer {
  readonly KeyId?: string | undefined;
  readonly CiphertextBlob?: Uint8Array | undefined;
  readonly Plaintext?: Uint8Array | undefined;
}

// What an answer lacks is empty: the keyring compares the key's id, and no key is empty.
const whole = ({ KeyId = '', CiphertextBlob = new Uint8Array(), Plaintext = new Uint8Array() }: Answer) => ({
  ...{ KeyId, CiphertextBlob, Plaintext },
});

/** A keyring of one KMS key. Its library tells a refusal as text alone; `refusal` is the failure that it was. */
export function kmsKeyring(key: KmsKeyConfiguration) {
  const client = connect(key);
  let refused: unknown;
  const noting = async <T>(act: Act, call: Call<T>): Promise<T> => {
    try {
      return await talking(key, act, call);
    } catch (error) {
      refused = error;
      throw error;
    }
  };
  const clientProvider = () => ({
    encrypt: (input: Parameters<KMS['encrypt']>[0]) =>
      noting('Encrypt', async (options) => whole(await client.encrypt(input, options))),
    decrypt: (input: Parameters<KMS['decrypt']>[0]) =>
      noting('Decrypt', async (options) => whole(await client.decrypt(input, options))),
    generateDataKey: (input: Parameters<KMS['generateDataKey']>[0]) =>
      noting('GenerateDataKey', async (options) => whole(await client.generateDataKey(input, options))),
  });
  return { keyring: new KmsKeyringNode({ keyIds: [key.arn], clientProvider }), refusal: () => refused };
}

/**
 * Uses a key as a restore would: what is encrypted for it now is opened again.
 * @returns false when this worker's account may encrypt for it and not decrypt, as a writer's.
 * @throws {Failure} KEY_DISABLED, KEY_UNREACHABLE, ACCESS_DENIED.
 */
export async function probeKmsKey(key: KmsKeyConfiguration, platform: string): Promise<boolean> {
  const client = connect(key);
  const about = { KeyId: key.arn, EncryptionContext: { platform, part: 'probe' } };
  const plain = randomBytes(32);
  const { CiphertextBlob } = await talking(key, 'Encrypt', (options) =>
    client.encrypt({ ...about, Plaintext: plain }, options),
  );
  try {
    const { Plaintext } = await talking(key, 'Decrypt', (options) =>
      client.decrypt({ ...about, CiphertextBlob }, options),
    );
    if (plain.equals(Plaintext ?? new Uint8Array())) return true;
  } catch (error) {
    if (error instanceof Failure && error.code === 'ACCESS_DENIED') return false;
    throw error;
  }
  throw new Failure('COULD_NOT_VERIFY', `KMS key '${key.name}' does not give back what was encrypted for it`);
}
