import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { differences, siteChecksums } from '../../local/checksums.ts';
import { withDatabase } from '../../local/dataset/postgres-data.ts';
import { manage } from '../../local/dataset/rabbitmq-data.ts';
import { withRedis } from '../../local/dataset/redis-data.ts';
import { type LoadedStore, loadDataset } from '../../local/dataset.ts';
import { storeUser } from '../../local/servers.ts';
import { type RunningSite, startSite } from '../../local/site.ts';

const SIZE = { scale: 0.01, seed: 7 };

let directory: string;
let site: RunningSite;
const loaded = new Map<LoadedStore, { done: number; total: number }>();

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-site-'));
  site = await startSite({ directory, name: 'one' });
  await loadDataset(site.access, {
    ...SIZE,
    onProgress: (store, done, total) => loaded.set(store, { done, total }),
  });
});

afterAll(async () => {
  await site?.stop();
  await rm(directory, { recursive: true, force: true });
});

test('the dataset is whole when the loader says so', async () => {
  const { postgres, redis, rabbitmq } = await siteChecksums(site);
  const sum = (part: Readonly<Record<string, object>>, fact: string) =>
    Object.entries(part)
      .filter(([name]) => !name.endsWith('app.initials')) // A view of rows that are counted already.
      .reduce((total, [, facts]) => total + Number(Object.entries(facts).find(([name]) => name === fact)?.[1]), 0);
  expect(loaded.get('postgres')).toEqual({ done: sum(postgres, 'rows'), total: sum(postgres, 'rows') });
  expect(loaded.get('redis')).toEqual({ done: sum(redis, 'keys'), total: sum(redis, 'keys') });
  expect(loaded.get('rabbitmq')).toEqual({ done: sum(rabbitmq, 'messages'), total: sum(rabbitmq, 'messages') });
});

test('reading everything twice finds no difference and takes nothing', async () => {
  const before = await siteChecksums(site);
  expect(differences(before, await siteChecksums(site))).toEqual([]);
});

test('one changed row, one changed field, one lost message, one lost file and one changed expiry are all named', async () => {
  const before = await siteChecksums(site);
  await withDatabase(site.access.postgres, 'billing', (client) =>
    client.query('update app.orders set cents = cents + 1 where id = 5'),
  );
  await withRedis(site.access.redis, async (redis) => {
    await redis.pexpire('session:3', 5_000_000);
    await redis.select(1);
    await redis.hset('agent:3', 'state', 'other');
  });
  await manage(site.access.rabbitmq, 'DELETE', 'queues/agents/mail');
  await unlink(join(site.configDirectory, 'orchestrator', '.env'));
  const found = differences(before, await siteChecksums(site)).map((line) => line.split(':')[0]);
  expect(found).toEqual([
    'postgres billing/app.orders',
    'redis db0',
    'redis db1',
    'rabbitmq agents/mail',
    'config orchestrator/.env',
  ]);
});

test('certificates are good for their names and signed by the authority of the site', () => {
  for (const { certificate, chain, names } of site.certificates) {
    const text = execFileSync('openssl', ['verify', '-CAfile', chain, '-verify_hostname', names[0] ?? '', certificate]);
    expect(text.toString().trim()).toBe(`${certificate}: OK`);
  }
});

test('others can pass through folders only where a store runs as another user', async () => {
  const { mode } = await stat(site.directory);
  expect(mode & 0o777).toBe(storeUser() === undefined ? 0o700 : 0o711);
});

test('stopping ends every process of the site', async () => {
  const running = await site.rabbitmq.pid();
  await site.stop();
  expect(existsSync(`/proc/${running}`)).toBe(false);
  const left = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' });
  expect(left.split('\n').filter((line) => line.includes(site.directory))).toEqual([]);
});
