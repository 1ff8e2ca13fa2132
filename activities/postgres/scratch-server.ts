// A throw-away server: no network, one socket in a private folder, an unprivileged user, gone with the worker.
// Only our own settings count: those of a restored data folder could archive, replicate or load what acts outside.
import { readdir, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Failure } from '../../domain/failures.ts';
import { currentSignal, reportProgress, throwIfCancelled } from '../shared/activity-context.ts';
import { type RunningTool, runTool, startTool } from '../shared/run-tool.ts';
import { type Reach, withSession } from './connection.ts';
import type { Dependencies } from './context.ts';
import type { Tools } from './tools.ts';

export interface ScratchSpec {
  readonly deps: Dependencies;
  readonly tools: Tools;
  /** The run's folder: socket, settings and data live in it. */
  readonly folder: string;
  /** Name of the cluster's first superuser. */
  readonly superuser: string;
}

const SOCKET_LIMIT = 107;

/** The data folder of the scratch server of a run's folder. */
export const scratchData = (folder: string): string => join(folder, 'data');

/** How the scratch server is reached, running or not. */
export function scratchReach({ folder, superuser }: ScratchSpec): Reach {
  return {
    host: folder,
    port: 5432,
    user: superuser,
    password: null,
    database: 'template1',
    tlsMode: 'disable',
    tlsRootFile: null,
    statementTimeoutMs: 0,
  };
}

/** Makes an empty cluster. What an earlier attempt left in its place is ended and removed. */
export async function makeCluster(spec: ScratchSpec): Promise<void> {
  await endScratch(spec.folder);
  await rm(scratchData(spec.folder), { recursive: true, force: true });
  await runTool({
    command: spec.tools.path('initdb'),
    args: [
      `--pgdata=${scratchData(spec.folder)}`,
      `--username=${spec.superuser}`,
      '--auth=trust',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
      '--no-instructions',
    ],
    ...userOf(spec),
    cwd: spec.folder,
    install: spec.tools.install,
  });
}

/** Starts the server on the data folder unless it answers already, and waits until it takes writes. */
export async function ensureScratch(spec: ScratchSpec): Promise<Reach> {
  const reach = scratchReach(spec);
  if (await answers(reach)) return reach;
  await endScratch(spec.folder);
  await writeSettings(spec);
  const tool = startTool({
    command: spec.tools.path('postgres'),
    args: ['-D', scratchData(spec.folder), '-c', `config_file=${join(spec.folder, 'scratch.conf')}`],
    ...userOf(spec),
    isolated: true,
    cwd: spec.folder,
    install: spec.tools.install,
  });
  tool.stdout.resume();
  await waitUntilOpen(tool, reach);
  return reach;
}

const userOf = ({ deps }: ScratchSpec) => (deps.scratchUser === undefined ? {} : { user: deps.scratchUser });

async function waitUntilOpen(tool: RunningTool, reach: Reach): Promise<void> {
  let ended = false;
  const end = () => {
    ended = true;
  };
  tool.finished.then(end, end);
  while (!(await answers(reach))) {
    if (ended) {
      await tool.finished;
      throw new Failure('TOOL_FAILED', 'the scratch server ended before it answered', { command: 'postgres' });
    }
    if (currentSignal()?.aborted) await tool.stop();
    throwIfCancelled();
    reportProgress({ what: 'the scratch server recovers', doneBytes: 0, totalBytes: null, bytesPerSecond: 0 });
    await wait(100);
  }
}

async function answers(reach: Reach): Promise<boolean> {
  try {
    const open = await withSession(reach, 'template1', (session) =>
      session.row<{ open: boolean }>('select not pg_is_in_recovery() as open'),
    );
    return open.open;
  } catch (error) {
    if (error instanceof Failure && error.code === 'STORE_UNREACHABLE') return false;
    throw error;
  }
}

