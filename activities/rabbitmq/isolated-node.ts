// An isolated broker: the clone that is drained, or the scratch broker a backup is proven in. It has its own network
// without any way out, its own processes that end with the worker, and no plugin but management and exchange types.
import { createHash, randomBytes } from 'node:crypto';
import { accessSync, closeSync, openSync } from 'node:fs';
import { chmod, chown, copyFile, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Failure } from '../../domain/failures.ts';
import { type Definitions, ISOLATED_ACCOUNT } from '../../domain/systems/rabbitmq-definitions.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { type RunningTool, startTool } from '../shared/run-tool.ts';
import { createManagement, type Management, segment } from './management.ts';
import type { Credentials, Endpoint } from './wire-connection.ts';

export interface IsolatedNodeSpec {
  /** An empty folder of this attempt's own. */
  readonly folder: string;
  readonly nodeName: string;
  readonly binDirectory: string | undefined;
  /** System user of a fresh broker's files when the worker is root. */
  readonly owner: { readonly uid: number; readonly gid: number };
  /** Plugins beside management: of exchange types only. */
  readonly plugins: readonly string[];
  /** A copy of a data folder and the path it must appear under: quorum queues and streams remember absolute paths. */
  readonly clone?: { readonly copy: string; readonly originalPath: string; readonly featureFlags: string | null };
}

export interface IsolatedNode {
  readonly endpoint: Endpoint;
  readonly admin: Credentials;
  readonly management: Management;
  /** As they were when it came up, before our account was let in. */
  readonly definitions: Definitions;
  readonly bootMs: number;
  /** Ends it with all its processes. Never throws. */
  stop(): Promise<void>;
}

const AMQP_PORT = 5672;
const MANAGEMENT_PORT = 15672;
const READY_WITHIN_MS = 120_000;
const LAUNCHER = fileURLToPath(new URL('./isolated-broker.mjs', import.meta.url));
const BIN_DIRECTORIES = ['/usr/lib/rabbitmq/bin', '/opt/rabbitmq/sbin', '/usr/local/sbin', '/usr/sbin'];
/** Folders every system has and nothing needs: the node's own folder is mounted on one of them. */
const MOUNT_POINTS = ['/srv', '/media', '/mnt', '/opt'];

/** Endpoints of isolated brokers: the only ones whose queues may be read. */
const readable = new WeakSet<Endpoint>();

/** @throws {Failure} LIVE_QUEUE_READ_REFUSED unless the endpoint belongs to an isolated broker of this process. */
export function refuseLiveRead(endpoint: Endpoint): void {
  if (readable.has(endpoint)) return;
  throw new Failure(
    'LIVE_QUEUE_READ_REFUSED',
    'a queue of a broker that is not an isolated clone was about to be read',
  );
}

/** Where the broker's programs are. @throws {Failure} TOOL_MISSING. */
export function brokerPrograms(binDirectory: string | undefined): string {
  const found = (binDirectory === undefined ? BIN_DIRECTORIES : [binDirectory]).find((folder) => {
    try {
      accessSync(join(folder, 'rabbitmq-server'));
      return true;
    } catch {
      return false;
    }
  });
  if (found !== undefined) return found;
  throw new Failure('TOOL_MISSING', `'rabbitmq-server' is not on this machine`, { install: 'rabbitmq-server' });
}

/**
 * Boots an isolated broker and returns when it answers.
 * @throws {Failure} TOOL_MISSING, SCRATCH_ENDED when it ends or stays silent (with its last words).
 */
