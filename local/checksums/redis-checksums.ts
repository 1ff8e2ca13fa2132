// Counts and checksums of Redis: every key with its type, value and moment of expiry, read by ordinary commands.
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type RedisAccess, requireDone, withRedis } from '../dataset/redis-data.ts';

export interface DatabaseChecksum {
  readonly keys: number;
  /** Sum of a 64-bit hash of each key. */
  readonly hash: string;
}

const READ: Readonly<Record<string, readonly (string | number)[]>> = {
  string: ['GET', 'KEY'],
  list: ['LRANGE', 'KEY', 0, -1],
  set: ['SMEMBERS', 'KEY'],
  zset: ['ZRANGE', 'KEY', 0, -1, 'WITHSCORES'],
  hash: ['HGETALL', 'KEY'],
  stream: ['XINFO', 'STREAM', 'KEY', 'FULL', 'COUNT', 0],
};

const UNORDERED = new Set(['set', 'hash']);
const BATCH_KEYS = 2000;
const WRAP = 1n << 64n;

/** By `db0`, `db1` and so on; databases without keys are left out, and so are keys of Holdfast's own (`dr:`). */
export function redisChecksums(access: RedisAccess): Promise<Record<string, DatabaseChecksum>> {
  return withRedis(access, async (redis) => {
    const keyspace = await redis.info('keyspace');
    const found: Record<string, DatabaseChecksum> = {};
    for (const [, number] of keyspace.matchAll(/^db(\d+):/gm)) {
      await redis.select(Number(number));
      found[`db${number}`] = await databaseChecksum(redis);
    }
    return found;
  });
}

async function databaseChecksum(redis: Redis): Promise<DatabaseChecksum> {
  const seen = new Set<string>();
  let hash = 0n;
  for await (const batch of redis.scanStream({ count: BATCH_KEYS })) {
    const keys = (batch as string[]).filter((key) => !seen.has(key) && !key.startsWith('dr:'));
    for (const key of keys) seen.add(key);
    for (const part of await keyHashes(redis, keys)) hash = (hash + part) % WRAP;
  }
  return { keys: seen.size, hash: hash.toString() };
}

async function keyHashes(redis: Redis, keys: readonly string[]): Promise<bigint[]> {
  const about = redis.pipeline();
  for (const key of keys) about.type(key).call('PEXPIRETIME', key);
  const facts = requireDone(await about.exec());
  const types = keys.map((_, index) => String(facts[2 * index]));
  const reading = redis.pipeline();
  keys.forEach((key, index) => {
    const [name = '', ...args] = READ[types[index] ?? ''] ?? ['DUMP', 'KEY'];
    reading.callBuffer(String(name), ...args.map((arg) => (arg === 'KEY' ? key : arg)));
  });
  const values = requireDone(await reading.exec());
  return keys.map((key, index) => {
    const type = types[index] ?? '';
    return hashOf([key, type, String(facts[2 * index + 1]), canonical(type, values[index])]);
  });
}

// Members of sets and fields of hashes have no order; pairs of a hash stay together.
function canonical(type: string, value: unknown): string {
  if (!UNORDERED.has(type)) return plain(value, type === 'stream');
  const parts = (value as unknown[]).map((part) => plain(part, false));
  const step = type === 'hash' ? 2 : 1;
  const groups = Array.from({ length: parts.length / step }, (_, n) =>
    parts.slice(n * step, n * step + step).join('='),
  );
  return groups.sort().join(',');
}

// What a stream says about its memory, its consumers' idle times and its inner tree is of the server, not of the data.
const OF_THE_SERVER = new Set([
  'radix-tree-keys',
  'radix-tree-nodes',
  'seen-time',
  'active-time',
  'recorded-first-entry-id',
]);

function plain(value: unknown, named: boolean): string {
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (!Array.isArray(value)) return String(value);
  const parts: string[] = [];
  for (let n = 0; n < value.length; n += 1) {
    if (named && Buffer.isBuffer(value[n]) && OF_THE_SERVER.has(value[n].toString())) n += 1;
    else parts.push(plain(value[n], named));
  }
  return `[${parts.join(' ')}]`;
}

function hashOf(parts: readonly string[]): bigint {
  return createHash('sha256').update(JSON.stringify(parts)).digest().readBigUInt64BE(0);
}
