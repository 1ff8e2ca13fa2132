// People who may approve a failover, each with a key pair of their own, for the demo and the tests.
import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivate } from './folders.ts';

export interface Person {
  readonly name: string;
  /** File that the configuration lists. */
  readonly publicKey: string;
  /** File that only this person has. */
  readonly privateKey: string;
}

/** Makes a key pair for each name below `directory`. */
export async function makePeople(directory: string, names: readonly string[]): Promise<readonly Person[]> {
  await makePrivate(directory);
  return Promise.all(names.map((name) => makePerson(directory, name)));
}

async function makePerson(directory: string, name: string): Promise<Person> {
  const pair = generateKeyPairSync('ed25519');
  const person = { name, publicKey: join(directory, `${name}.pub`), privateKey: join(directory, `${name}.pem`) };
  await writeFile(person.publicKey, pair.publicKey.export({ type: 'spki', format: 'pem' }));
  await writeFile(person.privateKey, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return person;
}
