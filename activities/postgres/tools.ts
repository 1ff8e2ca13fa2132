// PostgreSQL's own command-line tools: where they are, how they reach a server, and what their failures mean.
// The password travels in a file that only this user can read and that goes with the work; never in argv or environment.
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SystemConfiguration } from '../../domain/configuration/schema.ts';
import type { ByteSource } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import { failureOfTool } from '../../domain/systems/postgres-errors.ts';
import { passwordFileLine } from '../../domain/systems/postgres-names.ts';
import type { ContainerAccess } from '../shared/container.ts';
import { type RunningTool, runTool, startTool, type ToolSpec } from '../shared/run-tool.ts';
import { resolveSecret } from '../shared/secrets.ts';
import { openWidePipe } from '../shared/wide-pipe.ts';
import { OUR_SETTINGS, type Reach } from './connection.ts';
import { feed } from './feed.ts';

export const CLIENT_TOOLS = ['pg_dump', 'pg_dumpall', 'pg_restore', 'psql', 'pg_basebackup'] as const;
export const SERVER_TOOLS = [
  'initdb',
  'postgres',
  'pg_verifybackup',
  'pg_waldump',
  'pg_amcheck',
  'pg_controldata',
] as const;

/** Where the tools of a server's major version are. */
export interface Tools {
  readonly major: number;
  path(name: string): string;
  readonly install: string;
  /** Where they run; here when it is not set. */
  readonly container?: ContainerAccess | undefined;
}

/** The configured folder; else Debian's folder of that version; else PATH. */
export async function findTools(binDirectory: string | undefined, major: number): Promise<Tools> {
  const debian = `/usr/lib/postgresql/${major}/bin`;
  const isThere = await access(debian).then(
    () => true,
    () => false,
  );
  const folder = binDirectory ?? (isThere ? debian : undefined);
  return {
    major,
    path: (name) => (folder === undefined ? name : join(folder, name)),
    install: `apt-get install postgresql-${major}`,
  };
}

/** The tools that talk to the live server: those of its container when it runs in one. */
export async function toolsOfLive(
  { binDirectory, container }: Pick<SystemConfiguration<'postgres'>, 'binDirectory' | 'container'>,
  major: number,
): Promise<Tools> {
  if (container === undefined) return findTools(binDirectory, major);
  const folder = container.binDirectory;
  const install = `the client programs of PostgreSQL ${major} in the container's image`;
  return { major, path: (name) => (folder === undefined ? name : join(folder, name)), install, container };
}

/** Major version of a tool. @throws {Failure} TOOL_MISSING. */
export async function toolMajor(tools: Tools, name: string): Promise<number> {
  return Number.parseInt(await askVersion(tools, name), 10);
}

async function askVersion(tools: Tools, name: string): Promise<string> {
  const output = await runTool({ ...toolOf(tools, name), args: ['--version'] });
  return /(\d+)(?:\.\d+|beta\d+|rc\d+|devel)?/.exec(output)?.[0] ?? '0';
}

/** Version text of a tool, for example `15.18`. @throws {Failure} TOOL_MISSING, VERSION_UNFIT when older than the server. */
export async function toolVersion(tools: Tools, name: string): Promise<string> {
  const version = await askVersion(tools, name);
  if (Number.parseInt(version, 10) < tools.major)
    throw new Failure('VERSION_UNFIT', `${name} ${version} is older than the server (${tools.major})`, {
      need: `${name} ${tools.major} or newer: ${tools.install}`,
    });
  return version;
}

