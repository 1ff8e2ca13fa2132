import { randomBytes } from 'node:crypto';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ReadOut, readOut } from '../../../activities/redis/compare.ts';
import { createRedis } from '../../../activities/redis/index.ts';
import type { RedisDependencies } from '../../../activities/redis/run-folder.ts';
import type { TakenBackup } from '../../../domain/manifest.ts';
import { makeRepository, PLATFORM, type TestRepository } from '../../support/repository.ts';
import { type RedisPlatform, startPlatform } from './platform.ts';
import { finish, requestFor, restore, undo } from './restores.ts';

const EVERYTHING = { database: null, pattern: '*' };
const NAMES: readonly (string | Buffer)[] = [
  'caf\u00e9',
  'cafe\u0301',
  '\u202egnp.exe',
  'line\nbreak\r\n$5\r\nhello',
  '-rf',
  '--',
  '"quoted" \'twice\' `once`',
  '$(touch x); DROP TABLE',
  '👩‍👩‍👧',
  '__proto__',
  'x'.repeat(255),
  'y'.repeat(70_000),
  Buffer.from([0, 1, 2, 255, 254, 0xc3, 0x28]),
  Buffer.from([0xed, 0xa0, 0x80]),
  ' ',
  '*?[]\\',
];
const library = (name: string) =>
  `#!lua name=${name}\nredis.register_function('${name}_answer', function() return '${name}' end)`;
const ACCOUNT = Buffer.from([...Buffer.from('dienst-ä-'), 0xff]);

async function fillNames(redis: Redis): Promise<void> {
  for (const name of NAMES) {
    await redis.set(name, name, 'PX', 86_400_000);
    await redis.hset('fields', name, name);
    await redis.sadd('members', name);
    await redis.zadd('scores', Math.PI, name);
    await redis.rpush('elements', name, '');
    await redis.xadd('stream', '*', name, name);
    await redis.callBuffer('XGROUP', 'CREATE', 'stream', name, '0');
    await redis.callBuffer('XREADGROUP', 'GROUP', name, name, 'COUNT', '2', 'STREAMS', 'stream', '>');
  }
}

// Both sides of each limit at which Redis changes the encoding of a type.
async function fillEncodings(redis: Redis): Promise<Record<string, string>> {
  const numbers = (count: number) => Array.from({ length: count }, (_, index) => index - 3);
  for (const [name, count] of Object.entries({ small: 100, large: 3000 })) {
    await redis.sadd(`${name} integers`, ...numbers(count));
    await redis.sadd(`${name} words`, ...numbers(count).map((one) => `word ${one}`));
    await redis.hset(`${name} hash`, ...numbers(count).flatMap((one) => [`field ${one}`, one]));
    await redis.zadd(`${name} zset`, ...numbers(count).flatMap((one) => [one / 3, `member ${one}`]));
    await redis.rpush(`${name} list`, ...numbers(count));
  }
  await redis.set('int', '-9223372036854775808');
  await redis.set('embedded', 'x'.repeat(44));
  await redis.set('raw', 'x'.repeat(45));
  await redis.set('empty', '');
  await redis.set('packs well', 'a'.repeat(100_000));
  await redis.zadd(
    'odd scores',
    '-inf',
    'a',
    '+inf',
    'b',
    0.1 + 0.2,
    'c',
    5e-324,
    'd',
    -0,
    'e',
    1.7976931348623157e308,
    'f',
  );
  await redis.hset('hash with a long value', 'a', 'b'.repeat(65));
  await redis.call('BITFIELD', ['bits', 'SET', 'u8', '#0', 255, 'SET', 'i64', '#9', -1]);
  await redis.pfadd('sparse', 'a');
  await redis.pfadd('dense', ...numbers(20_000));
  const encodings: Record<string, string> = {};
  for (const key of await redis.keys('*')) encodings[key] = String(await redis.object('ENCODING', key));
  return encodings;
}

