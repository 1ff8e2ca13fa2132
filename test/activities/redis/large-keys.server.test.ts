import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readOut } from '../../../activities/redis/compare.ts';
import type { TakenBackup } from '../../../domain/manifest.ts';
import { type RedisPlatform, startPlatform } from './platform.ts';
import { finish, restore, undo } from './restores.ts';

const EVERYTHING = { database: null, pattern: '*' };
const BY_KEYS = { target: 'live', options: { method: 'keys' } } as const;
/** Enough of each type for its key to be taken apart. */
const ITEMS = { set: 120_000, list: 75_000, hash: 75_000, zset: 60_000, stream: 80_000 };
/** For a machine that others use too. */
const LIMIT_MS = 600_000;

const fill = (redis: Redis, script: string, key: string, count: number) =>
  redis.eval(`for i = 1, tonumber(ARGV[1]) do ${script} end`, 1, key, count);

describe('keys of tens of megabytes and of very many members', () => {
  let platform: RedisPlatform;
  let redis: Redis;
  let backup: TakenBackup;
  let before: Awaited<ReturnType<typeof readOut>>;

  const readLive = async () => await readOut(await platform.client(), EVERYTHING);

  beforeAll(async () => {
    platform = await startPlatform({ appendonly: 'no', save: '' });
    redis = await platform.client();
    await redis.set('large string', randomBytes(24 * 1024 * 1024), 'PX', 86_400_000);
    await redis.setbit('large bitmap', 200_000_000, 1);
    await fill(redis, "redis.call('SADD', KEYS[1], 'member-' .. i)", 'large set', ITEMS.set);
    await fill(redis, "redis.call('RPUSH', KEYS[1], 'element ' .. i .. string.rep('x', 50))", 'large list', ITEMS.list);
    await fill(redis, "redis.call('HSET', KEYS[1], 'field ' .. i, '\\0\\255' .. i)", 'large hash', ITEMS.hash);
    await fill(redis, "redis.call('ZADD', KEYS[1], i / 7, 'member ' .. i)", 'large zset', ITEMS.zset);
    for (const key of ['large stream', 'trimmed stream']) {
      await fill(redis, "redis.call('XADD', KEYS[1], i .. '-1', 'field', string.rep('y', 40) .. i)", key, ITEMS.stream);
      await redis.xgroup('CREATE', key, 'workers', '0');
      await redis.xgroup('CREATE', key, 'idle', '77777-0');
      await redis.xgroup('CREATECONSUMER', key, 'idle', 'never read');
      await redis.xreadgroup('GROUP', 'workers', 'one', 'COUNT', 700, 'STREAMS', key, '>');
      await redis.xreadgroup('GROUP', 'workers', 'two', 'COUNT', 300, 'STREAMS', key, '>');
      await redis.xclaim(key, 'workers', 'two', 0, '5-1', 'RETRYCOUNT', 9);
    }
    await redis.xdel('large stream', '3-1', '500-1', '70000-1');
    await redis.xtrim('trimmed stream', 'MINID', '100');
    before = await readLive();
    backup = await platform.take('rdb');
  }, LIMIT_MS);
  afterAll(() => platform?.stop());

  it(
    'come back by keys into an empty store, and undo takes them away',
    async () => {
      await redis.flushall();
      const { plan, results } = await restore(platform.deps, backup, BY_KEYS);
      expect(results.compare?.facts).toMatchObject({ equal: before.keys, expired: 0, surplus: 0, sum: before.sum });
      expect(await readLive()).toEqual(before);
      await undo(platform.deps, plan);
      expect((await readLive()).keys).toBe(0);
    },
    LIMIT_MS,
  );

  it(
    'replace what is large itself, which undo puts back from the journal',
    async () => {
      await redis.flushall();
      const restored = await restore(platform.deps, backup, BY_KEYS);
      await finish(platform.deps, restored.plan);
      await redis.append('large string', 'more');
      await redis.srem('large set', 'member-1');
      await redis.lset('large list', 7, 'another');
      await redis.hset('large hash', 'field 1', 'another');
      await redis.zincrby('large zset', 1, 'member 9');
      await redis.xack('large stream', 'workers', '7-1');
      await redis.xadd('trimmed stream', '*', 'another', 'entry');
      const changed = await readLive();
      const { plan, results } = await restore(platform.deps, backup, BY_KEYS);
      expect(results.write?.facts).toMatchObject({ written: 7, same: 1 });
      expect(await readLive()).toEqual(before);
      const journal = await readdir(join(platform.deps.workDirectory, 'kept', plan.request.run, 'redis', 'write'));
      expect(journal.filter((name) => name.includes('large'))).toHaveLength(7);
      await undo(platform.deps, plan);
      expect(await readLive()).toEqual(changed);
    },
    LIMIT_MS,
  );
});
