// The scratch Redis: loads a backup where nothing can reach it or be reached from it, and dies with the worker.
import { mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { Failure } from '../../domain/failures.ts';
import { reportProgress, throwIfCancelled } from '../shared/activity-context.ts';
import { type RunningTool, startTool } from '../shared/run-tool.ts';
import { infoOf, withConnection } from './client.ts';
import {
  giveToScratchUser,
  makeRunFolder,
  type RedisDependencies,
  removeRunFolder,
  runFolder,
  scratchUserOf,
} from './run-folder.ts';
import { redisTool } from './tools.ts';

const PURPOSE = 'scratch';

export interface ScratchContent {
  /** Names what is loaded and how: a server with another content is not taken for this one. */
  readonly label: string;
  readonly appendOnly: boolean;
  /** Puts the files into the server's folder; returns the highest database number in them. */
  place(folder: string): Promise<{ readonly highestDatabase: number }>;
  /** Compares what was loaded with what was recorded, before a key can expire. */
  verify(redis: Redis): Promise<void>;
}

/** Runs `work` with a connection to the run's scratch server, which is started and loaded when it is not there. */
export async function withScratch<T>(
  deps: RedisDependencies,
  run: string,
  content: ScratchContent,
  work: (redis: Redis) => Promise<T>,
): Promise<T> {
  const folder = runFolder(deps, run, PURPOSE);
  if (!(await isLoaded(folder, content.label))) await load(deps, run, content);
  return await connected(folder, work);
}

/** Ends the run's scratch server and removes its folder, whoever started it. */
export async function endScratch(deps: RedisDependencies, run: string): Promise<void> {
  await endServer(runFolder(deps, run, PURPOSE));
  await removeRunFolder(deps, run, PURPOSE);
}

async function isLoaded(folder: string, label: string): Promise<boolean> {
  const known = await readFile(join(folder, 'loaded'), 'utf8').catch(() => null);
  if (known !== label) return false;
  const answers = await connected(folder, async () => true).catch(() => false);
  return answers && (await scratchPid(folder)) !== null;
}

async function load(deps: RedisDependencies, run: string, content: ScratchContent): Promise<void> {
  await endScratch(deps, run);
  const folder = await makeRunFolder(deps, run, PURPOSE);
  const data = join(folder, 'data');
  await mkdir(data, { mode: 0o700 });
  const { highestDatabase } = await content.place(data);
  await giveToScratchUser(deps, data);
  const tool = start(deps, folder, settings(folder, content.appendOnly, highestDatabase));
  try {
    await untilLoaded(folder, tool);
    await connected(folder, async (redis) => {
      await content.verify(redis);
      await redis.call('REPLICAOF', 'NO', 'ONE');
    });
  } catch (error) {
    await tool.stop();
    throw error;
  }
  await writeFile(join(folder, 'loaded'), content.label, { mode: 0o600 });
}

function start(deps: RedisDependencies, folder: string, lines: string): RunningTool {
  const user = scratchUserOf(deps);
  const tool = startTool({
    ...redisTool(deps.configuration, 'redis-server', ['-']),
    cwd: folder,
    isolated: true,
    ...(user === undefined ? {} : { user }),
  });
  tool.stdin.end(lines);
  tool.stdout.resume();
  return tool;
}

// As a replica of nobody it keeps keys whose time has passed, so that what was loaded can be compared exactly with what
// was recorded; it is made a primary after that.
function settings(folder: string, appendOnly: boolean, highestDatabase: number): string {
  const lines = {
    port: '0',
    unixsocket: join(folder, 'data', 's').length > 100 ? 's' : join(folder, 'data', 's'),
    unixsocketperm: '700',
    dir: quoted(join(folder, 'data')),
    pidfile: quoted(join(folder, 'data', 'pid')),
    logfile: quoted(join(folder, 'data', 'log')),
    databases: String(Math.max(16, highestDatabase + 1)),
    appendonly: appendOnly ? 'yes' : 'no',
    appenddirname: 'appendonlydir',
    appendfilename: 'appendonly.aof',
    'aof-load-truncated': 'no',
    'auto-aof-rewrite-percentage': '0',
    save: '""',
    maxmemory: '0',
    replicaof: '127.0.0.1 1',
    'replica-read-only': 'yes',
    'enable-debug-command': 'local',
    'stop-writes-on-bgsave-error': 'no',
  };
  return `${Object.entries(lines)
    .map(([name, value]) => `${name} ${value}`)
    .join('\n')}\n`;
}

const quoted = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;

async function untilLoaded(folder: string, tool: RunningTool): Promise<void> {
  let ended: { error: unknown } | null = null;
  tool.finished.then(
    () => {
      ended = { error: null };
    },
    (error: unknown) => {
      ended = { error };
    },
  );
  for (; ; await wait(30)) {
    throwIfCancelled();
    if (ended !== null) throw await loadFailure(folder, (ended as { error: unknown }).error);
    const info = await connected(folder, (redis) => infoOf(redis)).catch(() => null);
    if (info?.loading === '0') return;
    if (info?.loading === '1') reportLoading(info);
  }
}

function reportLoading(info: Readonly<Record<string, string>>): void {
  const doneBytes = Number(info.loading_loaded_bytes ?? 0);
  const bytesPerSecond = Math.round(doneBytes / Math.max(Date.now() / 1000 - Number(info.loading_start_time), 0.1));
  reportProgress({ what: 'loading', doneBytes, totalBytes: Number(info.loading_total_bytes ?? 0), bytesPerSecond });
}

async function loadFailure(folder: string, error: unknown): Promise<unknown> {
  if (error instanceof Failure && error.code !== 'TOOL_FAILED') return error;
  const log = await readFile(join(folder, 'data', 'log'), 'utf8').catch(() => '');
  const words = log.trim().split('\n').slice(-4).join('; ');
  if (words === '') return error ?? new Failure('TOOL_FAILED', 'the scratch server ended without a word');
  return new Failure('ARTIFACT_DAMAGED', `the scratch server did not load it: ${words}`, { system: 'redis' }, error);
}

// A socket's path may have 107 bytes; through the open folder it is always short.
async function connected<T>(folder: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  const directory = await open(join(folder, 'data'), 'r');
  try {
    return await withConnection('the scratch Redis', work, { path: `/proc/self/fd/${directory.fd}/s` });
  } finally {
    await directory.close();
  }
}

async function scratchPid(folder: string): Promise<number | null> {
  const text = await readFile(join(folder, 'data', 'pid'), 'utf8').catch(() => '');
  const pid = Number(text.trim());
  if (!Number.isInteger(pid) || pid <= 1) return null;
  const command = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const here = await stat(join(folder, 'data')).catch(() => null);
  const there = await stat(`/proc/${pid}/cwd`).catch(() => null);
  const isOurs = here !== null && here.ino === there?.ino && here.dev === there.dev;
  return isOurs && command.startsWith('redis-server') && !/^State:\tZ/m.test(status) ? pid : null;
}

async function endServer(folder: string): Promise<void> {
  const pid = await scratchPid(folder);
  if (pid === null) return;
  process.kill(pid, 'SIGKILL');
  while ((await scratchPid(folder)) !== null) await wait(20);
  await rm(join(folder, 'data', 'pid'), { force: true });
}
