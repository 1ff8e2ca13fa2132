// A real PostgreSQL for the demo and the tests: own data folder, free loopback port, scram password, no unix socket.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, chmod, chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SystemConfiguration } from '../domain/configuration/schema.ts';
import { storePrograms } from './programs.ts';
import { freePort, storeUser } from './servers.ts';

const run = promisify(execFile);

export interface PostgresSpec {
  /** Folder of this server's own: data, password file and log live below it. Its parents must be open to the store user. */
  readonly directory: string;
  /** Lines of postgresql.conf, for example `{ wal_level: 'logical' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The superuser's password; default: a random one. */
  readonly password?: string | undefined;
}

export interface RunningPostgres {
  readonly port: number;
  readonly dataDirectory: string;
  readonly logFile: string;
  readonly binDirectory: string;
  /** The superuser's password, for clients of tests and demo. */
  readonly password: string;
  readonly configuration: SystemConfiguration<'postgres'>;
  /** Ends the server, whoever started it last. Safe to call twice. */
  stop(): Promise<void>;
}

/** Makes a cluster with checksums and a superuser `postgres`, and starts it. @throws with the log's end when it cannot. */
export async function startPostgres(spec: PostgresSpec): Promise<RunningPostgres> {
  const binDirectory = storePrograms().postgres;
  const dataDirectory = join(spec.directory, 'data');
  const logFile = join(spec.directory, 'postgres.log');
  const port = await freePort();
  await giveFolder(spec.directory);
  const { password, passwordFile } = await writePassword(
    spec.directory,
    spec.password ?? randomBytes(18).toString('base64url'),
  );
  await initialise(binDirectory, dataDirectory, passwordFile);
  await appendFile(join(dataDirectory, 'postgresql.conf'), configurationLines(port, spec.settings ?? {}));
  const service = serviceCommands(binDirectory, dataDirectory, logFile);
  await runArgv(service.start).catch(async (cause) => {
    throw new Error(`PostgreSQL did not start: ${await readFile(logFile, 'utf8').catch(() => '')}`, { cause });
  });
  const configuration: SystemConfiguration<'postgres'> = {
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password: `\${file:${passwordFile}}`,
    database: 'postgres',
    tlsMode: 'prefer',
    binDirectory,
    dataDirectory,
    service,
    owner: storeUser(),
    checkpoint: 'fast',
    statementTimeout: '30s',
    walKeepLimitBytes: 10_737_418_240,
  };
  const stop = () => stopPostgres(dataDirectory, service.stop);
  return { port, dataDirectory, logFile, binDirectory, password, configuration, stop };
}

async function giveFolder(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await chmod(directory, 0o700);
  const user = storeUser();
  if (user === undefined) return;
  const [uid, gid] = await Promise.all([numericId('-u', user), numericId('-g', user)]);
  await chown(directory, uid, gid);
  await run('setpriv', [...asStoreUser(), 'test', '-x', directory]).catch((cause) => {
    throw new Error(`user ${user} cannot enter ${directory}: open its parent folders with chmod o+x`, { cause });
  });
}

async function numericId(flag: '-u' | '-g', user: string): Promise<number> {
  return Number((await run('id', [flag, '--', user])).stdout);
}

async function writePassword(directory: string, password: string) {
  const passwordFile = join(directory, 'superuser.password');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  const { uid, gid } = await stat(directory);
  if (storeUser() !== undefined) await chown(passwordFile, uid, gid);
  return { password, passwordFile };
}

async function initialise(binDirectory: string, dataDirectory: string, passwordFile: string): Promise<void> {
  const options = ['--username=postgres', '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C.UTF-8'];
  const initdb = [join(binDirectory, 'initdb'), `--pgdata=${dataDirectory}`, `--pwfile=${passwordFile}`, ...options];
  await runArgv(asUser([...initdb, '--data-checksums', '--no-sync', '--no-instructions']));
}

function configurationLines(port: number, settings: Readonly<Record<string, string>>): string {
  const all: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: '50',
    shared_buffers: '32MB',
    // A demo's and a test's machine may lose power without anybody's data being lost.
    fsync: 'off',
    ...settings,
  };
  const quoted = (value: string) => `'${value.replaceAll("'", "''")}'`;
  return `\n${Object.entries(all)
    .map(([name, value]) => `${name} = ${quoted(value)}\n`)
    .join('')}`;
}

/** Commands that stop and start the server again and again, as a service manager would. */
function serviceCommands(bin: string, data: string, log: string): { stop: string[]; start: string[] } {
  const control = [join(bin, 'pg_ctl'), `--pgdata=${data}`, '--silent', '--wait', '--timeout=60'];
  return {
    stop: asUser([...control, '--mode=fast', 'stop']),
    start: asUser([...control, `--log=${log}`, 'start']),
  };
}

async function stopPostgres(dataDirectory: string, stopCommand: readonly string[]): Promise<void> {
  if (!existsSync(join(dataDirectory, 'postmaster.pid'))) return;
  await runArgv(stopCommand).catch((error) => {
    // Ended by itself in between (a test may have killed it): that is what was wanted.
    if (existsSync(join(dataDirectory, 'postmaster.pid')) && !/No such process|not running/.test(String(error)))
      throw error;
  });
}

function asStoreUser(): string[] {
  const user = storeUser();
  return user === undefined ? [] : [`--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--'];
}

const asUser = (argv: string[]): string[] =>
  storeUser() === undefined ? argv : ['setpriv', ...asStoreUser(), ...argv];

async function runArgv([command = '', ...args]: readonly string[]): Promise<void> {
  const { PATH = '/usr/bin:/bin:/usr/sbin:/sbin' } = process.env;
  await run(command, args, { env: { PATH, LANG: 'C.UTF-8', HOME: '/' }, cwd: '/' });
}
