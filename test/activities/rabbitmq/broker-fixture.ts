// One real broker, a place for backups and the activities built on both: shared by the tests of a file.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import amqp, { type ChannelModel, type ConfirmChannel } from 'amqplib';
import type { BrokerDependencies } from '../../../activities/rabbitmq/broker-dependencies.ts';
import { createRabbitmq } from '../../../activities/rabbitmq/index.ts';
import type { RestorePlan, RestoreRequest } from '../../../domain/contracts/protected-system.ts';
import type { BackupFacts, BackupRef } from '../../../domain/manifest.ts';
import { makeCertificates } from '../../../local/certificates.ts';
import { type LocalRabbitmq, startRabbitmq } from '../../../local/rabbitmq.ts';
import { freePort, storeUser } from '../../../local/servers.ts';
import { createPlainBackups } from '../../support/plain-backups.ts';

export interface BrokerFixture {
  readonly broker: LocalRabbitmq;
  readonly deps: BrokerDependencies;
  readonly connect: (
    vhost?: string,
  ) => Promise<{ readonly connection: ChannelModel; readonly channel: ConfirmChannel }>;
  /** Takes and seals a backup. */
  readonly take: (kind: string, over?: Partial<BrokerDependencies>) => Promise<BackupFacts>;
  readonly request: (backup: BackupRef, over: Partial<RestoreRequest>) => RestoreRequest;
  /** Plans and runs every step, then finishes. */
  readonly restore: (request: RestoreRequest) => Promise<RestorePlan>;
  readonly api: <T>(method: string, path: string, body?: unknown) => Promise<T | null>;
  readonly end: () => Promise<void>;
}

export interface FixtureOptions {
  readonly plugins?: readonly string[];
  /** True to reach the broker by TLS alone, its certificate checked. */
  readonly byTls?: boolean;
}

export async function startFixture({ plugins = [], byTls = false }: FixtureOptions = {}): Promise<BrokerFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-rabbitmq-'));
  await chmod(directory, 0o755);
  const home = await mkdtemp(join(directory, 'node-'));
  const tls = byTls ? await tlsOf(join(directory, 'tls')) : { settings: [], configuration: {} };
  const settings = ['collect_statistics_interval = 1000', ...tls.settings];
  const broker = await startRabbitmq({ directory: home, settings, plugins });
  const backups = createPlainBackups(join(directory, 'backups'));
  const deps: BrokerDependencies = {
    platform: 'test',
    site: 'here',
    // On a loaded machine a copy takes long, and a backup that is refused for it is not what most tests are about.
    configuration: { ...broker.configuration, freezeLimitMs: 20_000, ...tls.configuration },
    workDirectory: join(directory, 'work'),
    scratchUser: storeUser(),
    writer: backups.writer,
    reader: backups.reader,
  };
  let taken = 0;
  const take = async (kind: string, over: Partial<BrokerDependencies> = {}) => {
    taken += 1;
    const backup: BackupRef = { system: 'rabbitmq', backupId: `b${taken}-${kind}` };
    const result = await createRabbitmq({ ...deps, ...over }).takeBackup({
      ...{ site: 'here', backup, kind, run: `run-${taken}` },
    });
    await backups.sealTaken(result);
    return result.facts;
  };
  const request = (backup: BackupRef, over: Partial<RestoreRequest>): RestoreRequest => ({
    run: `restore-${randomUUID()}`,
    platform: 'test',
    site: 'here',
    backup: { system: backup.system, backupId: backup.backupId },
    tier: null,
    scope: { kind: 'whole', names: {} },
    target: 'live',
    expectedIdentity: null,
    options: {},
    ...over,
  });
  const restore = async (wanted: RestoreRequest) => {
    const system = createRabbitmq(deps);
    const plan = await system.planRestore(wanted);
    for (const { id } of plan.steps) await system.runRestoreStep({ plan, stepId: id, input: {} });
    await system.finishRestore({ plan, outcome: 'succeeded' });
    return plan;
  };
  return {
    ...{ broker, deps, take, request, restore },
    connect: (vhost = '/') => connect(broker, vhost),
    api: (method, path, body) => callApi(broker, { method, path, body }),
    end: async () => {
      await broker.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A certificate for `localhost`, listeners that use it, and how a worker is told of it. */
async function tlsOf(directory: string) {
  const [made] = await makeCertificates(directory, ['broker']);
  if (!made) throw new Error('no certificate was made');
  await chmod(directory, 0o755);
  for (const file of [made.key, made.certificate, made.chain]) await chmod(file, 0o644); // The node is another user.
  const [amqps, https] = [await freePort(), await freePort()];
  const files = (prefix: string) => [
    `${prefix}.cacertfile = ${made.chain}`,
    `${prefix}.certfile = ${made.certificate}`,
    `${prefix}.keyfile = ${made.key}`,
  ];
  return {
    settings: [
      ...[`listeners.ssl.default = 127.0.0.1:${amqps}`, ...files('ssl_options')],
      ...['management.ssl.ip = 127.0.0.1', `management.ssl.port = ${https}`, ...files('management.ssl')],
    ],
    configuration: {
      ...{ host: 'localhost', port: amqps, management: `https://localhost:${https}`, tls: true },
      tlsRootFile: made.chain,
    },
  };
}

async function connect({ user, password, amqpPort }: LocalRabbitmq, vhost: string) {
  const connection = await amqp.connect(
    `amqp://${user}:${password}@127.0.0.1:${amqpPort}/${encodeURIComponent(vhost)}`,
  );
  connection.on('error', () => undefined); // A live restore ends connections; the test looks at what follows.
  const channel = await connection.createConfirmChannel();
  channel.on('error', () => undefined);
  return { connection, channel };
}

async function callApi<T>(
  { user, password, managementUrl }: LocalRabbitmq,
  { method, path, body }: { method: string; path: string; body: unknown },
): Promise<T | null> {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const response = await fetch(managementUrl + path, {
    method,
    headers: { authorization, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok && response.status !== 404) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === '' || response.status === 404 ? null : (JSON.parse(text) as T);
}

/** Waits until `probe` gives something other than null. */
export async function until<T>(probe: () => Promise<T | null>, withinMs = 30_000): Promise<T> {
  for (const deadline = Date.now() + withinMs; ; ) {
    const found = await probe();
    if (found !== null) return found;
    if (Date.now() > deadline) throw new Error('what was waited for did not happen');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Raises the broker's own alarm of memory, or ends it, and waits until it holds. */
export async function raiseAlarm({ broker, api }: BrokerFixture, isRaised: boolean): Promise<void> {
  const home = join(broker.dataDirectory, '..', '..');
  const service = JSON.parse(await readFile(join(home, 'service.json'), 'utf8')) as {
    readonly environment: Readonly<Record<string, string>>;
    readonly server: string;
  };
  const user = storeUser();
  const asUser = user === undefined ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--'];
  const set = ['set_vm_memory_high_watermark', ...(isRaised ? ['absolute', '1MiB'] : ['0.6'])];
  const [command = '', ...args] = [...asUser, join(dirname(service.server), 'rabbitmqctl'), ...set];
  await promisify(execFile)(command, args, {
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8', ...service.environment },
  });
  await until(async () => {
    const nodes = await api<{ mem_alarm: boolean }[]>('GET', '/api/nodes');
    return nodes?.[0]?.mem_alarm === isRaised ? true : null;
  });
}
