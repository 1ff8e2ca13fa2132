// Stores in real containers: backup, proof and restore in place, by the engine's own commands.
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import amqp from 'amqplib';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createPostgres } from '../../activities/postgres/index.ts';
import { isRunning } from '../../activities/postgres/server-process.ts';
import { createRabbitmq } from '../../activities/rabbitmq/index.ts';
import { createRedis } from '../../activities/redis/index.ts';
import { runTool, startTool } from '../../activities/shared/run-tool.ts';
import type { ProtectedSystem, RestoreRequest } from '../../domain/contracts/protected-system.ts';
import type { BackupRef } from '../../domain/manifest.ts';
import { type RunningContainer, startContainer } from '../../local/container.ts';
import { startPostgres } from '../../local/postgres.ts';
import { startRabbitmq } from '../../local/rabbitmq.ts';
import { passwordOf, startRedis } from '../../local/redis.ts';
import { storeUser } from '../../local/servers.ts';
import { createPlainBackups, type PlainBackups } from '../support/plain-backups.ts';

const PLACE = { platform: 'shop', site: 'here', scratchUser: storeUser() };

let folder: string;
let backups: PlainBackups;
const containers: RunningContainer[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-containers-'));
  await chmod(folder, 0o711);
  await mkdir(join(folder, 'work'), { mode: 0o711 });
  backups = createPlainBackups(join(folder, 'backups'));
});

afterAll(async () => {
  for (const container of containers) await container.remove();
  await rm(folder, { recursive: true, force: true });
});

const shared = () => ({
  ...PLACE,
  workDirectory: join(folder, 'work'),
  writer: backups.writer,
  reader: backups.reader,
});

async function contain(name: string, data: string, spec: Omit<Parameters<typeof startContainer>[0], 'name' | 'user'>) {
  const { uid, gid } = await stat(data);
  const user = `${uid}:${gid}`;
  const container = await startContainer({ ...spec, name: `holdfast-${name}-${randomBytes(4).toString('hex')}`, user });
  containers.push(container);
  return { container, uid };
}

async function take(system: ProtectedSystem, name: BackupRef['system'], kind: string): Promise<BackupRef> {
  const backup = { system: name, backupId: `b-${kind}-${randomBytes(3).toString('hex')}` };
  const taken = await system.takeBackup({ site: 'here', backup, kind, run: randomUUID() });
  await backups.sealTaken(taken);
  return backup;
}

async function restore(system: ProtectedSystem, backup: BackupRef, changes: Partial<RestoreRequest>): Promise<void> {
  const request: RestoreRequest = {
    ...{ run: randomUUID(), platform: 'shop', site: 'here', backup, tier: null, expectedIdentity: null, options: {} },
    ...{ scope: { kind: 'whole', names: {} }, target: 'live', ...changes },
  };
  const plan = await system.planRestore(request);
  for (const { id } of plan.steps) await system.runRestoreStep({ plan, stepId: id, input: {} });
  await system.finishRestore({ plan, outcome: 'succeeded' });
}

describe('PostgreSQL in a container', () => {
  let system: ProtectedSystem;
  let container: RunningContainer;
  let dataDirectory: string;
  let ask: (sql: string) => Promise<unknown[]>;

  beforeAll(async () => {
    const server = await startPostgres({ directory: join(folder, 'postgres') });
    await server.stop();
    dataDirectory = server.dataDirectory;
    const inside = '/var/lib/postgresql/data';
    const programs = '/usr/lib/postgresql/17/bin';
    const contained = await contain('postgres', server.dataDirectory, {
      command: [join(programs, 'postgres'), '-D', inside],
      volumes: { [server.dataDirectory]: inside },
    });
    container = contained.container;
    const configuration = {
      ...server.configuration,
      container: { exec: [...container.exec], port: server.port, binDirectory: programs },
      service: container.service,
      owner: String(contained.uid),
    };
    system = createPostgres({ ...shared(), configuration });
    ask = async (sql) => {
      const client = new pg.Client({ ...server, host: '127.0.0.1', user: 'postgres', database: 'postgres' });
      await client.connect();
      return client
        .query(sql)
        .then(({ rows }) => rows)
        .finally(() => client.end());
    };
    await vi.waitUntil(() => ask('select 1').catch(() => null), { timeout: 60_000 });
    await ask('create table orders as select g as id, md5(g::text) as word from generate_series(1, 5000) g');
  });

  const SUM = 'select count(*)::int as rows, md5(string_agg(word, chr(44) order by id)) as sum from orders';

  it('is dumped by its own programs inside, proven, and a lost table comes back', async () => {
    const before = await ask(SUM);
    const backup = await take(system, 'postgres', 'logical');
    await restore(system, backup, { target: 'scratch' });
    await ask('drop table orders');
    const names = { database: 'postgres', schema: 'public', table: 'orders' };
    await restore(system, backup, { scope: { kind: 'table', names } });
    expect(await ask(SUM)).toEqual(before);
    await ask('update orders set word = null');
    await restore(system, backup, { scope: { kind: 'database', names: { database: 'postgres' } } });
    expect(await ask(SUM)).toEqual(before);
    expect(await runTool({ command: 'ls', args: ['/dev/shm'], container })).not.toContain('holdfast-');
  });

  it('is restored in its place from a base backup, stopped and started by the engine', async () => {
    const before = await ask(SUM);
    const backup = await take(system, 'postgres', 'physical');
    await restore(system, backup, { target: 'scratch' });
    await ask('drop table orders');
    await restore(system, backup, {});
    expect(await ask(SUM)).toEqual(before);
    expect((await readdir(join(dataDirectory, '..'))).filter((name) => name.startsWith('data.kept-'))).toHaveLength(1);
  });

  it('is not taken for stopped while its container is paused', async () => {
    const [command = '', ...pause] = container.freeze.freeze;
    const [, ...unpause] = container.freeze.thaw;
    await runTool({ command, args: pause });
    try {
      await expect(isRunning(dataDirectory, container)).rejects.toMatchObject({ code: 'COULD_NOT_VERIFY' });
    } finally {
      await runTool({ command, args: unpause });
    }
    expect(await isRunning(dataDirectory, container)).toBe(true);
  });

  it('ends what runs inside when its tool is stopped', async () => {
    const tool = startTool({ command: 'sleep', args: ['1234567'], container });
    const list = async () => {
      const script = 'for c in /proc/[0-9]*/cmdline; do tr "\\0" " " <"$c" 2>/dev/null; echo; done; true';
      return runTool({ command: 'sh', args: ['-c', script], container });
    };
    await vi.waitUntil(async () => (await list()).includes('sleep 1234567'), { timeout: 30_000 });
    await tool.stop();
    await expect(tool.finished).rejects.toMatchObject({ code: 'TOOL_FAILED' });
    expect(await list()).not.toContain('sleep 1234567');
  });

  it('tells a program that is not inside from a container that does not run', async () => {
    await expect(runTool({ command: '/none/pg_dump', args: [], container })).rejects.toMatchObject({
      code: 'TOOL_MISSING',
    });
    await runTool({ command: container.service.stop[0] ?? '', args: container.service.stop.slice(1) });
    await expect(runTool({ command: 'true', args: [], container })).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
    });
  });
});

