// What belongs to a Redis and is in no RDB: accounts, settings and modules; and the functions, which are in it but are
// kept apart as well, so that they can be restored alone. Secrets are inside: never logged, only stored encrypted.
import type { Redis } from 'ioredis';
import type { OpenBackup } from '../../domain/contracts/backup-content.ts';
import type { Artifact } from '../../domain/manifest.ts';
import { isRefusedCommand, pairs } from './client.ts';

export interface Surroundings {
  readonly artifacts: readonly Artifact[];
  readonly warnings: readonly string[];
}

interface Part {
  readonly role: string;
  readonly name: string;
  readonly what: string;
  readonly read: (redis: Redis) => Promise<Uint8Array>;
}

const asJson = (value: unknown) => Buffer.from(`${JSON.stringify(value)}\n`);

const PARTS: readonly Part[] = [
  {
    role: 'functions',
    name: 'functions.bin',
    what: 'functions',
    read: async (redis) => (await redis.callBuffer('FUNCTION', 'DUMP')) as Buffer,
  },
  {
    role: 'acl',
    name: 'acl.txt',
    what: 'ACL users',
    read: async (redis) => {
      const lines = (await redis.callBuffer('ACL', 'LIST')) as Buffer[];
      return Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]));
    },
  },
  {
    role: 'configuration',
    name: 'configuration.json',
    what: 'settings',
    read: async (redis) => asJson(pairs((await redis.call('CONFIG', 'GET', '*')) as string[])),
  },
  {
    role: 'modules',
    name: 'modules.json',
    what: 'the list of modules',
    read: async (redis) => asJson(((await redis.call('MODULE', 'LIST')) as string[][]).map(pairs)),
  },
];

/** Stores each part as an artifact of its own. A part that the account may not read is named in the warnings. */
export async function addSurroundings(redis: Redis, backup: OpenBackup): Promise<Surroundings> {
  const artifacts: Artifact[] = [];
  const warnings: string[] = [];
  for (const part of PARTS) {
    const bytes = await readPart(redis, part);
    if (bytes === null) warnings.push(`${part.what} are not in this backup: the account may not read them`);
    else artifacts.push(await backup.addArtifact({ name: part.name, role: part.role }, once(bytes)));
  }
  return { artifacts, warnings };
}

/** Stores a small JSON value under the role `inventory`. */
export async function addInventory(backup: OpenBackup, inventory: unknown): Promise<Artifact> {
  return await backup.addArtifact({ name: 'inventory.json', role: 'inventory' }, once(asJson(inventory)));
}

async function readPart(redis: Redis, part: Part): Promise<Uint8Array | null> {
  try {
    return await part.read(redis);
  } catch (error) {
    if (isRefusedCommand(error)) return null;
    throw error;
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
