// What the runbook says is run, command by command, on an empty folder with the offline key alone, against fresh stores.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import amqp from 'amqplib';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createConfig } from '../../../activities/config/index.ts';
import { createPostgres } from '../../../activities/postgres/index.ts';
import { createRabbitmq } from '../../../activities/rabbitmq/index.ts';
import { createRedis } from '../../../activities/redis/index.ts';
import type { Repository } from '../../../activities/repository/index.ts';
import { createTls } from '../../../activities/tls/index.ts';
import type { ProtectedSystem } from '../../../domain/contracts/protected-system.ts';
import type { SystemName } from '../../../domain/systems.ts';
import { makeCertificates } from '../../../local/certificates.ts';
import { type RunningPostgres, startPostgres } from '../../../local/postgres.ts';
import { storePrograms } from '../../../local/programs.ts';
import { type LocalRabbitmq, startRabbitmq } from '../../../local/rabbitmq.ts';
import { type LocalRedis, passwordOf, startRedis } from '../../../local/redis.ts';
import { freePort, storeUser } from '../../../local/servers.ts';
import { makeRecipient, makeRepository, PLATFORM, store, type TestRepository } from '../../support/repository.ts';

const ODD = 'odd "name"; $(touch x) \'y\' 🐘';

let folder: string;
let repository: TestRepository;
let sealing: Repository;
let postgres: RunningPostgres;
let redis: LocalRedis;
let fresh: RunningPostgres;
let redisPort: number;
let aofPort: number;
let basePort: number;
let broker: LocalRabbitmq;
let emptyBroker: LocalRabbitmq;
let escrow: string;

// Where the server can tell what changed, a chain is restored; where it cannot, a base backup.
const isSummarizing = Number(/\d+/.exec(basename(join(storePrograms().postgres, '..')))?.[0]) >= 17;
const summaries: Record<string, string> = isSummarizing ? { summarize_wal: 'on' } : {};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hf-runbook-'));
  chmodSync(folder, 0o711);
  mkdirSync(join(folder, 'work'), { mode: 0o711 });
  repository = makeRepository();
  const pair = makeRecipient(repository.directory, 'escrow');
  escrow = pair.privateKey;
  sealing = repository.again((same) => {
    const recipients = [...same.keys.recipients, { name: 'escrow', publicKey: pair.publicKey }];
    return { ...same, keys: { ...same.keys, recipients } };
  });
  [postgres, redis, fresh, broker, emptyBroker] = await Promise.all([
    startPostgres({ directory: join(folder, 'postgres'), settings: { ...summaries } }),
    startRedis({ directory: join(folder, 'redis') }),
    startPostgres({ directory: join(folder, 'fresh') }),
    startRabbitmq({ directory: join(folder, 'broker') }),
    startRabbitmq({ directory: join(folder, 'empty-broker') }),
  ]);
  [redisPort, aofPort, basePort] = await Promise.all([freePort(), freePort(), freePort()]);
});

afterAll(async () => {
  for (const port of [redisPort, aofPort]) {
    const restored = new Redis({ port, maxRetriesPerRequest: 0, retryStrategy: null });
    await restored.shutdown('NOSAVE').catch(() => undefined);
    restored.disconnect();
  }
  stopBase();
  await Promise.all([postgres, redis, fresh, broker, emptyBroker].map((one) => one?.stop()));
  repository?.remove();
  rmSync(folder, { recursive: true, force: true });
});

// Started by the runbook as the account of the server.
function stopBase(): void {
  const pidFile = join(baseData(), 'postmaster.pid');
  if (existsSync(pidFile)) process.kill(Number(readFileSync(pidFile, 'utf8').split('\n')[0]), 'SIGINT');
}

const baseKind = isSummarizing ? 'incremental' : 'physical';
const baseData = () => join(folder, 'restored/postgres', `b1-${baseKind}`, 'data');