describe('Redis in a container', () => {
  it('is backed up over its port and restored in its place on its volume', async () => {
    const server = await startRedis({ directory: join(folder, 'redis') });
    await server.stop();
    const home = join(folder, 'redis');
    const { container } = await contain('redis', server.dataDirectory, {
      command: ['redis-server', join(home, 'redis.conf'), '--daemonize', 'no', '--logfile', ''],
      volumes: { [home]: home },
    });
    const configuration = { ...server.configuration, service: container.service };
    const system = createRedis({ ...shared(), configuration });
    const connection = { port: server.port, username: 'holdfast', password: await passwordOf(server) };
    const withRedis = async <T>(work: (redis: Redis) => Promise<T>): Promise<T> => {
      const redis = new Redis({ ...connection, protocol: 2 });
      redis.on('error', () => undefined); // It comes up in a moment.
      return work(redis).finally(() => redis.disconnect());
    };
    await withRedis(async (redis) => {
      for (let index = 0; index < 500; index += 1) await redis.set(`session:${index}`, `value ${index}`);
    });
    const backup = await take(system, 'redis', 'rdb');
    await restore(system, backup, { target: 'scratch' });
    await withRedis((redis) => redis.flushall());
    await restore(system, backup, {});
    expect(await withRedis((redis) => Promise.all([redis.dbsize(), redis.get('session:499')]))).toEqual([
      500,
      'value 499',
    ]);
  });
});

describe('RabbitMQ in a container', () => {
  it('is frozen by the engine, copied from its volume under the path it has inside, and its queue comes back', async () => {
    await mkdir(join(folder, 'rabbitmq'));
    const home = join(folder, 'rabbitmq');
    const broker = await startRabbitmq({ directory: home });
    await broker.stop();
    const inside = '/var/lib/holdfast-broker';
    const service = JSON.parse(await readFile(join(home, 'service.json'), 'utf8')) as {
      environment: Record<string, string>;
    };
    const environment = Object.fromEntries(
      Object.entries(service.environment).map(([name, value]) => [name, value.replaceAll(home, inside)]),
    );
    const { container } = await contain('rabbitmq', broker.dataDirectory, {
      command: ['/usr/lib/rabbitmq/bin/rabbitmq-server'],
      environment,
      volumes: { [home]: inside },
    });
    expect(existsSync(inside)).toBe(false); // Nothing of the kind on this machine: the clone's path must be made up.
    const configuration = {
      ...broker.configuration,
      container: { exec: [...container.exec], dataDirectory: broker.dataDirectory.replace(home, inside) },
      freeze: container.freeze,
      freezeLimitMs: 20_000,
      service: container.service,
    };
    const system = createRabbitmq({ ...shared(), configuration });
    const address = `amqp://${broker.user}:${broker.password}@127.0.0.1:${broker.amqpPort}`;
    const connection = await vi.waitUntil(() => amqp.connect(address).catch(() => null), { timeout: 120_000 });
    const channel = await connection.createConfirmChannel();
    for (const type of ['classic', 'quorum'])
      await channel.assertQueue(`work.${type}`, { durable: true, arguments: { 'x-queue-type': type } });
    for (let index = 0; index < 200; index += 1)
      for (const type of ['classic', 'quorum'])
        channel.sendToQueue(`work.${type}`, Buffer.from(`message ${index}`), { persistent: true });
    await channel.waitForConfirms();
    const backup = await take(system, 'rabbitmq', 'messages');
    await restore(system, backup, { target: 'scratch' });
    await channel.deleteQueue('work.quorum');
    await restore(system, backup, { scope: { kind: 'queue', names: { vhost: '/', queue: 'work.quorum' } } });
    // A restore keeps applications out while it fills, so this one comes again.
    const again = await amqp.connect(address);
    const reader = await again.createChannel();
    const bodies: string[] = [];
    for (let index = 0; index < 200; index += 1) {
      const message = await reader.get('work.quorum', { noAck: true });
      bodies.push(message === false ? 'none' : message.content.toString());
    }
    expect(bodies).toEqual(Array.from({ length: 200 }, (_, index) => `message ${index}`));
    await again.close();
    await connection.close().catch(() => undefined);
  });
});