describe('hostile data of Redis', () => {
  let platform: RedisPlatform;
  let redis: Redis;
  let before: ReadOut;
  let encodings: Record<string, string>;
  let accounts: readonly string[];
  const taken: Record<string, TakenBackup> = {};

  const readLive = async () => await readOut(await platform.client(), EVERYTHING);
  const accountsOf = async (client: Redis) =>
    ((await client.callBuffer('ACL', 'LIST')) as Buffer[])
      .map((line) => line.toString('latin1').replace(' sanitize-payload', ''))
      .sort();

  beforeAll(async () => {
    platform = await startPlatform({ appendonly: 'yes', 'maxmemory-policy': 'allkeys-lfu' });
    redis = await platform.client();
    await redis.select(5);
    encodings = await fillEncodings(redis);
    await redis.select(0);
    await fillNames(redis);
    for (const name of ['first', 'second', 'third']) await redis.call('FUNCTION', 'LOAD', library(name));
    await redis.callBuffer('ACL', [
      ...['SETUSER', ACCOUNT, 'on', '>secret words', '>another', '~app:*', '%R~read:*', '&channel:*'],
      ...['-@all', '+@read', '+set', '(~other:* +get)', '(%W~log:* &events +xadd)'],
    ]);
    accounts = await accountsOf(redis);
    before = await readLive();
    for (const kind of ['rdb', 'aof']) taken[kind] = await platform.take(kind);
  });
  afterAll(() => platform?.stop());

  it('meets every encoding', () => {
    expect(new Set(Object.values(encodings))).toEqual(
      new Set(['int', 'embstr', 'raw', 'intset', 'listpack', 'hashtable', 'skiplist', 'quicklist']),
    );
  });

  const ways = ['rdb', 'aof'].flatMap((kind) => ['files', 'keys'].map((method) => [kind, method] as const));
  it.each(ways)(
    'faults 64: names of any bytes come back from a backup %s by %s, and undo takes them away',
    async (kind, method) => {
      redis = await platform.client();
      await redis.flushall();
      await redis.call('FUNCTION', 'FLUSH');
      await redis.call('ACL', 'DELUSER', ACCOUNT);
      const options = { method, functions: 'restore', acl: 'restore' };
      const { plan, results } = await restore(platform.deps, taken[kind] as TakenBackup, { target: 'live', options });
      expect(results.acl?.summary).toContain('1 accounts were set; they are saved in its aclfile');
      expect(await readLive()).toEqual(before);
      redis = await platform.client();
      expect(await accountsOf(redis)).toEqual(accounts);
      expect(await redis.call('FCALL', 'third_answer', 0)).toBe('third');
      for (const name of NAMES) expect(await redis.getBuffer(name)).toEqual(Buffer.from(name as string));
      await undo(platform.deps, plan);
      redis = await platform.client();
      expect((await readLive()).keys).toBe(0);
      expect(await accountsOf(redis)).toHaveLength(accounts.length - 1);
    },
  );

  describe('in a real repository', () => {
    let repository: TestRepository;
    let deps: RedisDependencies;
    const backup = { system: 'redis', backupId: '20261124t120000z-rdb-abcdef' } as const;
    let stored: TakenBackup;

    beforeAll(async () => {
      repository = makeRepository();
      deps = { ...platform.deps, platform: PLATFORM, writer: repository.writerFor('west'), reader: repository.reader };
      redis = await platform.client();
      await redis.set('of value', randomBytes(300_000));
      stored = await createRedis(deps).takeBackup({ site: 'west', backup, kind: 'rdb', run: 'real' });
      const { activities } = repository;
      await activities.prepare({ run: 'real' });
      const copies = [];
      for (const tier of ['local', 'remote']) copies.push(await activities.copyToTier({ taken: stored, tier }));
      await activities.seal({ taken: stored, copies, run: 'real' });
    });
    afterAll(() => repository?.remove());

    it('faults 22: one flipped bit in a stored snapshot is found, named and refused before the store is touched, and the other copy restores', async () => {
      const folder = join(repository.directory, 'local', 'backups', 'redis', backup.backupId);
      const name = (await readdir(folder)).find((one) => one.startsWith('dump.rdb')) as string;
      const file = await open(join(folder, name), 'r+');
      const byte = Buffer.alloc(1);
      const at = (await file.stat()).size >> 1;
      await file.read(byte, 0, 1, at);
      await file.write(Buffer.from([(byte[0] as number) ^ 1]), 0, 1, at);
      await file.close();
      const found = await repository.activities.checkStored({ backup, tier: 'local' });
      expect(
        found
          .filter(({ level }) => level === 'failed')
          .map(({ message }) => message)
          .join(),
      ).toContain('dump.rdb');
      const system = createRedis(deps);
      const check = { site: 'west', backup, tier: 'local', run: 'check' };
      await expect(system.checkBackup(check)).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
      await redis.set('of value', 'changed');
      const damaged = requestFor(stored, { tier: 'local', target: 'live', options: { method: 'keys' } });
      await expect(system.planRestore(damaged)).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
      expect(await redis.get('of value')).toBe('changed');
      const { plan } = await restore(deps, stored, { target: 'live', options: { method: 'keys' } });
      expect(await redis.strlen('of value')).toBe(300_000);
      await finish(deps, plan);
    });
  });
});