async function ask(
  server: Pick<RunningPostgres, 'port' | 'password'>,
  database: string,
  sql: string,
): Promise<unknown[]> {
  const client = new pg.Client({
    ...{ host: '127.0.0.1', port: server.port, user: 'postgres', password: server.password, database },
  });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

async function protect(system: SystemName, kind: string, protectedBy: ProtectedSystem): Promise<void> {
  const backup = { system, backupId: `b1-${kind}` };
  const taken = await protectedBy.takeBackup({ site: 'alpha', backup, kind, run: 'run-1' });
  await store(sealing, taken, ['local', 'remote']);
  await sealing.activities.recordProof({ backup, run: 'verify/1', checks: ['compared'] });
}

type Message = readonly [content: Buffer, properties: amqp.MessageProperties];
const QUEUES = { classic: 'q "1"; $(touch x) 🐘', quorum: 'orders', stream: 'log' } as const;
const BODIES = [Buffer.alloc(0), Buffer.from([0, 255, 10, 13, 39, 34]), Buffer.alloc(300_000, 7), Buffer.from('🐘')];
const HEADERS = {
  text: 'ä',
  number: 7,
  big: 2 ** 40,
  yes: true,
  at: { '!': 'timestamp', value: 1_700_000_000 },
  list: [1, 'a'],
};

async function withBroker<T>(of: LocalRabbitmq, work: (channel: amqp.ConfirmChannel) => Promise<T>): Promise<T> {
  const { amqpPort: port, user: username, password } = of;
  const connection = await amqp.connect({ hostname: '127.0.0.1', port, username, password, vhost: 'agents/β' });
  return work(await connection.createConfirmChannel()).finally(() => connection.close());
}

const manage = (of: LocalRabbitmq, method: string, path: string, body: object = {}) =>
  fetch(`${of.managementUrl}/api/${path}`, {
    ...{ method, body: method === 'GET' ? null : JSON.stringify(body) },
    headers: {
      'content-type': 'application/json',
      authorization: `Basic ${Buffer.from(`${of.user}:${of.password}`).toString('base64')}`,
    },
  });

async function fillBroker(): Promise<void> {
  const vhost = encodeURIComponent('agents/β');
  await manage(broker, 'PUT', `vhosts/${vhost}`);
  const all = { configure: '.*', write: '.*', read: '.*' };
  await manage(broker, 'PUT', `permissions/${vhost}/${broker.user}`, all);
  await manage(broker, 'PUT', 'users/worker', { password: 'canary', tags: '' });
  await manage(broker, 'PUT', `policies/${vhost}/limit`, { pattern: '^orders$', definition: { 'max-length': 1000 } });
  await withBroker(broker, async (channel) => {
    for (const [type, queue] of Object.entries(QUEUES)) {
      await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': type } });
      for (let number = 0; number < 300; number += 1) {
        const body = BODIES[number] ?? Buffer.from(String(number));
        const options = { persistent: true, messageId: String(number), type: 'job', headers: { ...HEADERS, number } };
        channel.sendToQueue(queue, body, { ...options, CC: [], expiration: '86400000', priority: 3 });
      }
    }
    await channel.waitForConfirms();
  });
}

/** Everything in a queue, in order. It is consumed, so each broker is read once, after the backup. */
const drained = (of: LocalRabbitmq, queue: string): Promise<Message[]> =>
  withBroker(
    of,
    (channel) =>
      new Promise((resolve, reject) => {
        const found: Message[] = [];
        const isStream = queue === QUEUES.stream;
        const take = (message: amqp.ConsumeMessage | null) => {
          if (message === null) return reject(new Error('the consumer was cancelled'));
          channel.ack(message);
          const { headers = {}, ...properties } = message.properties;
          // A routing header would send copies elsewhere: it comes back under another name.
          const { 'x-stream-offset': _, CC: routed, 'x-dr-cc': moved = routed, ...own } = headers;
          found.push([message.content, { ...properties, headers: { ...own, moved } }]);
          if (found.length === 300) resolve(found);
        };
        const options = isStream ? { arguments: { 'x-stream-offset': 'first' } } : {};
        void channel
          .prefetch(100)
          .then(() => channel.consume(queue, take, options))
          .catch(reject);
      }),
  );

const common = () => ({
  ...{ platform: PLATFORM, site: 'alpha', workDirectory: join(folder, 'work'), scratchUser: storeUser() },
  ...{ writer: sealing.writerFor('alpha'), reader: sealing.reader },
});

/** The fenced commands of the text, in their order; the first block, which names the places, is ours to fill in. */
const commandsOf = (runbook: string): string[] =>
  [...runbook.matchAll(/^```sh\n([\s\S]*?)\n```$/gm)].map(([, block]) => block ?? '').slice(1);

it('faults 31: all online keys lost: the runbook and the escrow key alone bring every system back with public tools', async () => {
  await ask(postgres, 'postgres', 'create role app login');
  await ask(postgres, 'postgres', `create database "${ODD.replaceAll('"', '""')}" owner app`);
  const rows = 'create table t as select g, md5(g::text) sum from generate_series(1, 1000) g';
  await ask(postgres, ODD, rows);
  await ask(postgres, 'postgres', rows);
  const live = new Redis({ port: redis.port, username: 'holdfast', password: await passwordOf(redis) });
  await live.hset('session:1', { user: 'ann', '\u0000': '🐘' });
  await live.select(3);
  await live.zadd('scores', 1.5, 'a');
  await live.quit();
  mkdirSync(join(folder, 'app'));
  writeFileSync(join(folder, 'app/.env'), 'PASSWORD=canary\n', { mode: 0o640 });
  const [web] = await makeCertificates(join(folder, 'pki'), ['web']);
  if (!web) throw new Error('no certificate was made');
  const { name, certificate, key, chain, names } = web;
  await fillBroker();
  const config = { root: join(folder, 'app'), patterns: ['**/*'], exclude: [] };
  const certificates = [{ name, certificate, key, chain, names: [...names] }];
  const tls = { certificates, watchEvery: '10s', warnBefore: '30d' };
  await protect('tls', 'files', createTls({ ...common(), configuration: tls }));
  const rabbitmq = { ...broker.configuration, freezeLimitMs: 20_000 };
  await protect('rabbitmq', 'messages', createRabbitmq({ ...common(), configuration: rabbitmq }));
  const aof = createRedis({ ...common(), configuration: redis.configuration });
  await protect('redis', 'aof', aof);
  const base = createPostgres({ ...common(), configuration: postgres.configuration });
  await protect('postgres', 'physical', base);
  await ask(postgres, 'postgres', 'create table later as select g from generate_series(1, 500) g');
  if (isSummarizing) await protect('postgres', 'incremental', base);
  await protect('postgres', 'logical', createPostgres({ ...common(), configuration: postgres.configuration }));
  await protect('redis', 'rdb', createRedis({ ...common(), configuration: redis.configuration }));
  await protect('config', 'files', createConfig({ ...common(), configuration: config }));

  await sealing.activities.writeRunbook({});
  await sealing.activities.writeRunbook({}); // After each proof run anew.
  const runbook = readFileSync(join(repository.directory, 'remote/runbook.md'), 'utf8');
  expect(runbook).not.toContain('canary');
  rmSync(join(repository.directory, 'keys'), { recursive: true });
  rmSync(join(repository.directory, 'local'), { recursive: true });

  const work = join(folder, 'restored');
  mkdirSync(work, { mode: 0o711 });
  const environment = {
    ...{
      PATH: `${storePrograms().postgres}:${process.env.PATH}`,
      HOME: process.env.HOME,
      WORK: work,
      KEY: escrow,
      REDIS_PORT: String(redisPort),
    },
    ...{ REPOSITORY: join(repository.directory, 'remote'), PGHOST: '127.0.0.1', PGPORT: String(fresh.port) },
    ...{ PGUSER: 'postgres', PGPASSWORD: fresh.password, REDIS_AOF_PORT: String(aofPort) },
    ...{ PG_BASE_PORT: String(basePort), OWNER: storeUser(), MQ_API: emptyBroker.managementUrl },
    ...{ MQ_HOST: '127.0.0.1', MQ_PORT: String(emptyBroker.amqpPort), MQ_USER: emptyBroker.user },
    ...{ MQ_PASSWORD: emptyBroker.password },
  };
  for (const command of commandsOf(runbook))
    execFileSync('bash', ['-c', `set -e\n${command}`], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });

  const sums = "select count(*)::int n, md5(string_agg(t::text, '|' order by g)) sum from t";
  for (const database of ['postgres', ODD])
    expect(await ask(fresh, database, sums)).toEqual(await ask(postgres, database, sums));
  expect(await ask(fresh, 'postgres', "select rolcanlogin from pg_roles where rolname = 'app'")).toHaveLength(1);
  for (const port of [redisPort, aofPort]) {
    const restored = new Redis({ port });
    expect(await restored.hgetall('session:1')).toEqual({ user: 'ann', '\u0000': '🐘' });
    await restored.select(3);
    expect(await restored.zscore('scores', 'a')).toBe('1.5');
    await restored.quit();
  }
  const started = { port: basePort, password: postgres.password };
  for (const database of ['postgres', ODD])
    expect(await ask(started, database, sums)).toEqual(await ask(postgres, database, sums));
  const later = "select to_regclass('later') is not null as there";
  expect(await ask(started, 'postgres', later)).toEqual([{ there: isSummarizing }]);
  for (const queue of Object.values(QUEUES))
    expect(await drained(emptyBroker, queue)).toEqual(await drained(broker, queue));
  const policies = await (await manage(emptyBroker, 'GET', `policies/${encodeURIComponent('agents/β')}`)).json();
  expect(policies).toMatchObject([{ name: 'limit', definition: { 'max-length': 1000 } }]);
  expect((await manage(emptyBroker, 'GET', 'users/worker')).status).toBe(200);
  expect(readFileSync(join(work, 'tls/b1-files/files/web/key.pem'))).toEqual(readFileSync(key));
  expect(readFileSync(join(work, 'config/b1-files/files/.env'), 'utf8')).toBe('PASSWORD=canary\n');
}, 600_000);
