// A real Redis on this machine for the demo and the tests: own folder, own port, unprivileged user, a password that is
// in no argument list, and commands that stop and start it as a service manager would.
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SystemConfiguration } from '../domain/configuration/schema.ts';
import { storePrograms } from './programs.ts';
import { freePort, storeUser } from './servers.ts';

const run = promisify(execFile);

export interface RedisSpec {
  /** Of the account that clients use; default: a random one. */
  readonly password?: string | undefined;
  /** Folder of the server's own. Every folder above it must be passable for the unprivileged store user. */
  readonly directory: string;
  /** Lines of redis.conf besides ours, for example `{ appendonly: 'no' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly port?: number;
}

export interface LocalRedis {
  readonly port: number;
  readonly dataDirectory: string;
  readonly passwordFile: string;
  readonly logFile: string;
  readonly configuration: SystemConfiguration<'redis'>;
  /** Ends the server that runs now, whoever started it. Safe to call twice. */
  stop(): Promise<void>;
}

const USER = 'holdfast';

/** What a platform would run: append-only file on, and no waiting for further replicas before a full copy starts. */
const DEFAULTS = { appendonly: 'yes', 'repl-diskless-sync-delay': '0', save: '3600 1' };

/** Starts redis-server on a free loopback port and waits until it has loaded its data. */
export async function startRedis(spec: RedisSpec): Promise<LocalRedis> {
  const port = spec.port ?? (await freePort());
  const files = filesBelow(spec.directory);
  const { redis: binDirectory } = storePrograms();
  const password = spec.password ?? randomBytes(18).toString('hex');
  await writeFiles(files, { port, password }, { ...DEFAULTS, ...spec.settings });
  const service = { stop: ['sh', files.script, 'stop'], start: ['sh', files.script, 'start'] };
  await run('sh', [files.script, 'start']);
  return {
    port,
    dataDirectory: files.data,
    passwordFile: files.password,
    logFile: files.log,
    configuration: {
      host: '127.0.0.1',
      port,
      user: USER,
      password: `\${file:${files.password}}`,
      tls: false,
      ...(binDirectory === null ? {} : { binDirectory }),
      dataDirectory: files.data,
      service,
    },
    stop: async () => void (await run('sh', [files.script, 'stop'])),
  };
}

type Files = ReturnType<typeof filesBelow>;

const filesBelow = (directory: string) => ({
  directory,
  data: join(directory, 'data'),
  password: join(directory, 'password'),
  accounts: join(directory, 'users.acl'),
  configuration: join(directory, 'redis.conf'),
  pid: join(directory, 'data', 'redis.pid'),
  log: join(directory, 'data', 'redis.log'),
  script: join(directory, 'service.sh'),
});

async function writeFiles(
  files: Files,
  { port, password }: { readonly port: number; readonly password: string },
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  await mkdir(files.data, { recursive: true, mode: 0o700 });
  const hash = createHash('sha256').update(password).digest('hex');
  await writePrivate(files.password, password);
  // Nobody may log in as default, yet it keeps its rights: Redis 7.0 loads the transactions of its append-only file as
  // this user, and drops them without a word when it may not run their commands.
  await writePrivate(files.accounts, `user default off nopass ~* &* +@all\nuser ${USER} on #${hash} ~* &* +@all\n`);
  await writePrivate(files.configuration, serverConfiguration(files, port, settings));
  await writePrivate(files.script, serviceScript(files));
  await giveToStore([files.directory, files.data, files.accounts, files.configuration]);
}

async function writePrivate(path: string, content: string): Promise<void> {
  await writeFile(path, content, { mode: 0o600 });
  await chmod(path, 0o600);
}

async function giveToStore(paths: readonly string[]): Promise<void> {
  const user = storeUser();
  if (user === undefined) return;
  const { stdout } = await run('id', ['-u', user]);
  const { stdout: group } = await run('id', ['-g', user]);
  for (const path of paths) await chown(path, Number(stdout), Number(group));
}

function serverConfiguration(files: Files, port: number, settings: Readonly<Record<string, string>>): string {
  const ours = {
    bind: '127.0.0.1',
    port: String(port),
    daemonize: 'yes',
    dir: files.data,
    pidfile: files.pid,
    logfile: files.log,
    aclfile: files.accounts,
  };
  const line = ([name, value]: [string, string]) => `${name} ${value === '' ? '""' : value}`;
  return `${Object.entries({ ...settings, ...ours })
    .map(line)
    .join('\n')}\n`;
}

// Constant but for the paths, which stand in single quotes. It knows the server by its pid file, as init scripts do.
function serviceScript(files: Files): string {
  const server = join(storePrograms().redis ?? '', 'redis-server');
  const user = storeUser();
  const drop = user === undefined ? '' : `setpriv --reuid=${user} --regid=${user} --clear-groups -- `;
  const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  return `set -eu
pidfile=${quoted(files.pid)}
log=${quoted(files.log)}
pid() { cat "$pidfile" 2>/dev/null || true; }
# A server that has ended stays listed until its parent has looked: that is not running.
lives() { grep -qs '^State:.[^Z]' "/proc/$1/status"; }
runs() { p=$(pid); [ -n "$p" ] && grep -qs redis-server "/proc/$p/comm" && lives "$p"; }
case "$1" in
stop)
  if runs; then
    p=$(pid)
    kill -TERM "$p"
    while lives "$p"; do sleep 0.05; done
  fi
  rm -f "$pidfile" ;;
start)
  runs && exit 0
  before=$(wc -l 2>/dev/null <"$log" || echo 0)
  ${drop}${quoted(server)} ${quoted(files.configuration)}
  tries=0
  until tail -n "+$((before + 1))" "$log" 2>/dev/null | grep -q 'Ready to accept connections'; do
    tries=$((tries + 1))
    if [ "$tries" -gt 1200 ] || { [ "$tries" -gt 40 ] && ! runs; }; then tail -n 5 "$log" >&2; exit 1; fi
    sleep 0.05
  done ;;
esac
`;
}

/** The password in plain text, for clients of the demo and the tests. */
export async function passwordOf(redis: LocalRedis): Promise<string> {
  return (await readFile(redis.passwordFile, 'utf8')).trim();
}
