// The keys of one KMS, as far as symmetric encryption goes: AES-256-GCM bound to the key and the encryption context, and
// the states that a key goes through. https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';

export type KeyState = 'Enabled' | 'Disabled' | 'PendingDeletion';

/** A refusal by its name in the API's reference. */
export class KmsRefusal extends Error {
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

interface Key {
  readonly arn: string;
  readonly material: Buffer;
  state: KeyState;
}

export type Context = Readonly<Record<string, string>>;

const MOST_PLAIN_BYTES = 4096;
const IV_BYTES = 12;
const TAG_BYTES = 16;

export class KeyStore {
  readonly #keys = new Map<string, Key>();

  /** Makes an enabled key. @returns its ARN. */
  make(region: string): string {
    const arn = `arn:aws:kms:${region}:111122223333:key/${randomUUID()}`;
    this.#keys.set(arn, { arn, material: randomBytes(32), state: 'Enabled' });
    return arn;
  }

  stateOf(arn: string): KeyState {
    return this.#named(arn).state;
  }

  enable(arn: string): void {
    this.#unlessGoing(arn).state = 'Enabled';
  }

  disable(arn: string): void {
    this.#unlessGoing(arn).state = 'Disabled';
  }

  /** From now on it can be used for nothing, and be saved by `cancelDeletion` alone. */
  scheduleDeletion(arn: string): void {
    this.#unlessGoing(arn).state = 'PendingDeletion';
  }

  /** Leaves the key disabled. */
  cancelDeletion(arn: string): void {
    const key = this.#named(arn);
    if (key.state !== 'PendingDeletion')
      throw new KmsRefusal('KMSInvalidStateException', `${arn} is not pending deletion.`);
    key.state = 'Disabled';
  }

  /** What is deleted cannot be brought back: nothing knows the key any more. */
  delete(arn: string): void {
    this.#keys.delete(this.#named(arn).arn);
  }

  encrypt(arn: string, plain: Uint8Array, context: Context): Buffer {
    if (plain.length === 0 || plain.length > MOST_PLAIN_BYTES)
      throw new KmsRefusal('ValidationException', `Plaintext has 1 to ${MOST_PLAIN_BYTES} bytes`);
    const key = this.#usable(arn);
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key.material, iv).setAAD(bindingOf(key, context));
    const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
    const name = Buffer.from(key.arn);
    return Buffer.concat([Buffer.from([name.length]), name, iv, cipher.getAuthTag(), sealed]);
  }

  /** @param arn the key that the caller expects; the blob says which one it was. */
  decrypt(blob: Uint8Array, context: Context, arn: string | undefined): { arn: string; plain: Buffer } {
    const bytes = Buffer.from(blob);
    const at = 1 + (bytes[0] ?? 0);
    const own = this.#keys.get(bytes.subarray(1, at).toString());
    if (arn !== undefined && this.#named(arn) !== own)
      throw new KmsRefusal(
        'IncorrectKeyException',
        'The key ID in the request does not identify a CMK that can perform this operation.',
      );
    if (own === undefined) throw new KmsRefusal('InvalidCiphertextException', '');
    const key = this.#usable(own.arn);
    const [iv, tag] = [bytes.subarray(at, at + IV_BYTES), bytes.subarray(at + IV_BYTES, at + IV_BYTES + TAG_BYTES)];
    try {
      const cipher = createDecipheriv('aes-256-gcm', key.material, iv).setAAD(bindingOf(key, context)).setAuthTag(tag);
      const plain = Buffer.concat([cipher.update(bytes.subarray(at + IV_BYTES + TAG_BYTES)), cipher.final()]);
      return { arn: key.arn, plain };
    } catch {
      throw new KmsRefusal('InvalidCiphertextException', '');
    }
  }

  #usable(arn: string): Key {
    const key = this.#unlessGoing(arn);
    if (key.state === 'Disabled') throw new KmsRefusal('DisabledException', `${arn} is disabled.`);
    return key;
  }

  #unlessGoing(arn: string): Key {
    const key = this.#named(arn);
    if (key.state === 'PendingDeletion')
      throw new KmsRefusal('KMSInvalidStateException', `${arn} is pending deletion.`);
    return key;
  }

  #named(arn: string): Key {
    const key = this.#keys.get(arn);
    if (key === undefined) throw new KmsRefusal('NotFoundException', `Key '${arn}' does not exist`);
    return key;
  }
}

const bindingOf = ({ arn }: Key, context: Context): Buffer =>
  Buffer.from(JSON.stringify([arn, Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1))]));
