// A real RabbitMQ node on free loopback ports, with its own epmd, cookie and folder: shared by the demo and the tests.
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SystemConfiguration } from '../domain/configuration/schema.ts';
import { storePrograms } from './programs.ts';
import { killNode, type NodeService, startNode } from './rabbitmq-service.ts';
import { freePort, storeUser } from './servers.ts';

const ADMIN = 'holdfast-admin';

export interface RabbitmqOptions {
  /** The administrator's; default: a random one. */
  readonly password?: string | undefined;
  /** An existing folder that becomes the node's own; it is given to the store user. */
  readonly directory: string;
  /** Lines added to rabbitmq.conf, for example `collect_statistics_interval = 1000`. */
  readonly settings?: readonly string[];
  /** Plugins beside management. */
  readonly plugins?: readonly string[];
}

export interface LocalRabbitmq {
  readonly amqpPort: number;
  readonly managementUrl: string;
  readonly nodeName: string;
  readonly dataDirectory: string;
  /** Process id of the node's virtual machine; changes with each start. */
  pid(): Promise<number>;
  /** As the configuration file would say it; the password is in a file (0600). */
  readonly configuration: SystemConfiguration<'rabbitmq'>;
  readonly user: string;
  readonly password: string;
  /** Ends the node and its epmd, whoever started them last. Safe to call twice. */
  stop(): Promise<void>;
}

/** Starts a node and returns when AMQP and management answer. The folder's path must be open to the store user. */
export async function startRabbitmq(options: RabbitmqOptions): Promise<LocalRabbitmq> {
  const { directory } = options;
  const nodeName = `hf${randomBytes(4).toString('hex')}@localhost`;
  const [epmdPort, distPort, amqpPort, managementPort] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ]);
  const password = options.password ?? randomBytes(18).toString('base64url');
  const dataDirectory = join(directory, 'mnesia', nodeName);
  await writeFolder(directory, { password, amqpPort, managementPort, options });
  await writeService(directory, { nodeName, dataDirectory, epmdPort, distPort, amqpPort, managementPort });
  await startNode(directory);
  return {
    amqpPort,
    managementUrl: `http://127.0.0.1:${managementPort}`,
    nodeName,
    dataDirectory,
    user: ADMIN,
    password,
    configuration: configurationOf(directory, { amqpPort, managementPort, dataDirectory }),
    pid: async () => Number((await readFile(`${dataDirectory}.pid`, 'utf8')).trim()),
    stop: () => killNode(directory),
  };
}

interface Ports {
  readonly amqpPort: number;
  readonly managementPort: number;
}

async function writeFolder(
  directory: string,
  with_: Ports & { readonly password: string; readonly options: RabbitmqOptions },
): Promise<void> {
  const { password, amqpPort, managementPort, options } = with_;
  for (const folder of ['mnesia', 'log', 'home'])
    await mkdir(join(directory, folder), { recursive: true, mode: 0o700 });
  const plugins = ['rabbitmq_management', ...(options.plugins ?? [])];
  const settings = [
    `listeners.tcp.default = 127.0.0.1:${amqpPort}`,
    'management.tcp.ip = 127.0.0.1',
    `management.tcp.port = ${managementPort}`,
    `default_user = ${ADMIN}`,
    `default_pass = ${password}`,
    'log.console = false',
    'log.file.level = warning',
    'disk_free_limit.absolute = 50MB',
    ...(options.settings ?? []),
  ];
  await writeFile(join(directory, 'rabbitmq.conf'), `${settings.join('\n')}\n`, { mode: 0o600 });
  await writeFile(join(directory, 'enabled_plugins'), `[${plugins.join(',')}].\n`, { mode: 0o600 });
  await writeFile(join(directory, 'home', '.erlang.cookie'), randomBytes(16).toString('hex'), { mode: 0o400 });
  await writeFile(join(directory, 'password'), `${password}\n`, { mode: 0o600 });
  await giveToStoreUser(directory);
}

async function giveToStoreUser(directory: string): Promise<void> {
  const user = storeUser();
  await chmod(directory, 0o700);
  if (user === undefined) return;
  const { uid, gid } = await idsOf(user);
  const own = ['', 'mnesia', 'log', 'home', 'rabbitmq.conf', 'enabled_plugins', 'home/.erlang.cookie'];
  for (const name of own) await chown(join(directory, name), uid, gid);
}

async function idsOf(user: string): Promise<{ uid: number; gid: number }> {
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((entry) => entry.startsWith(`${user}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined) throw new Error(`no such user: ${user}`);
  return { uid: Number(uid), gid: Number(gid) };
}

async function writeService(
  directory: string,
  with_: Ports & {
    readonly nodeName: string;
    readonly dataDirectory: string;
    readonly epmdPort: number;
    readonly distPort: number;
  },
): Promise<void> {
  const { nodeName, dataDirectory, epmdPort, distPort, amqpPort, managementPort } = with_;
  const pidFile = `${dataDirectory}.pid`;
  const service: NodeService = {
    nodeName,
    user: storeUser() ?? null,
    server: join(storePrograms().rabbitmq, 'rabbitmq-server'),
    epmd: storePrograms().epmd,
    epmdPort,
    amqpPort,
    managementPort,
    pidFile,
    environment: {
      HOME: join(directory, 'home'),
      ERL_EPMD_PORT: String(epmdPort),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: nodeName,
      RABBITMQ_DIST_PORT: String(distPort),
      RABBITMQ_MNESIA_BASE: join(directory, 'mnesia'),
      RABBITMQ_MNESIA_DIR: dataDirectory,
      RABBITMQ_PID_FILE: pidFile,
      RABBITMQ_LOG_BASE: join(directory, 'log'),
      RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq.conf'),
      RABBITMQ_ADVANCED_CONFIG_FILE: join(directory, 'advanced.config'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'enabled_plugins'),
      RABBITMQ_CONF_ENV_FILE: join(directory, 'rabbitmq-env.conf'),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
        '+S 2:2 +SDcpu 2:2 +SDio 8 +sbwt none +sbwtdcpu none -kernel inet_dist_use_interface {127,0,0,1}',
    },
  };
  await writeFile(join(directory, 'service.json'), JSON.stringify(service, null, 2), { mode: 0o600 });
}

function configurationOf(
  directory: string,
  with_: Ports & { readonly dataDirectory: string },
): SystemConfiguration<'rabbitmq'> {
  const script = fileURLToPath(new URL('./rabbitmq-service.ts', import.meta.url));
  const user = storeUser();
  return {
    host: '127.0.0.1',
    port: with_.amqpPort,
    management: `http://127.0.0.1:${with_.managementPort}`,
    user: ADMIN,
    password: `\${file:${join(directory, 'password')}}`,
    tls: false,
    binDirectory: storePrograms().rabbitmq,
    dataDirectory: with_.dataDirectory,
    service: {
      stop: [process.execPath, script, directory, 'stop'],
      start: [process.execPath, script, directory, 'start'],
    },
    ...(user === undefined ? {} : { owner: user }),
    freeze: { method: 'process' },
    freezeLimitMs: 2000,
  };
}
