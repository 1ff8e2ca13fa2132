// Two releases side by side: the machine's Redis 7 and the newer one that `npm run test:current` sets up.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readOut } from '../../../activities/redis/compare.ts';
import { createRedis } from '../../../activities/redis/index.ts';
import type { RedisDependencies } from '../../../activities/redis/run-folder.ts';
import type { TakenBackup } from '../../../domain/manifest.ts';
import { type LocalRedis, passwordOf, startRedis } from '../../../local/redis.ts';
import { startAs } from '../../support/releases.ts';
import { fillRedis } from './dataset.ts';
import { dependenciesOf, type RedisPlatform, startPlatform } from './platform.ts';
import { finish, requestFor, restore, undo } from './restores.ts';

const EVERYTHING = { database: null, pattern: '*' };
const DAY_MS = 86_400_000;

let platform: RedisPlatform;
let newer: LocalRedis;
let newerDeps: RedisDependencies;
let current: Redis;
const open: Redis[] = [];

async function clientOf(server: LocalRedis): Promise<Redis> {
  const redis = new Redis({ protocol: 2, port: server.port, username: 'holdfast', password: await passwordOf(server) });
  redis.on('error', () => undefined);
  open.push(redis);
  return redis;
}

beforeAll(async () => {
  platform = await startAs('machine', () => startPlatform());
  await fillRedis(await platform.client());
  const directory = join(platform.directory, 'newer');
  await mkdir(directory, { mode: 0o755 });
  newer = await startAs('current', () => startRedis({ directory }));
  newerDeps = dependenciesOf(platform.directory, newer, platform.backups);
  current = await clientOf(newer);
});
afterAll(async () => {
  for (const redis of open) redis.disconnect();
  await newer?.stop();
  await platform?.stop();
});

const readCurrent = async () => await readOut(await clientOf(newer), EVERYTHING);
const identityOf = ({ port }: LocalRedis) => `redis://127.0.0.1:${port}`;

it.each(['rdb', 'aof'])('a backup %s of Redis 7 is restored into Redis 8, by files and by keys', async (kind) => {
  const before = await readOut(await platform.client(), EVERYTHING);
  const backup = await platform.take(kind);
  for (const method of ['files', 'keys']) {
    current = await clientOf(newer);
    await current.flushall();
    const changes = { target: 'live', expectedIdentity: identityOf(newer), options: { method } } as const;
    const { plan } = await restore(newerDeps, backup, changes);
    expect(await readCurrent()).toEqual(before);
    await finish(newerDeps, plan);
  }
});

it('a backup of Redis 8 is refused for Redis 7 before anything is read: by the tools, and by the target', async () => {
  const backup = await platform.take('rdb', newerDeps);
  const request = requestFor(backup, { target: 'live', expectedIdentity: identityOf(platform.server) });
  await expect(createRedis(platform.deps).planRestore(request)).rejects.toMatchObject({ code: 'VERSION_UNFIT' });
  const { binDirectory = '' } = newer.configuration;
  const withNewTools = { ...platform.deps, configuration: { ...platform.deps.configuration, binDirectory } };
  for (const method of ['files', 'keys'])
    await expect(createRedis(withNewTools).planRestore({ ...request, options: { method } })).rejects.toMatchObject({
      code: 'VERSION_UNFIT',
      message: expect.stringContaining('the live server is Redis 7'),
    });
});

it('fields that expire, small and large, and vector sets of Redis 8 come back exactly', async () => {
  current = await clientOf(newer);
  await current.flushall();
  const at = Date.now() + DAY_MS;
  await current.hset('small hash', 'stays', '1', 'expires', '2');
  await current.call('HPEXPIREAT', 'small hash', at + 7, 'FIELDS', 1, 'expires');
  await current.hset('long hash', Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`f${index}`, 'v'])));
  await current.call('HPEXPIREAT', 'long hash', at, 'FIELDS', 2, 'f3', 'f999');
  await current.eval(
    "for i = 1, 80000 do redis.call('HSET', KEYS[1], 'field ' .. i, 'value ' .. i) end redis.call('HPEXPIREAT', KEYS[1], ARGV[1], 'FIELDS', 1, 'field 9')",
    1,
    'large hash',
    at,
  );
  for (let index = 0; index < 40; index += 1)
    await current.call('VADD', 'vectors', 'VALUES', 3, index, 2, -index, `element ${index}`);
  await current.call('VSETATTR', 'vectors', 'element 7', '{"a":1}');
  const before = await readCurrent();
  const taken: TakenBackup[] = [];
  for (const kind of ['rdb', 'aof']) taken.push(await platform.take(kind, newerDeps));
  expect(taken[0]?.facts.source.moduleTypes).toEqual(['vectorset']);
  expect(taken[0]?.facts.warnings).toEqual([]);
  const { findings } = await createRedis(newerDeps).inspect({ site: 'west', kinds: ['rdb', 'aof'] });
  expect(findings.filter(({ level }) => level !== 'ok')).toEqual([]);
  for (const backup of taken) {
    const ref = { system: 'redis', backupId: backup.facts.backupId } as const;
    const report = await createRedis(newerDeps).checkBackup({ site: 'west', backup: ref, tier: null, run: 'check' });
    expect(report.findings.filter(({ level }) => level !== 'ok')).toEqual([]);
    for (const method of ['keys', 'files']) {
      current = await clientOf(newer);
      await current.flushall();
      await current.hset('small hash', 'another', '1');
      const changed = await readCurrent();
      const { plan } = await restore(newerDeps, backup, { target: 'live', options: { method } });
      expect(await readCurrent()).toEqual(before);
      current = await clientOf(newer);
      expect(await current.call('HPEXPIRETIME', 'small hash', 'FIELDS', 2, 'stays', 'expires')).toEqual([-1, at + 7]);
      await undo(newerDeps, plan);
      expect(await readCurrent()).toEqual(changed);
    }
  }
});
