// `dr status` on a small real platform: well, then with each part stopped, frozen, old, expired or full. What could not be
// asked is never well, and hides nothing of the rest (oracle O6).
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { createAudit } from '../../activities/audit/index.ts';
import { createRepository, type Repository } from '../../activities/repository/index.ts';
import { configurationSchema } from '../../domain/configuration/schema.ts';
import type { StatusLine } from '../../domain/contracts/system-status.ts';
import type { PlatformStatus } from '../../domain/status/platform.ts';
import { SYSTEMS, type SystemName } from '../../domain/systems.ts';
import { withDatabase } from '../../local/dataset/postgres-data.ts';
import { withRedis } from '../../local/dataset/redis-data.ts';
import { type Product, startProduct } from '../../local/demo/product.ts';
import { type ConfigurationInput, type RunningPlatform, startPlatform } from '../../local/platform.ts';
import { freePort } from '../../local/servers.ts';
import { store, take } from '../support/repository.ts';
import { storePid } from '../support/store-process.ts';
import { dr } from './dr.ts';

const run = promisify(execFile);
const TOKEN = 'canary-token-of-the-address';

let platform: RunningPlatform;
let product: Product;
let repository: Repository;
let application: Server;
let variants = 0;

interface Shown {
  readonly status: PlatformStatus;
  readonly exit: number | null;
  readonly text: string;
}

/** Runs `dr status` with a configuration that `change` made of the platform's own. */
async function status(
  change: (configuration: ConfigurationInput) => void = () => undefined,
  ...words: string[]
): Promise<Shown> {
  const configuration = parse(await readFile(platform.configurationFile, 'utf8')) as ConfigurationInput;
  // The machine's own disks are no part of what is tried.
  configuration.status = { warnFreePercent: 0, failFreePercent: 0 };
  change(configuration);
  const file = join(platform.directory, `holdfast-${variants++}.yaml`);
  await writeFile(file, stringify(configuration, { aliasDuplicateObjects: false }), { mode: 0o600 });
  const end = await dr(['status', '--json', '--config', file, ...words]);
  expect(end.stderr).toBe('');
  return { status: JSON.parse(end.stdout) as PlatformStatus, exit: end.status, text: end.stdout };
}

/** Looks until the parts that are not well are these: on a loaded machine a look may take longer than its limit. */
async function statusWith(
  wanted: Readonly<Record<string, unknown>>,
  change?: Parameters<typeof status>[0],
): Promise<Shown> {
  let shown: Shown | undefined;
  const seen = async () => {
    shown = await status(change);
    return levels(shown);
  };
  await expect.poll(seen, { timeout: 90_000, interval: 100 }).toEqual(wanted);
  return shown as unknown as Shown;
}

const linesOf = ({ status: { sections } }: Shown, name: string): readonly StatusLine[] =>
  sections.find((section) => section.name === name)?.lines ?? [];
const levels = ({ status: { sections } }: Shown) =>
  Object.fromEntries(sections.filter(({ level }) => level !== 'ok').map(({ name, level }) => [name, level]));
const objective = ({ status: { objectives } }: Shown, what: string, which: 'RTO' | 'RPO') =>
  objectives.find((one) => one.what === what && one.objective === which);

/** Seals a small backup as Holdfast would have done `ageSeconds` ago, and the proof and the restore that go with it. */
async function backUp(system: SystemName, kind: string, ageSeconds: number): Promise<void> {
  const at = new Date(Date.now() - ageSeconds * 1000);
  const stamp = at
    .toISOString()
    .replaceAll(/[-:]|\.\d+/g, '')
    .toLowerCase();
  const backup = { system, backupId: `${stamp}-${kind}-${(variants++).toString(16).padStart(6, '0')}` };
  const moment = at.toISOString();
  const facts = { kind, site: 'one', startedAt: moment, momentAt: moment, finishedAt: moment };
  await store(repository, await take(repository, backup, { 'data.bin': Buffer.from(backup.backupId) }, facts), [
    'local',
    's3',
  ]);
  await repository.activities.recordProof({ backup, run: backup.backupId, checks: ['compared'] });
  await record('restore.tested', `${system}/${backup.backupId}`, { scope: 'whole' });
}

