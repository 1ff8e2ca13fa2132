import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { readOut } from '../../../activities/redis/compare.ts';
import { createRedis } from '../../../activities/redis/index.ts';
import type { RestorePlan, RestoreRequest } from '../../../domain/contracts/protected-system.ts';
import type { TakenBackup } from '../../../domain/manifest.ts';
import { BINARY_KEY, fillRedis, LIBRARY } from './dataset.ts';
import { type RedisPlatform, startPlatform } from './platform.ts';

const EVERYTHING = { database: null, pattern: '*' };

let platform: RedisPlatform;
let redis: Redis;
let runs = 0;

beforeAll(async () => {
  platform = await startPlatform();
  redis = await platform.client();
});

afterAll(() => platform.stop());

beforeEach(async () => {
  await redis.flushall();
  await fillRedis(redis);
});

const system = () => createRedis(platform.deps);

function request(backup: TakenBackup, changes: Partial<RestoreRequest> = {}): RestoreRequest {
  runs += 1;
  return {
    run: `restore/redis/${runs}`,
    platform: 'shop',
    site: 'west',
    backup: { system: 'redis', backupId: backup.facts.backupId },
    tier: null,
    scope: { kind: 'whole', names: {} },
    target: 'live',
    expectedIdentity: null,
    options: {},
    ...changes,
  };
}

async function carryOut(plan: RestorePlan, until?: string): Promise<Record<string, Readonly<Record<string, unknown>>>> {
  const facts: Record<string, Readonly<Record<string, unknown>>> = {};
  for (const { id } of plan.steps) {
    facts[id] = (await system().runRestoreStep({ plan, stepId: id, input: {} })).facts;
    if (id === until) break;
  }
  return facts;
}

async function undoAll(plan: RestorePlan): Promise<void> {
  for (const { id, hasUndo } of [...plan.steps].reverse())
    if (hasUndo) await system().undoRestoreStep({ plan, stepId: id, input: {} });
}

const readLive = async () => {
  const client = await platform.client();
  return await readOut(client, EVERYTHING);
};

for (const kind of ['rdb', 'aof']) {
  it(`a backup of the kind ${kind} restored into scratch holds exactly what the live store holds`, async () => {
    const before = await readLive();
    const backup = await platform.take(kind);
    const plan = await system().planRestore(request(backup, { target: 'scratch' }));
    const facts = await carryOut(plan);
    expect(facts.read).toMatchObject({ keys: before.keys, types: before.types, sum: before.sum });
    await system().finishRestore({ plan, outcome: 'succeeded' });
    expect(await readdir(join(platform.directory, 'work'))).not.toContain('restore-redis');
  });

  it(`a whole restore in place from the kind ${kind} brings everything back after FLUSHALL, twice as well as once`, async () => {
    const before = await readLive();
    const backup = await platform.take(kind);
    await redis.flushall();
    await redis.set('written after the disaster', '1');
    const plan = await system().planRestore(request(backup));
    expect(plan.steps.map(({ id }) => id)).toEqual(['load', 'read', 'stop', 'place', 'start', 'compare']);
    const facts = await carryOut(plan);
    expect(facts.compare).toMatchObject({ equal: before.keys, expired: 0, surplus: 0, sum: before.sum });
    for (const stepId of ['stop', 'place', 'place', 'start', 'start', 'compare'])
      await system().runRestoreStep({
        plan: { ...plan, observed: { ...plan.observed, runId: null } },
        stepId,
        input: {},
      });
    redis = await platform.client();
    expect((await readLive()).sum).toBe(before.sum);
    expect(await redis.call('FCALL', 'answer', '0')).toBe(42);
    expect(await redis.call('CONFIG', 'GET', 'appendonly')).toEqual(['appendonly', 'yes']);
    const { kept } = await system().finishRestore({ plan, outcome: 'succeeded' });
    expect(kept.map(({ what }) => what)).toContain('files of the store before the restore');
  });
}

it('a whole restore in place that is undone gives back what was there before it, also what was only in memory', async () => {
  const backup = await platform.take('rdb');
  await redis.flushall();
  await redis.set('newer', 'than the backup');
  const before = await readLive();
  const plan = await system().planRestore(request(backup));
  await carryOut(plan);
  await undoAll(plan);
  redis = await platform.client();
  expect(await readLive()).toEqual(before);
  expect((await system().finishRestore({ plan, outcome: 'undone' })).kept).toEqual([]);
  expect(await readdir(join(platform.deps.workDirectory, 'kept'))).not.toContain(plan.request.run);
});