async function writeSettings(spec: ScratchSpec): Promise<void> {
  const { folder } = spec;
  if (Buffer.byteLength(`${folder}/.s.PGSQL.5432`) > SOCKET_LIMIT)
    throw new Failure('CONFIG_INVALID', `workDirectory is too long for a socket's path: '${folder}'`);
  // ALTER SYSTEM of the source speaks after our file; it is kept beside for whoever wants to look.
  const automatic = join(scratchData(folder), 'postgresql.auto.conf');
  await rename(automatic, `${automatic}.source`).catch(ignoreAbsent);
  const signals = ['standby.signal', 'recovery.signal'].map((name) => join(scratchData(folder), name));
  await Promise.all(signals.map((path) => rm(path, { force: true })));
  await writeFile(join(folder, 'hba.conf'), 'local all all trust\n', { mode: 0o644 });
  await writeFile(join(folder, 'ident.conf'), '', { mode: 0o644 });
  await writeFile(join(folder, 'scratch.conf'), await settingsOf(spec), { mode: 0o644 });
}

const ignoreAbsent = (error: NodeJS.ErrnoException) => {
  if (error.code !== 'ENOENT') throw error;
};

async function settingsOf(spec: ScratchSpec): Promise<string> {
  const { folder } = spec;
  const settings: Record<string, string> = {
    listen_addresses: '',
    unix_socket_directories: `"${folder.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0700',
    port: '5432',
    hba_file: join(folder, 'hba.conf'),
    ident_file: join(folder, 'ident.conf'),
    ssl: 'off',
    archive_mode: 'off',
    hot_standby: 'off',
    autovacuum: 'off',
    // What is committed outlives a killed worker, whose next attempt goes on from there; a lost machine starts over.
    fsync: 'off',
    full_page_writes: 'off',
    max_connections: '30',
    max_prepared_transactions: await preparedTransactions(spec),
    max_locks_per_transaction: '256',
    max_logical_replication_workers: '0',
    shared_buffers: '128MB',
    work_mem: '64MB',
    maintenance_work_mem: '128MB',
    max_wal_size: '4GB',
    logging_collector: 'off',
    log_timezone: 'UTC',
    timezone: 'UTC',
  };
  const quote = (value: string) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${quote(value)}\n`)
    .join('');
}

// Recovery stops when WAL holds more prepared transactions than the server is set up for.
async function preparedTransactions(spec: ScratchSpec): Promise<string> {
  const facts = await runTool({
    command: spec.tools.path('pg_controldata'),
    args: [scratchData(spec.folder)],
    ...userOf(spec),
    cwd: spec.folder,
    install: spec.tools.install,
  });
  return /max_prepared_xacts setting:\s+(\d+)/.exec(facts)?.[1] ?? '0';
}

/** Ends the scratch server of a run's folder with all its processes, whoever started it. Safe when there is none. */
export async function endScratch(folder: string): Promise<void> {
  const data = scratchData(folder);
  const killAt = Date.now() + 10_000;
  for (let found = await processesOf(data); found.length > 0; found = await processesOf(data)) {
    // The server's own process ends the others; they are killed when it could not.
    const servers = found.filter(({ isServer }) => isServer);
    for (const { pid } of Date.now() > killAt ? found : servers)
      signal(pid, Date.now() > killAt ? 'SIGKILL' : 'SIGQUIT');
    await wait(50);
  }
  // A killed worker's server may wait as a zombie for its new parent, and its number would count as alive.
  const locks = [join(data, 'postmaster.pid'), join(folder, '.s.PGSQL.5432.lock'), join(folder, '.s.PGSQL.5432')];
  await Promise.all(locks.map((path) => rm(path, { force: true })));
}

interface ServerProcess {
  readonly pid: number;
  readonly isServer: boolean;
}

// Every process of a server works in its data folder; the first one also names it, even before it is there.
async function processesOf(dataDirectory: string): Promise<ServerProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const looks = pids.map(async (pid) => {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const folder = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    const isServer = commandLine.split('\0').includes(dataDirectory);
    return { pid: Number(pid), isServer, isOurs: isServer || folder === dataDirectory };
  });
  return (await Promise.all(looks)).filter(({ isOurs }) => isOurs);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
