// The server in place of AWS KMS is as strict as the API's reference: what a backup's recipients rest on.
// https://docs.aws.amazon.com/kms/latest/APIReference/Welcome.html
import { randomBytes } from 'node:crypto';
import { KMS } from '@aws-crypto/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KmsAccount, type LocalKms, startKms } from '../../local/kms.ts';

let kms: LocalKms;
let arn: string;
beforeAll(async () => {
  kms = await startKms();
});
afterAll(() => kms.close());

const as = (credentials: KmsAccount, region = kms.region) =>
  new KMS({ region, endpoint: kms.endpoint, credentials, maxAttempts: 1 });
const refusal = (name: string) => expect.objectContaining({ name });
const plain = randomBytes(32);
const about = (system = 'redis') => ({ KeyId: arn, EncryptionContext: { platform: 'shop', system } });
const sealed = async () => (await as(kms.owner).encrypt({ ...about(), Plaintext: plain })).CiphertextBlob;

beforeAll(() => {
  arn = kms.keys.make(kms.region);
});

describe('encryption with a key', () => {
  // API_Decrypt: the encryption context is an exact, case-sensitive match.
  it('is opened by the same key in the same context and by no other', async () => {
    const CiphertextBlob = await sealed();
    expect(Buffer.from(CiphertextBlob ?? []).includes(plain)).toBe(false);
    const opened = await as(kms.owner).decrypt({ ...about(), CiphertextBlob });
    expect(opened).toMatchObject({ KeyId: arn, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' });
    expect(plain.equals(opened.Plaintext ?? new Uint8Array())).toBe(true);
    await expect(as(kms.owner).decrypt({ ...about('Redis'), CiphertextBlob })).rejects.toEqual(
      refusal('InvalidCiphertextException'),
    );
    const KeyId = kms.keys.make(kms.region);
    await expect(as(kms.owner).decrypt({ ...about(), KeyId, CiphertextBlob })).rejects.toEqual(
      refusal('IncorrectKeyException'),
    );
    const changed = Buffer.from(CiphertextBlob ?? []);
    changed.writeUInt8((changed.at(-1) ?? 0) ^ 1, changed.length - 1);
    await expect(as(kms.owner).decrypt({ ...about(), CiphertextBlob: changed })).rejects.toEqual(
      refusal('InvalidCiphertextException'),
    );
  });

  // API_Encrypt: Plaintext of 1 to 4096 bytes. API_GenerateDataKey: either KeySpec or NumberOfBytes, not both.
  it('keeps the limits of a request', async () => {
    const owner = as(kms.owner);
    for (const length of [0, 4097])
      await expect(owner.encrypt({ ...about(), Plaintext: new Uint8Array(length) })).rejects.toEqual(
        refusal('ValidationException'),
      );
    await expect(owner.generateDataKey({ ...about(), KeySpec: 'AES_256', NumberOfBytes: 32 })).rejects.toEqual(
      refusal('ValidationException'),
    );
    const { Plaintext, CiphertextBlob } = await owner.generateDataKey({ ...about(), KeySpec: 'AES_256' });
    expect(await owner.decrypt({ ...about(), CiphertextBlob })).toMatchObject({ Plaintext });
    await expect(owner.encrypt({ ...about(), KeyId: `${arn}0`, Plaintext: plain })).rejects.toEqual(
      refusal('NotFoundException'),
    );
  });
});

describe('a key', () => {
  // Key states of AWS KMS keys: which operation fails with which exception.
  it('is of no use while it is disabled or waits for its deletion, and not even then after that', async () => {
    const owner = as(kms.owner);
    const CiphertextBlob = await sealed();
    const state = async () => (await owner.describeKey({ KeyId: arn })).KeyMetadata?.KeyState;
    await owner.disableKey({ KeyId: arn });
    expect(await state()).toBe('Disabled');
    await expect(owner.decrypt({ ...about(), CiphertextBlob })).rejects.toEqual(refusal('DisabledException'));
    await expect(owner.encrypt({ ...about(), Plaintext: plain })).rejects.toEqual(refusal('DisabledException'));
    await owner.enableKey({ KeyId: arn });
    await expect(owner.scheduleKeyDeletion({ KeyId: arn, PendingWindowInDays: 6 })).rejects.toEqual(
      refusal('ValidationException'),
    );
    await owner.scheduleKeyDeletion({ KeyId: arn, PendingWindowInDays: 7 });
    await expect(owner.decrypt({ ...about(), CiphertextBlob })).rejects.toEqual(refusal('KMSInvalidStateException'));
    await expect(owner.enableKey({ KeyId: arn })).rejects.toEqual(refusal('KMSInvalidStateException'));
    await owner.cancelKeyDeletion({ KeyId: arn });
    expect(await state()).toBe('Disabled');
    await expect(owner.cancelKeyDeletion({ KeyId: arn })).rejects.toEqual(refusal('KMSInvalidStateException'));
    await owner.enableKey({ KeyId: arn });
    expect((await owner.decrypt({ ...about(), CiphertextBlob })).KeyId).toBe(arn);
  });
});

describe('an account', () => {
  it('may do what it was given and nothing else, and is known by name', async () => {
    const CiphertextBlob = await sealed();
    const writer = as(kms.accountFor('Encrypt', 'GenerateDataKey'));
    expect((await writer.encrypt({ ...about(), Plaintext: plain })).KeyId).toBe(arn);
    await expect(writer.decrypt({ ...about(), CiphertextBlob })).rejects.toEqual(refusal('AccessDeniedException'));
    const stranger = as({ accessKeyId: 'AKIASTRANGER', secretAccessKey: 'x' });
    await expect(stranger.describeKey({ KeyId: arn })).rejects.toEqual(refusal('UnrecognizedClientException'));
    await expect(as(kms.owner, 'us-east-1').describeKey({ KeyId: arn })).rejects.toEqual(
      refusal('InvalidSignatureException'),
    );
  });
});