/** Environment that lets libpq tools reach a server, for the length of one piece of work. */
export interface Credentials {
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Gives `work` a password file (0600) in a folder of its own below `parent` and removes it afterwards. `parent` is the
 * run's folder: what a killed worker leaves there goes with the next attempt.
 */
export async function withCredentials<T>(
  reach: Reach,
  parent: string,
  work: (credentials: Credentials) => Promise<T>,
): Promise<T> {
  if (reach.container !== undefined) return withCredentialsInside(reach, reach.container, work);
  const folder = await mkdtemp(join(parent, 'credentials-'));
  try {
    return await work({ env: await connectionEnvironment(reach, join(folder, 'pgpass')) });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function connectionEnvironment(reach: Reach, passwordFile: string): Promise<Record<string, string>> {
  const password = reach.password === null ? null : await resolveSecret(reach.password);
  if (password !== null) await writeFile(passwordFile, passwordFileLine(password), { mode: 0o600, flag: 'wx' });
  return {
    ...commonEnvironment(reach, passwordFile),
    PGHOST: reach.host,
    PGPORT: String(reach.port),
    PGSSLMODE: reach.host.startsWith('/') ? 'disable' : reach.tlsMode,
    ...(reach.tlsRootFile === null ? {} : { PGSSLROOTCERT: reach.tlsRootFile }),
  };
}

function commonEnvironment(reach: Reach, passwordFile: string): Record<string, string> {
  return {
    PGUSER: reach.user,
    PGCONNECT_TIMEOUT: '15',
    PGAPPNAME: 'holdfast',
    PGOPTIONS: [...OUR_SETTINGS, 'statement_timeout=0'].map((setting) => `-c ${setting}`).join(' '),
    // Even an absent file is named, so that no file of the worker's own user is looked for.
    PGPASSFILE: passwordFile,
    PGSERVICEFILE: '/nonexistent',
  };
}

// A folder of memory that every container has, so that the password is on no disk. What a killed worker leaves there is
// for the container's root alone, and is swept a day later. Both scripts are constants.
const KEEP = `find /dev/shm -maxdepth 1 -name 'holdfast-*' -mmin +1440 -exec rm -rf {} +
umask 077 && mkdir "$1" && cat >"$1/pgpass"`;

async function withCredentialsInside<T>(
  reach: Reach,
  container: NonNullable<Reach['container']>,
  work: (credentials: Credentials) => Promise<T>,
): Promise<T> {
  const folder = `/dev/shm/holdfast-${randomBytes(8).toString('hex')}`;
  const password = reach.password === null ? '' : passwordFileLine(await resolveSecret(reach.password));
  await runTool({ command: 'sh', args: ['-c', KEEP, 'sh', folder], container }, password);
  try {
    const env = commonEnvironment(reach, `${folder}/pgpass`);
    // On the container's own loopback: whatever the way from outside looks like, nobody else is on this one.
    const here = { PGHOST: '127.0.0.1', PGPORT: String(container.port), PGSSLMODE: 'prefer' };
    return await work({ env: { ...env, ...here } });
  } finally {
    await runTool({ command: 'rm', args: ['-rf', '--', folder], container });
  }
}

const toolOf = (tools: Tools, name: string) => ({
  command: tools.path(name),
  install: tools.install,
  container: tools.container,
});

/** Restores from a dump in a file of this machine; inside a container it arrives by standard input, without jobs. */
export async function runPgRestore(
  tools: Tools,
  credentials: Credentials,
  args: readonly string[],
  { file, jobs }: { readonly file: string; readonly jobs?: number },
): Promise<void> {
  if (tools.container === undefined) {
    const parallel = jobs === undefined ? [] : [`--jobs=${jobs}`];
    await runPgTool(tools, credentials, 'pg_restore', [...args, ...parallel, '--', file]);
    return;
  }
  await feed(createReadStream(file), startPgTool(tools, credentials, 'pg_restore', args));
}

/** Starts a tool against a server; its failures tell what they mean (see `failureOfTool`). */
export function startPgTool(
  tools: Tools,
  credentials: Credentials,
  name: string,
  args: readonly string[],
): RunningTool {
  return translated(startTool(pgTool(tools, credentials, name, args)));
}

/** Like `startPgTool`, with its whole output in `pieces`, each right only until the next one is asked for. */
export async function startPgToolWide(
  tools: Tools,
  credentials: Credentials,
  folder: string,
  [name, ...args]: readonly [string, ...string[]],
): Promise<RunningTool & { readonly pieces: ByteSource }> {
  const { writeEnd, pieces, close } = await openWidePipe(folder);
  try {
    return { ...translated(startTool(pgTool(tools, credentials, name, args), writeEnd)), pieces };
  } catch (error) {
    close();
    throw error;
  }
}

/** Runs a tool against a server to its end and returns what it printed. */
export async function runPgTool(
  tools: Tools,
  credentials: Credentials,
  name: string,
  args: readonly string[],
): Promise<string> {
  try {
    return await runTool(pgTool(tools, credentials, name, args));
  } catch (error) {
    throw failureOfTool(error);
  }
}

function pgTool(tools: Tools, credentials: Credentials, name: string, args: readonly string[]): ToolSpec {
  return { ...toolOf(tools, name), args, env: credentials.env };
}

function translated(tool: RunningTool): RunningTool {
  const finished = tool.finished.catch((error) => {
    throw failureOfTool(error);
  });
  finished.catch(() => undefined);
  return { ...tool, finished };
}
