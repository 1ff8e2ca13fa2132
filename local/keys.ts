// The keys of a platform for trying and testing: recipients of backup keys, one recipient of certificates, one signer.
import { generateKeyPair, type KeyPairKeyObjectResult } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { z } from 'zod';
import type { configurationSchema } from '../domain/configuration/schema.ts';

const generate = promisify(generateKeyPair);

type RepositoryInput = z.input<typeof configurationSchema>['repository'];

/** The part of the configuration that names the keys. */
export type KeyConfiguration = Required<Pick<RepositoryInput, 'keys' | 'tlsKeys' | 'signing'>>;

/**
 * Makes RSA-4096 recipients `restore` and `escrow` for data, `tls-restore` and `escrow` for certificates, and an
 * Ed25519 signer `witness`. The escrow's private key is written as `escrow.key` but named nowhere in the configuration.
 */
export async function makeKeys(directory: string): Promise<KeyConfiguration> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const rsa = ['restore', 'escrow', 'tls-restore'].map((name) => makeRecipient(directory, name));
  const [witness] = await Promise.all([makeSigner(directory, 'witness'), ...rsa]);
  return {
    keys: keySet(directory, 'restore'),
    tlsKeys: keySet(directory, 'tls-restore'),
    signing: witness,
  };
}

function keySet(directory: string, reader: string): KeyConfiguration['keys'] {
  return {
    recipients: [reader, 'escrow'].map((name) => ({ name, publicKey: publicFile(directory, name) })),
    private: [{ name: reader, key: fileReference(privateFile(directory, reader)) }],
  };
}

async function makeRecipient(directory: string, name: string): Promise<void> {
  await writePair(directory, name, await generate('rsa', { modulusLength: 4096 }));
}

async function makeSigner(directory: string, name: string): Promise<KeyConfiguration['signing']> {
  await writePair(directory, name, await generate('ed25519', {}));
  const trusted = [{ name, publicKey: publicFile(directory, name) }];
  return { name, key: fileReference(privateFile(directory, name)), trusted };
}

async function writePair(directory: string, name: string, pair: KeyPairKeyObjectResult): Promise<void> {
  const once = { mode: 0o600, flag: 'wx' };
  await writeFile(publicFile(directory, name), pair.publicKey.export({ type: 'spki', format: 'pem' }), once);
  await writeFile(privateFile(directory, name), pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), once);
}

const publicFile = (directory: string, name: string) => join(directory, `${name}.pub`);
const privateFile = (directory: string, name: string) => join(directory, `${name}.key`);

/** The way a configuration refers to a secret in a file. */
export function fileReference(path: string): string {
  return `\${file:${path}}`;
}