export async function startIsolatedNode(spec: IsolatedNodeSpec): Promise<IsolatedNode> {
  const startedAt = performance.now();
  const admin = {
    user: `${ISOLATED_ACCOUNT}${randomBytes(6).toString('hex')}`,
    password: randomBytes(24).toString('base64url'),
  };
  await writeNodeFolder(spec, admin);
  const tool = launch(spec.folder);
  const words = collectWords(tool);
  const sockets = openSync(join(spec.folder, 'sockets'), 'r');
  const socketPath = (name: string) => `/proc/self/fd/${sockets}/${name}`;
  const management = createManagement({ url: 'http://localhost', socketPath: socketPath('http') }, admin);
  const stop = async () => {
    await tool.stop();
    await tool.finished.catch(() => undefined);
    closeSync(sockets);
  };
  let definitions: Definitions;
  try {
    await untilReady(management, tool);
    definitions = await management.get<Definitions>('/api/definitions');
    await openVhosts({ management, admin });
  } catch (error) {
    await stop();
    if (error instanceof Failure && error.code === 'SCRATCH_ENDED')
      throw new Failure('SCRATCH_ENDED', `${error.message}: ${words().slice(-800)}`, {}, error);
    throw error;
  }
  const endpoint: Endpoint = { socketPath: socketPath('amqp') };
  readable.add(endpoint);
  return { endpoint, admin, management, definitions, bootMs: performance.now() - startedAt, stop };
}

/** Our account may enter every virtual host, and the limits that hold for applications do not hold for it. */
export async function openVhosts({ management, admin }: Pick<IsolatedNode, 'management' | 'admin'>): Promise<void> {
  for (const { name } of await management.get<{ name: string }[]>('/api/vhosts')) {
    const full = { configure: '.*', write: '.*', read: '.*' };
    await management.put(`/api/permissions/${segment(name)}/${segment(admin.user)}`, full);
    const limits = await management.get<{ value: object }[]>(`/api/vhost-limits/${segment(name)}`);
    for (const limit of limits.flatMap(({ value }) => Object.keys(value)))
      await management.remove(`/api/vhost-limits/${segment(name)}/${segment(limit)}`);
  }
}

function launch(folder: string): RunningTool {
  const asUser = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const own = ['--mount', '--net', '--ipc', '--pid', '--fork', '--kill-child=KILL', '--mount-proc'];
  const tool = startTool({
    command: 'unshare',
    args: [...asUser, ...own, '--', process.execPath, LAUNCHER, join(folder, 'node.json')],
    install: 'util-linux',
    killAfterMs: 2000,
  });
  tool.stdin.end();
  return tool;
}

function collectWords(tool: RunningTool): () => string {
  let words = '';
  tool.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    words = (words + chunk).slice(-8000);
  });
  return () => words;
}

async function untilReady(management: Management, tool: RunningTool): Promise<void> {
  let ended: unknown = null;
  tool.finished.then(
    () => (ended = new Error('it ended')),
    (error) => (ended = error),
  );
  for (const deadline = Date.now() + READY_WITHIN_MS; Date.now() < deadline; await wait(100)) {
    throwIfCancelled();
    if (ended) throw new Failure('SCRATCH_ENDED', `the isolated broker ended while it started (${ended})`);
    if (await isUp(management)) return;
  }
  throw new Failure('SCRATCH_ENDED', 'the isolated broker did not start in time');
}

// The overview answers before the listeners are open, and the listeners are the last thing a node opens.
async function isUp(management: Management): Promise<boolean> {
  try {
    const overview = await management.get<{ listeners: readonly { protocol: string }[] }>('/api/overview');
    return overview.listeners.some(({ protocol }) => protocol === 'amqp');
  } catch {
    return false;
  }
}

async function writeNodeFolder(spec: IsolatedNodeSpec, admin: Credentials): Promise<void> {
  const { folder, owner, clone } = spec;
  const base = mountPoint([clone?.originalPath ?? '', spec.binDirectory ?? '', process.execPath]);
  const own = join(folder, 'node');
  await mkdir(join(folder, 'sockets'), { recursive: true, mode: 0o700 });
  for (const name of ['', 'home', 'log', 'base', 'data'])
    await mkdir(join(own, name), { recursive: true, mode: 0o700 });
  const write = (name: string, text: string) => writeFile(join(own, name), text, { mode: 0o400 });
  await write('home/.erlang.cookie', randomBytes(20).toString('hex'));
  await write('enabled_plugins', `[${['rabbitmq_management', ...spec.plugins].join(',')}].\n`);
  await write('admin.json', JSON.stringify({ users: [adminUser(admin)] }));
  await write('rabbitmq.conf', settingsOf(base));
  await writeFile(join(own, 'hosts'), `127.0.0.1 localhost ${spec.nodeName.split('@')[1]}\n`);
  await chmod(join(own, 'hosts'), 0o644); // Mounted over /etc/hosts: the node must find itself on its loopback.
  if (clone?.featureFlags) await copyFile(clone.featureFlags, join(own, 'feature_flags'));
  await giveAll(own, owner);
  const dataPath = clone?.originalPath ?? `${base}/data`;
  const mounts = [
    ...(clone ? [{ from: clone.copy, to: clone.originalPath }] : []),
    { from: join(own, 'hosts'), to: '/etc/hosts' },
    { from: own, to: base },
  ];
  const node = {
    mounts,
    cover: base, // The node's own folder is mounted on it afterwards.
    socketFolder: join(folder, 'sockets'),
    sockets: [
      { name: 'amqp', port: AMQP_PORT },
      { name: 'http', port: MANAGEMENT_PORT },
    ],
    command: [...dropTo(owner), join(brokerPrograms(spec.binDirectory), 'rabbitmq-server')],
    environment: environmentOf(base, spec.nodeName, dataPath),
  };
  await writeFile(join(folder, 'node.json'), JSON.stringify(node), { mode: 0o600 });
}

