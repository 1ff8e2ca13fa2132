// Public keys of people and machines: read from PEM files, named by their hash.
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Failure } from '../../domain/failures.ts';

/** SHA-256 of a public key. */
export function keyIdOf(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

/** A public key from a PEM file. @throws {Failure} CONFIG_INVALID when the file is missing or is no public key. */
export async function readPublicKey(path: string): Promise<KeyObject> {
  try {
    return createPublicKey(await readFile(path));
  } catch (cause) {
    throw new Failure('CONFIG_INVALID', `public key '${path}' cannot be read`, { path }, cause);
  }
}
