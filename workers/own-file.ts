// Holdfast's own file for its backup, as it is on the disk now: what this worker began with may be older.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { readPublicKey } from '../activities/shared/public-keys.ts';
import type { Configuration } from '../domain/configuration/schema.ts';
import type { OwnFile, PublicKeyFile } from '../domain/own-file.ts';
import { readConfiguration } from './configuration-file.ts';

/** @throws {Failure} CONFIG_MISSING, CONFIG_INVALID when the file, or a public key that it names, cannot be read. */
export async function readOwnFile(path: string): Promise<OwnFile> {
  const file = resolve(path);
  const { repository } = await readConfiguration(file);
  const publicKeys = await Promise.all(publicKeyPaths(repository).map(readKey));
  return { format: 1, file, text: await readFile(file, 'utf8'), publicKeys };
}

function publicKeyPaths({ keys, tlsKeys, signing }: Configuration['repository']): readonly string[] {
  const named = [...keys.recipients, ...(tlsKeys?.recipients ?? []), ...signing.trusted];
  return [...new Set(named.map(({ publicKey }) => publicKey))];
}

// Exported anew: a private key that someone gave as a public one must not get into a backup.
async function readKey(path: string): Promise<PublicKeyFile> {
  const key = await readPublicKey(path);
  return { path, pem: key.export({ type: 'spki', format: 'pem' }).toString() };
}
