// Who a Redis is and what it holds, as far as it tells itself.
import type { Redis } from 'ioredis';
import type { JsonValue } from '../../domain/json.ts';
import { addressOf, infoOf, isRefusedCommand, type RedisConfiguration, settingsOf } from './client.ts';

export interface ServerFacts {
  readonly identity: string;
  readonly runId: string;
  readonly version: string;
  readonly role: string;
  readonly isCluster: boolean;
  readonly databases: Readonly<Record<string, { readonly keys: number; readonly expires: number }>>;
  readonly info: Readonly<Record<string, string>>;
  /** File names and modes that a restore in place needs; null where the account may not read settings. */
  readonly files: ServerFiles | null;
}

export interface ServerFiles {
  readonly dbfilename: string;
  readonly appendonly: string;
  readonly appendfilename: string;
  readonly appenddirname: string;
}

const FILE_SETTINGS = ['dbfilename', 'appendonly', 'appendfilename', 'appenddirname'] as const;

/** Reads `INFO` and the names of the server's files. */
export async function serverFacts(redis: Redis, configuration: RedisConfiguration): Promise<ServerFacts> {
  const info = await infoOf(redis);
  return {
    identity: addressOf(configuration),
    runId: info.run_id ?? '',
    version: info.redis_version ?? '0.0.0',
    role: info.role ?? 'unknown',
    isCluster: info.cluster_enabled === '1',
    databases: keyspaceOf(info),
    info,
    files: await fileSettings(redis),
  };
}

/** `db0:keys=1,expires=0,…` lines as numbers by database. */
export function keyspaceOf(info: Readonly<Record<string, string>>): ServerFacts['databases'] {
  const databases = Object.entries(info).filter(([name]) => /^db\d+$/.test(name));
  const number = (text: string, name: string) => Number(new RegExp(`${name}=(\\d+)`).exec(text)?.[1] ?? 0);
  return Object.fromEntries(
    databases.map(([name, text]) => [name.slice(2), { keys: number(text, 'keys'), expires: number(text, 'expires') }]),
  );
}

/** What a manifest records about where a backup came from. No secret is in it. */
export function sourceOf(facts: ServerFacts): Readonly<Record<string, JsonValue>> {
  const { info } = facts;
  return {
    identity: facts.identity,
    runId: facts.runId,
    version: facts.version,
    role: facts.role,
    replicationId: info.master_replid ?? null,
    usedMemoryBytes: Number(info.used_memory ?? 0),
    ...(facts.files === null ? {} : { files: { ...facts.files } }),
  };
}

async function fileSettings(redis: Redis): Promise<ServerFiles | null> {
  try {
    const found = await settingsOf(redis, ...FILE_SETTINGS);
    if (FILE_SETTINGS.some((name) => found[name] === undefined)) return null;
    return found as unknown as ServerFiles;
  } catch (error) {
    if (isRefusedCommand(error)) return null;
    throw error;
  }
}
