// Are the keys there, what they should be, and do private and public halves fit? Nothing of a private key is told.
// Keys in KMS are used by the repository's own check.
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { resolveSecret } from '../activities/shared/secrets.ts';
import type { Configuration, KeySetConfiguration } from '../domain/configuration/schema.ts';
import type { Finding } from '../domain/contracts/protected-system.ts';
import { Failure } from '../domain/failures.ts';

type Attempt = (subject: string, check: () => Promise<readonly Finding[]>) => Promise<readonly Finding[]>;
type RepositoryConfiguration = Configuration['repository'];

const SMALLEST_BITS = 4096;

/** Findings about every recipient, every private key held here, and the signer. */
export async function checkKeys(repository: RepositoryConfiguration, attempt: Attempt): Promise<readonly Finding[]> {
  const sets = [
    ['keys', repository.keys] as const,
    ...(repository.tlsKeys ? [['tlsKeys', repository.tlsKeys] as const] : []),
  ];
  const found = await Promise.all([
    ...sets.flatMap(([set, keys]) => checkSet(set, keys, attempt)),
    ...repository.signing.trusted.map(({ name, publicKey }) =>
      attempt(`trusted key ${name}`, async () => {
        await readPublic(publicKey, 'ed25519');
        return [ok(`trusted key ${name}`, publicKey)];
      }),
    ),
    checkSigner(repository.signing, attempt),
  ]);
  return found.flat();
}

function checkSet(set: string, { recipients, kms, private: held }: KeySetConfiguration, attempt: Attempt) {
  const online = held.map(({ name }) => name);
  return [
    ...recipients.map(({ name, publicKey }) =>
      attempt(`${set}: recipient ${name}`, async () => {
        await readPublic(publicKey, 'rsa');
        return online.includes(name)
          ? [ok(`${set}: recipient ${name}`, publicKey)]
          : checkOffline(set, name, publicKey);
      }),
    ),
    ...held.map(({ name, key }) =>
      attempt(`${set}: private key ${name}`, async () => {
        const recipient = recipients.find((one) => one.name === name);
        await requireFit(name, key, recipient?.publicKey, 'rsa');
        return [ok(`${set}: private key ${name}`, 'fits its public half')];
      }),
    ),
    ...(held.length + kms.length === 0 ? [attempt(set, async () => [noPrivateKey(set)])] : []),
  ];
}

const noPrivateKey = (set: string): Finding =>
  ok(`${set}: private keys`, 'none here: this machine can write backups and cannot open them');

// A key that is kept offline must not lie beside its public half on the machines it is the insurance against.
async function checkOffline(set: string, name: string, publicKey: string): Promise<readonly Finding[]> {
  const subject = `${set}: recipient ${name}`;
  const privateKey = publicKey.replace(/\.pub$/, '.key');
  const isHere = await access(privateKey).then(
    () => true,
    () => false,
  );
  if (!isHere || privateKey === publicKey) return [ok(subject, `${publicKey}, its private key is not here`)];
  const message = `its private key is still on this machine: '${privateKey}'`;
  return [
    {
      level: 'warning',
      subject,
      message,
      code: null,
      mend: `copy it to two safe places elsewhere, then run 'shred -u ${privateKey}'`,
    },
  ];
}

async function checkSigner(
  { name, key, trusted }: RepositoryConfiguration['signing'],
  attempt: Attempt,
): Promise<readonly Finding[]> {
  if (key === undefined) return [ok('signing key', 'not here: sealing is done at the witness')];
  return attempt('signing key', async () => {
    await requireFit(name, key, trusted.find((one) => one.name === name)?.publicKey, 'ed25519');
    return [ok('signing key', `fits the trusted key '${name}'`)];
  });
}

async function requireFit(
  name: string,
  reference: string,
  publicPath: string | undefined,
  type: 'rsa' | 'ed25519',
): Promise<void> {
  const own = publicHalf(name, await resolveSecret(reference));
  const published = publicPath === undefined ? null : await readPublic(publicPath, type);
  if (published?.equals(own)) return;
  throw new Failure('WRONG_KEY', `the private key '${name}' does not fit '${publicPath}'`, { recipients: name });
}

// The library's own words about a key that it cannot read may quote it.
function publicHalf(name: string, pem: string): KeyObject {
  try {
    return createPublicKey(createPrivateKey(pem));
  } catch {
    throw new Failure('WRONG_KEY', `the private key '${name}' is not a key in PEM`, { recipients: name });
  }
}

async function readPublic(path: string, type: 'rsa' | 'ed25519'): Promise<KeyObject> {
  const pem = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Failure('CONFIG_INVALID', `public key '${path}' cannot be read (${cause.code})`, {}, cause);
  });
  const key = parsePublic(path, pem);
  if (key.asymmetricKeyType !== type) throw new Failure('CONFIG_INVALID', `'${path}' is not a key of type ${type}`);
  const bits = key.asymmetricKeyDetails?.modulusLength ?? SMALLEST_BITS;
  if (bits < SMALLEST_BITS)
    throw new Failure('CONFIG_INVALID', `'${path}' has ${bits} bits: ${SMALLEST_BITS} are wanted`);
  return key;
}

function parsePublic(path: string, pem: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch (cause) {
    throw new Failure('CONFIG_INVALID', `'${path}' is not a public key in PEM`, {}, cause);
  }
}

const ok = (subject: string, message: string): Finding => ({ level: 'ok', subject, message, code: null });