function mountPoint(used: readonly string[]): string {
  const free = MOUNT_POINTS.find((point) => !used.some((path) => path === point || path.startsWith(`${point}/`)));
  if (free === undefined) throw new Failure('COULD_NOT_VERIFY', 'no folder is free to mount an isolated broker on');
  return free;
}

function settingsOf(base: string): string {
  return [
    `listeners.tcp.default = 127.0.0.1:${AMQP_PORT}`,
    'management.tcp.ip = 127.0.0.1',
    `management.tcp.port = ${MANAGEMENT_PORT}`,
    `load_definitions = ${base}/admin.json`,
    'log.console = true',
    'log.console.level = warning',
    'log.file = false',
    'disk_free_limit.absolute = 1MB',
    'collect_statistics_interval = 1000',
    '',
  ].join('\n');
}

function environmentOf(base: string, nodeName: string, dataPath: string): Record<string, string> {
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin',
    LANG: 'C.UTF-8',
    HOME: `${base}/home`,
    RABBITMQ_NODENAME: nodeName,
    ...(nodeName.includes('.') ? { RABBITMQ_USE_LONGNAME: 'true' } : {}),
    RABBITMQ_MNESIA_BASE: `${base}/base`,
    RABBITMQ_MNESIA_DIR: dataPath,
    RABBITMQ_PID_FILE: `${base}/pid`,
    RABBITMQ_LOG_BASE: `${base}/log`,
    RABBITMQ_FEATURE_FLAGS_FILE: `${base}/feature_flags`,
    RABBITMQ_PLUGINS_EXPAND_DIR: `${base}/plugins-expand`,
    RABBITMQ_GENERATED_CONFIG_DIR: `${base}/config`,
    RABBITMQ_CONFIG_FILE: `${base}/rabbitmq.conf`,
    RABBITMQ_ADVANCED_CONFIG_FILE: `${base}/none.config`,
    RABBITMQ_CONF_ENV_FILE: `${base}/none-env.conf`,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${base}/enabled_plugins`,
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      '+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}',
  };
}

function dropTo({ uid, gid }: { uid: number; gid: number }): string[] {
  if (process.getuid?.() !== 0) return [];
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--'];
}

async function giveAll(own: string, { uid, gid }: { uid: number; gid: number }): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const names = ['', 'home', 'log', 'base', 'data', 'home/.erlang.cookie', 'enabled_plugins', 'admin.json'];
  for (const name of [...names, 'rabbitmq.conf', 'feature_flags']) {
    const exists = await stat(join(own, name)).then(
      () => true,
      () => false,
    );
    if (exists) await chown(join(own, name), uid, gid);
  }
}

// RabbitMQ's own form: base64 of a 4 byte salt and SHA-256 of salt and password (https://www.rabbitmq.com/passwords).
function adminUser({ user, password }: Credentials): object {
  const salt = randomBytes(4);
  const hash = createHash('sha256').update(salt).update(password).digest();
  return {
    name: user,
    password_hash: Buffer.concat([salt, hash]).toString('base64'),
    hashing_algorithm: 'rabbit_password_hashing_sha256',
    tags: 'administrator,impersonator',
  };
}