/** The watcher backs certificates up as soon as it runs; the proof of that backup. */
async function proveWatched(): Promise<void> {
  const list = () => repository.activities.listBackups({ system: 'tls', tier: null });
  await expect.poll(list, { timeout: 60_000, interval: 500 }).toHaveLength(1);
  for (const { system, backupId } of await list()) {
    await repository.activities.recordProof({ backup: { system, backupId }, run: 'watched', checks: ['compared'] });
    await record('restore.tested', `${system}/${backupId}`, { scope: 'whole' });
  }
}

function record(act: string, subject: string, facts: Readonly<Record<string, string>>): Promise<void> {
  const audit = createAudit({ platform: platform.name, witnessDirectory: join(platform.directory, 'witness') });
  const measured = { seconds: 12.5, waitedSeconds: 0, ...facts };
  return audit.record({ act, subject, person: 'test', run: `run of ${subject}`, reason: '', facts: measured });
}

const frozen = async <T>(pids: readonly number[], work: () => Promise<T>): Promise<T> => {
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  try {
    return await work();
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  }
};

const pidOf = async (system: string): Promise<number> => (await storePid(platform.site, system)) ?? Number.NaN;

beforeAll(async () => {
  platform = await startPlatform({});
  product = await startProduct(platform, false);
  const { repository: tiers } = configurationSchema.parse(platform.configuration);
  const witnessDirectory = join(platform.directory, 'witness');
  repository = createRepository({ platform: platform.name, repository: tiers, witnessDirectory });
  await repository.activities.prepare({ run: 'test' });
  const { access } = platform.site;
  await withDatabase(access.postgres, 'postgres', async (client) => {
    await client.query('create table counted as select generate_series(1, 500) as n');
    await client.query('analyze counted');
    await client.query('create database "<b>odd</b>"');
  });
  await withRedis(access.redis, async (redis) => void (await redis.mset('a', '1', 'b', '2', 'c', '3')));
  application = createServer(({ url = '' }, answer) => {
    if (url.startsWith('/silent')) return;
    answer.writeHead(url.startsWith('/broken') ? 500 : 200).end();
  }).listen(0, '127.0.0.1');
});
afterAll(async () => {
  application?.closeAllConnections();
  application?.close();
  await product?.stop();
  await platform?.remove();
});

