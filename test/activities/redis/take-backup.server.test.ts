import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRedis } from '../../../activities/redis/index.ts';
import { fillRedis } from './dataset.ts';
import { type RedisPlatform, startPlatform } from './platform.ts';

let platform: RedisPlatform;
let keys: number;

beforeAll(async () => {
  platform = await startPlatform({ 'enable-debug-command': 'local' });
  const redis = await platform.client();
  keys = await fillRedis(redis);
});

afterAll(() => platform.stop());

it('inspect tells who the store is and finds nothing in the way', async () => {
  const facts = await createRedis(platform.deps).inspect({ site: 'west', kinds: ['rdb', 'aof'] });
  expect(facts.identity).toBe(`redis://127.0.0.1:${platform.server.port}`);
  expect(facts.counts).toEqual({ keys, databases: 3 });
  expect(facts.findings.filter(({ level }) => level !== 'ok')).toEqual([]);
});

it('takeBackup of the kind rdb stores every key with exact counts, and checkBackup finds it sound', async () => {
  const startedAt = Date.now();
  const { facts } = await platform.take('rdb');
  expect(facts.counts).toMatchObject({ keys, alreadyExpired: 0, databases: 3, functionLibraries: 1 });
  expect(facts.artifacts.map(({ role }) => role)).toEqual([
    'rdb',
    'functions',
    'acl',
    'configuration',
    'modules',
    'inventory',
  ]);
  expect(facts.report.offset).toBe(facts.report.offsetInFile);
  // The server stamps whole seconds, rounded down.
  expect(Date.parse(facts.momentAt)).toBeGreaterThan(startedAt - 1000);
  expect(Date.parse(facts.momentAt)).toBeLessThanOrEqual(Date.now());
  const report = await createRedis(platform.deps).checkBackup({
    site: 'west',
    backup: facts,
    tier: null,
    run: 'check',
  });
  expect(report.findings.map(({ level }) => level)).not.toContain('failed');
  expect(report.bytesRead).toBe(facts.artifacts.reduce((sum, one) => sum + one.plainBytes, 0));
  expect(await readdir(join(platform.directory, 'work'))).toEqual([]);
});

it('takeBackup of the kind rdb counts a key that had expired and was not yet removed', async () => {
  const redis = await platform.client();
  await redis.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0');
  await redis.set('short', 'lived', 'PX', 1);
  const { facts } = await platform.take('rdb');
  expect(facts.counts).toMatchObject({ keys: keys + 1, alreadyExpired: 1 });
  const plan = await createRedis(platform.deps).planRestore({
    run: 'expired',
    platform: 'shop',
    site: 'west',
    backup: { system: 'redis', backupId: facts.backupId },
    tier: null,
    scope: { kind: 'whole', names: {} },
    target: 'scratch',
    expectedIdentity: null,
    options: {},
  });
  const read = await createRedis(platform.deps).runRestoreStep({ plan, stepId: 'read', input: {} });
  expect(read.facts).toMatchObject({ keys, expired: 1 });
  await createRedis(platform.deps).finishRestore({ plan, outcome: 'succeeded' });
  await redis.del('short');
  await redis.call('DEBUG', 'SET-ACTIVE-EXPIRE', '1');
});

it('takeBackup of the kind rdb reads a snapshot whose length the server announces', async () => {
  const redis = await platform.client();
  await redis.call('CONFIG', 'SET', 'repl-diskless-sync', 'no');
  const { facts } = await platform.take('rdb');
  await redis.call('CONFIG', 'SET', 'repl-diskless-sync', 'yes');
  expect(facts.counts).toMatchObject({ keys, alreadyExpired: 0 });
});

it('takeBackup of the kind aof copies the parts and gives the rewrite setting back', async () => {
  const redis = await platform.client();
  await redis.call('CONFIG', 'SET', 'auto-aof-rewrite-percentage', '77');
  const { facts } = await platform.take('aof');
  expect(facts.counts.files).toBeGreaterThanOrEqual(2);
  expect(facts.counts.commands).toBeGreaterThan(300);
  expect(await redis.call('CONFIG', 'GET', 'auto-aof-rewrite-percentage')).toEqual([
    'auto-aof-rewrite-percentage',
    '77',
  ]);
  const report = await createRedis(platform.deps).checkBackup({
    site: 'west',
    backup: facts,
    tier: null,
    run: 'check',
  });
  expect(report.findings[0]?.message).toContain('redis-check-aof finds 2 files sound');
});
