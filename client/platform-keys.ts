// The keys of a new platform: recipients that can open backups, and the signer that seals them.
import { generateKeyPair, type KeyPairKeyObjectResult } from 'node:crypto';
import { promisify } from 'node:util';

const generate = promisify(generateKeyPair);

export interface KeyPair {
  readonly name: string;
  /** PEM. */
  readonly publicKey: string;
  readonly privateKey: string;
}

/** An RSA-4096 pair: its public half makes backups, its private half opens them. */
export async function makeRecipient(name: string): Promise<KeyPair> {
  return inPem(name, await generate('rsa', { modulusLength: 4096 }));
}

/** An Ed25519 pair for sealing manifests. */
export async function makeSigner(name: string): Promise<KeyPair> {
  return inPem(name, await generate('ed25519'));
}

function inPem(name: string, { publicKey, privateKey }: KeyPairKeyObjectResult): KeyPair {
  return {
    name,
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