describe('dr status', () => {
  it('says that an objective is missed while there is no backup, and that nothing was measured', async () => {
    const shown = await statusWith({ backups: 'failed', schedules: 'warning' });
    expect(shown.exit).toBe(8);
    for (const system of Object.keys(SYSTEMS)) {
      expect(objective(shown, system, 'RPO')).toMatchObject({ standing: 'missed', measuredSeconds: null });
      expect(objective(shown, system, 'RTO')).toMatchObject({ standing: 'unknown', measuredSeconds: null });
    }
  });

  it('misses the RPO of Redis by a backup that is too old, and meets it with a young one', async () => {
    const { postgres, rabbitmq, config } = SYSTEMS;
    for (const { name, defaultKinds } of [postgres, rabbitmq, config])
      for (const kind of defaultKinds) await backUp(name, kind, 1);
    await backUp('redis', 'rdb', 3600);
    await dr(['schedule', 'apply', '--config', platform.configurationFile]);
    await proveWatched();
    await record('recovery.tested', platform.name, { systems: Object.keys(SYSTEMS).join(' ') });
    const old = await statusWith({});
    expect(old.exit).toBe(8);
    expect(objective(old, 'redis', 'RPO')).toMatchObject({ standing: 'missed', wantedSeconds: 900 });
    expect(objective(old, 'redis', 'RPO')?.measuredSeconds).toBeGreaterThanOrEqual(3600);
    expect(old.status.objectives.filter(({ standing }) => standing !== 'met')).toHaveLength(1);
    await backUp('redis', 'rdb', 1);
  });

  it('is well when everything is, and tells what is there', async () => {
    const shown = await statusWith({});
    expect({ exit: shown.exit, level: shown.status.level }).toEqual({ exit: 0, level: 'ok' });
    expect(objective(shown, 'platform', 'RTO')).toMatchObject({ standing: 'met', measuredSeconds: 12.5 });
    const facts = shown.status.sections.map((section) => section.facts);
    expect(facts[1]).toMatchObject({ role: 'master', keys: { 0: 3 } });
    const [server, , , database] = linesOf(shown, 'postgres');
    expect(server?.message).toMatch(/primary, timeline 1$/);
    expect(database).toMatchObject({ subject: 'database "postgres"' });
    expect(database?.message).toMatch(/1 table, about 500 rows by the server's estimate/);
    expect(linesOf(shown, 'redis')[1]).toMatchObject({ subject: 'keys', message: '3' });
    expect(linesOf(shown, 'rabbitmq').map(({ message }) => message)).toContain('0 with 0 messages');
    expect(linesOf(shown, 'tls').map(({ message }) => message)).toContainEqual(expect.stringMatching(/valid until 20/));
    expect(linesOf(shown, 'tiers').map(({ subject }) => subject)).toEqual(['tier local', 'tier s3']);
    expect(linesOf(shown, 'workers').map(({ level }) => level)).toEqual(['ok', 'ok']);
  });

  it('tells a store that is stopped as failed, and shows everything else as it is', async () => {
    await platform.site.redis.stop();
    await platform.site.postgres.stop();
    const shown = await statusWith({ redis: 'failed', postgres: 'failed' });
    const { redis, postgres } = platform.site;
    for (const { configuration } of [redis, postgres]) {
      const [command = '', ...args] = configuration.service?.start ?? [];
      await run(command, args, { cwd: '/' });
    }
    expect(linesOf(shown, 'redis')).toMatchObject([{ code: 'STORE_UNREACHABLE', level: 'failed' }]);
    expect(shown.exit).toBe(1);
  });

  it('tells stores, a tier and Temporal that are frozen as unknown, each with its silence, and hides nothing of the rest', async () => {
    const { s3, ownTemporal } = platform;
    const stores = await Promise.all(['postgres', 'redis', 'rabbitmq'].map(pidOf));
    const pids = [...stores, s3.pid, ownTemporal?.pid ?? Number.NaN];
    const silent = ['postgres', 'redis', 'rabbitmq', 'tiers', 'schedules', 'workers'];
    const wanted = Object.fromEntries(silent.map((name) => [name, 'unknown']));
    const shown = await frozen(pids, () => statusWith(wanted));
    for (const name of silent.slice(0, 3)) expect(linesOf(shown, name)[0]?.message).toMatch(/no answer within 4 s/);
    expect(linesOf(shown, 'tiers')).toMatchObject([
      { level: 'ok' },
      { level: 'unknown', message: 'no answer within 6 s' },
    ]);
    expect(linesOf(shown, 'schedules')).toMatchObject([{ code: 'NO_TEMPORAL' }]);
    expect(shown.exit).toBe(3);
  });

  it('works without Temporal: schedules and workers are unknown, and why is said', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const shown = await statusWith({ schedules: 'unknown', workers: 'unknown' }, (configuration) =>
      Object.assign(configuration.temporal ?? {}, { address }),
    );
    expect(linesOf(shown, 'workers')[0]?.message).toContain(`Temporal does not answer at '${address}'`);
  });

  it('judges by the tiers that can be read when one is gone', async () => {
    const folder = join(platform.directory, 'repository');
    await rename(folder, `${folder}.away`);
    const shown = await statusWith({ tiers: expect.stringMatching(/failed|unknown/), disks: 'unknown' });
    await rename(`${folder}.away`, folder);
    expect(linesOf(shown, 'tiers').map(({ level }) => level === 'ok')).toEqual([false, true]);
    expect(objective(shown, 'postgres', 'RPO')).toMatchObject({ standing: 'met' });
  });

  it('tells an expired certificate', async () => {
    const gateway = (end: string) => join(platform.site.tlsDirectory, `gateway.${end}`);
    for (const end of ['crt', 'key']) await copyFile(gateway(end), gateway(`${end}.kept`));
    const self = ['req', '-x509', '-key', gateway('key'), '-subj', '/CN=gateway.example.test', '-days', '1'];
    await run('openssl', [...self, '-out', gateway('self')]);
    await run('openssl', [
      'x509',
      '-in',
      gateway('self'),
      '-signkey',
      gateway('key'),
      '-days',
      '0',
      '-out',
      gateway('crt'),
    ]);
    await chmod(gateway('crt'), 0o600);
    const expired = async () => {
      const shown = await status();
      return linesOf(shown, 'tls').map(({ level, message }) => `${level} ${message}`);
    };
    await expect.poll(expired, { timeout: 30_000 }).toContainEqual(expect.stringMatching(/^failed expired at /));
    for (const end of ['crt', 'key']) await rename(gateway(`${end}.kept`), gateway(end));
  });

  it('measures disks against the limits of the configuration', async () => {
    await statusWith({ disks: 'warning' }, ({ status: limits }) =>
      Object.assign(limits ?? {}, { warnFreePercent: 100 }),
    );
    const failed = await statusWith({ disks: 'failed' }, ({ status: limits }) =>
      Object.assign(limits ?? {}, { failFreePercent: 100 }),
    );
    expect(linesOf(failed, 'disks')[0]).toMatchObject({ code: 'NO_SPACE' });
  });

  it('asks applications over HTTP and by programs, each within its limit, and shows no secret of an address', async () => {
    const base = `http://127.0.0.1:${(application.address() as AddressInfo).port}`;
    const port = await freePort();
    const http = (name: string, url: string, within = '5s') => ({ name, check: 'http' as const, url, within });
    const command = (name: string, ...words: string[]) => ({
      name,
      check: 'command' as const,
      command: words,
      within: name === 'slow' ? '1s' : '5s',
    });
    const shown = await status(({ sites }) => {
      Object.assign(sites.one ?? {}, {
        applications: [
          http('well', `${base}/health?token=${TOKEN}`),
          http('broken', `${base}/broken?token=${TOKEN}`),
          http('silent', `${base}/silent`, '1s'),
          http('refused', `http://127.0.0.1:${port}/?token=${TOKEN}`),
          http('never-asked', 'http://127.0.0.1:1/'),
          command('good', 'test', '-d', '/'),
          command('bad', 'sh', '-c', `echo ${TOKEN} >&2; exit 3`),
          command('slow', 'sleep', '60'),
          command('missing', 'no-such-program'),
          command('not-read-by-a-shell', 'test', '$(id)', '=', '$(id)'),
        ],
      });
    });
    const told = linesOf(shown, 'applications').map(({ subject, level, message }) => [subject, level, message]);
    expect(told).toEqual([
      ['well', 'ok', 'status 200'],
      ['broken', 'failed', 'status 500, wanted 200'],
      ['silent', 'unknown', 'no answer within 1 s'],
      ['refused', 'failed', `'http://127.0.0.1:${port}/' does not answer: ECONNREFUSED`],
      ['never-asked', 'unknown', "'http://127.0.0.1:1/' was not asked: bad port"],
      ['good', 'ok', 'status 0'],
      ['bad', 'failed', 'status 3'],
      ['slow', 'unknown', 'no answer within 1 s'],
      ['missing', 'unknown', "'no-such-program' is not on this machine"],
      ['not-read-by-a-shell', 'ok', 'status 0'],
    ]);
    expect(shown.text).not.toContain(TOKEN);
  });

  it('asks the stores of a site that stands by, and says which of them a failover would miss', async () => {
    const port = await freePort();
    const silent = createTcpServer(() => undefined).listen(0, '127.0.0.1'); // It takes connections and says nothing.
    await once(silent, 'listening');
    const { port: mute } = silent.address() as AddressInfo;
    const { status: shown } = await status(({ sites }) => {
      const { postgres, redis, rabbitmq, ...rest } = sites.one as NonNullable<(typeof sites)['one']>;
      if (!redis || !rabbitmq) throw new Error('the platform has a Redis and a broker');
      const broker = { ...rabbitmq, port: mute, management: `http://127.0.0.1:${mute}` };
      sites.two = { ...rest, postgres, redis: { ...redis, port }, rabbitmq: broker };
    });
    silent.close();
    const lines = shown.sections.find(({ name }) => name === 'site two')?.lines ?? [];
    const told = lines.map(({ subject, level, message }) => [subject, level, message.split(':')[0]]);
    expect(told).toEqual([
      ['PostgreSQL', 'ok', 'stands and answers'],
      ['Redis', 'warning', 'does not stand'],
      ['RabbitMQ', 'unknown', expect.any(String)],
    ]);
    expect(shown.sections.find(({ name }) => name === 'postgres')?.level).toBe('ok');
  });

  it('writes one page that needs nothing else, for its owner alone, with odd names as text and no secret', async () => {
    const file = join(platform.directory, 'status.html');
    await writeFile(file, 'an earlier page');
    const shown = await status(undefined, '--html', file);
    const page = await readFile(file, 'utf8');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(page).toContain('&lt;b&gt;odd&lt;/b&gt;');
    expect(page).not.toMatch(/<b>|<script|src=|https?:/);
    const { postgres, redis, rabbitmq } = platform.site.access;
    for (const secret of [postgres.password, redis.password, rabbitmq.password, platform.s3.secretAccessKey])
      expect(`${page}${shown.text}`).not.toContain(secret);
    await rm(file);
  });
});