it('a whole restore without file access writes every key and removes others only when asked to', async () => {
  const before = await readLive();
  const backup = await platform.take('rdb');
  await redis.flushall();
  await redis.set('surplus', '1');
  const plan = await system().planRestore(request(backup, { options: { method: 'keys', surplus: 'remove' } }));
  expect(plan.difference).toEqual({ add: before.keys, replace: 0, same: 0 });
  const facts = await carryOut(plan);
  expect(facts.remove).toEqual({ removed: 1 });
  expect((await readLive()).sum).toBe(before.sum);
  await undoAll(plan);
  expect(await redis.keys('*')).toEqual(['surplus']);
  await system().finishRestore({ plan, outcome: 'undone' });
});

it('a restore by pattern replaces what matches, leaves the rest, adds nothing twice and can be undone', async () => {
  const backup = await platform.take('rdb');
  await redis.select(3);
  await redis.set('session:1', 'overwritten');
  await redis.del('session:2');
  await redis.set('other', 'stays');
  const before = await readLive();
  const scope = { kind: 'pattern', names: { pattern: 'session:*', database: '3' } } as const;
  const plan = await system().planRestore(request(backup, { scope }));
  expect(plan.difference).toEqual({ add: 1, replace: 1, same: 298 });
  expect((await carryOut(plan)).write).toMatchObject({ written: 2, same: 298 });
  expect((await carryOut(plan)).write).toMatchObject({ written: 0, same: 300 });
  expect(await redis.get('session:1')).toContain('user 1');
  expect(await redis.get('other')).toBe('stays');
  expect(await redis.pttl('session:2')).toBeGreaterThan(3_000_000);
  await undoAll(plan);
  expect(await readLive()).toEqual(before);
  await redis.select(0);
  await system().finishRestore({ plan, outcome: 'undone' });
});

it('a restore by pattern carries a key whose name is no text', async () => {
  const backup = await platform.take('rdb');
  await redis.set(BINARY_KEY, 'damaged');
  const plan = await system().planRestore(
    request(backup, { scope: { kind: 'pattern', names: { pattern: '*', database: '0' } } }),
  );
  expect(plan.difference).toMatchObject({ add: 0, replace: 1 });
  await carryOut(plan);
  expect(await redis.getBuffer(BINARY_KEY)).toEqual(Buffer.from([0, 1, 2, 255, 254]));
  await system().finishRestore({ plan, outcome: 'succeeded' });
});

it('functions come back when asked for, and undo takes them away again', async () => {
  const backup = await platform.take('rdb');
  await redis.call('FUNCTION', 'FLUSH');
  const scope = { kind: 'pattern', names: { pattern: 'none:*' } } as const;
  const plan = await system().planRestore(request(backup, { scope, options: { functions: 'restore' } }));
  await carryOut(plan);
  expect(await redis.call('FCALL', 'answer', '0')).toBe(42);
  await undoAll(plan);
  await expect(redis.call('FCALL', 'answer', '0')).rejects.toThrow('Function not found');
  await redis.call('FUNCTION', 'LOAD', LIBRARY);
  await system().finishRestore({ plan, outcome: 'undone' });
});

it('sessions that have expired since the backup stay away, or live again when the policy says so', async () => {
  await redis.select(3);
  await redis.set('brief', 'session', 'PX', 700);
  await redis.select(0);
  const backup = await platform.take('rdb');
  await expect.poll(async () => (await redis.info('keyspace')).includes('db3:keys=300,'), { timeout: 5000 }).toBe(true);
  const scope = { kind: 'pattern', names: { pattern: 'brief' } } as const;
  const expected = { absolute: { expired: null, keys: 0 }, shift: { keys: 1 }, floor: { keys: 1 } };
  for (const [ttl, facts] of Object.entries(expected)) {
    const plan = await system().planRestore(request(backup, { scope, target: 'scratch', options: { ttl } }));
    expect((await carryOut(plan)).read).toMatchObject(facts);
    await system().finishRestore({ plan, outcome: 'succeeded' });
  }
  const whole = await system().planRestore(request(backup, { target: 'scratch' }));
  expect((await carryOut(whole)).read).toMatchObject({ expired: 1 });
  await system().finishRestore({ plan: whole, outcome: 'succeeded' });
});

it('a restore is refused for another target, an unknown option, and a form that the backup does not have', async () => {
  const backup = await platform.take('rdb');
  const plan = (changes: Partial<RestoreRequest>) => system().planRestore(request(backup, changes));
  await expect(plan({ expectedIdentity: 'redis://elsewhere:6379' })).rejects.toMatchObject({ code: 'TARGET_MISMATCH' });
  await expect(plan({ options: { tll: 'shift' } })).rejects.toMatchObject({ code: 'USAGE' });
  await expect(plan({ options: { form: 'aof' } })).rejects.toMatchObject({ code: 'PART_NOT_FOUND' });
});
