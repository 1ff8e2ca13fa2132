import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createRedis } from '../../../activities/redis/index.ts';
import type { RestoreRequest, RestoreStepResult } from '../../../domain/contracts/protected-system.ts';
import type { TakenBackup } from '../../../domain/manifest.ts';
import { BINARY_KEY, fillRedis } from './dataset.ts';
import { type RedisPlatform, startPlatform } from './platform.ts';

const LARGE = 24 * 1024 * 1024;

describe('odd data of Redis', () => {
  let platform: RedisPlatform;
  let redis: Redis;
  const taken: Record<string, TakenBackup> = {};
  let lasting = 0;

  const requestFor = (backup: TakenBackup, changes: Partial<RestoreRequest>): RestoreRequest => ({
    run: `run-${randomBytes(4).toString('hex')}`,
    platform: 'shop',
    site: 'west',
    backup: { system: 'redis', backupId: backup.facts.backupId },
    tier: null,
    scope: { kind: 'whole', names: {} },
    target: 'scratch',
    expectedIdentity: null,
    options: {},
    ...changes,
  });
  const restore = async (backup: TakenBackup, changes: Partial<RestoreRequest>, times = 1) => {
    const system = createRedis(platform.deps);
    const plan = await system.planRestore(requestFor(backup, changes));
    const results: Record<string, RestoreStepResult[]> = {};
    for (const { id } of plan.steps) {
      results[id] = [];
      for (let time = 0; time < times; time += 1)
        results[id].push(await system.runRestoreStep({ plan, stepId: id, input: {} }));
    }
    return { plan, results, system };
  };
  /** Keys that stay: a key whose time is over counts until somebody asks for it. */
  const countLasting = async (): Promise<number> => {
    await redis.select(15);
    await vi.waitUntil(async () => (await redis.exists('past', 'during')) === 0, { timeout: 60_000 });
    let keys = 0;
    for (let database = 0; database < 16; database += 1) {
      await redis.select(database);
      keys += await redis.dbsize();
    }
    return keys;
  };

  beforeAll(async () => {
    platform = await startPlatform({ appendonly: 'yes' });
    redis = await platform.client();
    for (const kind of ['rdb', 'aof']) taken[`empty ${kind}`] = await platform.take(kind);
    await fillRedis(redis);
    for (let database = 0; database < 16; database += 1) {
      await redis.select(database);
      await redis.set(`in:${database}`, database);
    }
    await redis.select(15);
    await redis.set('large', randomBytes(LARGE));
    await redis.rpush('large list', ...[1, 2, 3].map(() => randomBytes(LARGE / 8)));
    await redis.set('seconds', 1, 'EX', 4000);
    await redis.set('milliseconds', 1, 'PX', 4_000_001);
    await redis.set('far', 1, 'PXAT', 4_102_444_800_001);
    await redis.set('farthest', 1, 'PXAT', 9_007_199_254_740_991);
    await redis.set('past', 1, 'PX', 400);
    await redis.set('during', 1, 'PX', 2500);
    for (const key of ['a*b', 'a?b', 'a[xy]b', 'axb', 'a\\b', '*']) await redis.set(key, key);
    await redis.xadd('s', '5-5', 'a', 'b');
    await redis.xgroup('CREATE', 's', 'g', '0');
    await redis.xreadgroup('GROUP', 'g', 'c', 'STREAMS', 's', '>');
    await redis.xdel('s', '5-5');
    await redis.xgroup('CREATECONSUMER', 's', 'g', 'idle one');
    await redis.select(0);
    for (const kind of ['rdb', 'aof']) taken[kind] = await platform.take(kind);
    lasting = await countLasting();
  });
  afterAll(() => platform?.stop());

  it.each(['empty rdb', 'empty aof', 'rdb', 'aof'])('checks and proves a backup %s', async (name) => {
    const backup = taken[name] as TakenBackup;
    const system = createRedis(platform.deps);
    const ref = { system: 'redis' as const, backupId: backup.facts.backupId };
    const report = await system.checkBackup({ site: 'west', backup: ref, tier: null, run: 'check' });
    expect(report.findings.filter(({ level }) => level !== 'ok')).toEqual([]);
    const { plan, results } = await restore(backup, {}, 2);
    // Which of the two short-lived keys were still in the file is the manifest's to say.
    const keys = name.startsWith('empty') ? 0 : lasting;
    const recorded = backup.facts.counts.keys;
    const wanted = { keys, expired: recorded === undefined ? null : recorded - keys };
    expect(results.read?.map(({ facts }) => facts)).toMatchObject([wanted, wanted]);
    await system.finishRestore({ plan, outcome: 'succeeded' });
  });

  it.each(['a\\*b', 'a\\[xy\\]b', '\\*', 'a\\\\b'])(
    'brings back only the key that the pattern %s means',
    async (pattern) => {
      const client = await platform.client();
      await client.select(15);
      const names = ['a*b', 'a?b', 'a[xy]b', 'axb', 'a\\b', '*'];
      for (const key of names) await client.set(key, 'changed');
      const scope = { kind: 'pattern' as const, names: { pattern, database: '15' } };
      const { plan, system } = await restore(taken.rdb as TakenBackup, { scope, target: 'live' }, 2);
      const values = await client.mget(...names);
      expect(values.filter((value) => value !== 'changed')).toHaveLength(1);
      for (const { id } of plan.steps.filter(({ hasUndo }) => hasUndo).toReversed())
        await system.undoRestoreStep({ plan, stepId: id, input: {} });
      await system.finishRestore({ plan, outcome: 'undone' });
      expect(new Set(await client.mget(...names))).toEqual(new Set(['changed']));
      for (const key of names) await client.set(key, key);
    },
  );

  it.each(['keys', 'files'])('brings the whole store back by %s, and undoes it', async (method) => {
    const client = await platform.client();
    await client.flushall();
    await client.set('written later', 'x');
    const { plan, system } = await restore(taken.rdb as TakenBackup, {
      target: 'live',
      options: { method, surplus: 'remove' },
    });
    const now = await platform.client();
    expect(await now.getBuffer(BINARY_KEY)).toEqual(Buffer.from([0, 1, 2, 255, 254]));
    await now.select(15);
    expect(await now.strlen('large')).toBe(LARGE);
    for (const { id } of plan.steps.filter(({ hasUndo }) => hasUndo).toReversed())
      await system.undoRestoreStep({ plan, stepId: id, input: {} });
    await system.finishRestore({ plan, outcome: 'undone' });
    const then = await platform.client();
    expect(await then.keys('*')).toEqual(['written later']);
    expect(await then.call('INFO', 'keyspace')).not.toContain('db15');
  });
});
