// Exchanging the files of a live Redis while it stands still. The old files are moved aside, never deleted, and every
// step finds what an earlier attempt of it did.
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { Failure } from '../../domain/failures.ts';
import { writeAofManifest } from '../../domain/systems/redis-aof.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { runTool } from '../shared/run-tool.ts';
import { addressOf, infoOf, timeOf, withStore } from './client.ts';
import { type RestoreContext, requireSameServer } from './restore-context.ts';
import { runName } from './run-folder.ts';
import type { ServerFiles } from './server-facts.ts';
import { placeAof, placeRdb } from './stored-content.ts';

const PAUSE_MS = 10 * 60_000;
const START_MS = 30 * 60_000;

/**
 * Holds back writes, saves everything to the disk and stops the store, so that nothing it knew is lost with it.
 * A store that does not answer is only stopped: its files are what there is.
 */
export async function stopStore(context: RestoreContext): Promise<string> {
  const { configuration } = context.deps;
  const answered = await ifReachable(context, async (redis) => {
    await requireSameServer(context, (await infoOf(redis, 'server')).run_id ?? '');
    await redis.call('CLIENT', 'PAUSE', String(PAUSE_MS), 'WRITE');
    await saveNow(redis).catch(async (error: unknown) => {
      await redis.call('CLIENT', 'UNPAUSE');
      throw error;
    });
  });
  await runService(context, 'stop');
  return answered ? `'${addressOf(configuration)}' saved and stopped` : `'${addressOf(configuration)}' was not running`;
}

/** Starts the store again, or only ends the pause when it never stopped. */
export async function undoStop(context: RestoreContext): Promise<string> {
  const runs = await ifReachable(context, async (redis) => void (await redis.call('CLIENT', 'UNPAUSE')));
  if (!runs) await startStore(context);
  return 'the store serves';
}

/** Starts the store and waits until it has loaded. @throws {Failure} STORE_UNREACHABLE. */
export async function startStore(context: RestoreContext): Promise<string> {
  await runService(context, 'start');
  for (const deadline = Date.now() + START_MS; ; await wait(100)) {
    throwIfCancelled();
    let loading = '1';
    const answered = await ifReachable(context, async (redis) => {
      loading = (await infoOf(redis, 'persistence')).loading ?? '1';
    });
    if (answered && loading === '0') return 'the store has loaded and serves';
    if (Date.now() > deadline)
      throw new Failure(
        'STORE_UNREACHABLE',
        `'${addressOf(context.deps.configuration)}' has not loaded within 30 minutes`,
      );
  }
}

export async function undoStart(context: RestoreContext): Promise<string> {
  await runService(context, 'stop');
  return 'the store is stopped';
}

/** What of ours stands in the data folder: known before the first file is moved. */
interface Placed {
  readonly hadSnapshot: boolean;
  readonly hadAppendOnly: boolean;
}

/** Moves the old files aside and places the backup's. */
export async function placeFiles(context: RestoreContext): Promise<string> {
  await requireStopped(context);
  const names = filesOf(context);
  const { hadSnapshot, hadAppendOnly } = await recordBefore(context, names);
  await rm(names.fresh, { recursive: true, force: true });
  await mkdir(names.fresh, { mode: 0o700 });
  await prepareFiles(context, names);
  await moveAside(names.snapshot, names.keptSnapshot, hadSnapshot);
  await moveAside(names.appendOnly, names.keptAppendOnly, hadAppendOnly);
  await publish(join(names.fresh, 'dump.rdb'), names.snapshot);
  await publish(join(names.fresh, 'aof'), names.appendOnly);
  await rm(names.fresh, { recursive: true });
  return 'the old files stand aside and the new ones in their place';
}

/** Puts the old files back. */
export async function undoPlace(context: RestoreContext): Promise<string> {
  const names = filesOf(context);
  const before = await readBefore(context);
  if (before === null) return 'no file had been moved';
  await requireStopped(context);
  await putBack(names.snapshot, names.keptSnapshot, before.hadSnapshot);
  await putBack(names.appendOnly, names.keptAppendOnly, before.hadAppendOnly);
  await rm(names.fresh, { recursive: true, force: true });
  await rm(recordPath(context), { force: true });
  return 'the old files stand in their place again';
}

/** Old files that a restore left beside the live ones. */
export async function keptFiles(context: Place): Promise<string[]> {
  if (context.observed.mode !== 'inPlace') return [];
  const { keptSnapshot, keptAppendOnly } = filesOf(context);
  const found = await Promise.all(
    [keptSnapshot, keptAppendOnly].map(async (path) => ((await exists(path)) ? [path] : [])),
  );
  return found.flat();
}

/** What is enough to name the files. */
type Place = Pick<RestoreContext, 'deps' | 'plan' | 'observed'>;

interface Names {
  readonly files: ServerFiles;
  readonly fresh: string;
  readonly snapshot: string;
  readonly keptSnapshot: string;
  readonly appendOnly: string;
  readonly keptAppendOnly: string;
}

function filesOf({ deps, plan, observed }: Place): Names {
  const { dataDirectory } = deps.configuration;
  const { files } = observed;
  if (dataDirectory === undefined || files === null)
    throw new Failure('NO_FILE_ACCESS', 'it is not known where the live Redis keeps its files');
  const kept = `kept-${runName(plan.request.run)}`;
  const snapshot = join(dataDirectory, files.dbfilename);
  const appendOnly = join(dataDirectory, files.appenddirname);
  return {
    files,
    fresh: join(dataDirectory, `new-${runName(plan.request.run)}`),
    snapshot,
    keptSnapshot: `${snapshot}.${kept}`,
    appendOnly,
    keptAppendOnly: `${appendOnly}.${kept}`,
  };
}

// With `appendonly yes` Redis loads its append-only files and never looks at dump.rdb. So the snapshot is placed twice:
// as dump.rdb, and as the base of new append-only files. Whichever the server's settings name, it loads the backup.
async function prepareFiles({ deps, stored, observed }: RestoreContext, names: Names): Promise<void> {
  const { files, fresh } = names;
  const aof = { directory: 'aof', prefix: files.appendfilename };
  if (stored.manifest.kind === 'aof') {
    if (files.appendonly !== 'yes')
      throw new Failure(
        'NO_FILE_ACCESS',
        "the live server keeps no append-only files ('appendonly'), so it would not load them",
      );
    await placeAof(stored, fresh, aof);
  } else {
    await placeRdb(stored, join(fresh, 'dump.rdb'), observed.ttl);
    if (files.appendonly === 'yes') await snapshotAsBase(fresh, aof.prefix);
  }
  await giveToStore(fresh, deps.configuration.dataDirectory as string);
}

async function snapshotAsBase(fresh: string, prefix: string): Promise<void> {
  const directory = join(fresh, 'aof');
  await mkdir(directory, { mode: 0o700 });
  const base = `${prefix}.1.base.rdb`;
  const increment = `${prefix}.1.incr.aof`;
  await runTool({ command: 'cp', args: ['--', join(fresh, 'dump.rdb'), join(directory, base)] });
  await writeFile(join(directory, increment), '', { mode: 0o600 });
  const manifest = writeAofManifest([
    { name: base, sequence: 1, type: 'b' },
    { name: increment, sequence: 1, type: 'i' },
  ]);
  await writeFile(join(directory, `${prefix}.manifest`), manifest, { mode: 0o600 });
}

async function giveToStore(path: string, dataDirectory: string): Promise<void> {
  const { uid, gid } = await stat(dataDirectory);
  const worker = process.getuid?.();
  if (worker === 0) await runTool({ command: 'chown', args: ['-R', `${uid}:${gid}`, '--', path] });
  else if (worker !== uid)
    throw new Failure(
      'ACCESS_DENIED',
      `'${dataDirectory}' belongs to user ${uid}, who could not read what this worker places`,
      {
        need: 'run the worker as that user or as root',
      },
    );
  await runTool({ command: 'sync', args: ['-f', '--', path] });
}

async function moveAside(path: string, kept: string, existed: boolean): Promise<void> {
  if (existed && !(await exists(kept))) await rename(path, kept);
  else await rm(path, { recursive: true, force: true });
}

async function putBack(path: string, kept: string, existed: boolean): Promise<void> {
  if (existed && !(await exists(kept))) return;
  await rm(path, { recursive: true, force: true });
  if (existed) await rename(kept, path);
}

async function publish(from: string, to: string): Promise<void> {
  if (await exists(from)) await rename(from, to);
}

const recordPath = ({ keptFolder }: RestoreContext) => join(keptFolder, 'files-before.json');

async function recordBefore(context: RestoreContext, names: Names): Promise<Placed> {
  const known = await readBefore(context);
  if (known !== null) return known;
  const placed: Placed = { hadSnapshot: await exists(names.snapshot), hadAppendOnly: await exists(names.appendOnly) };
  await mkdir(context.keptFolder, { recursive: true, mode: 0o700 });
  const path = recordPath(context);
  await writeFile(`${path}.new`, JSON.stringify(placed), { mode: 0o600, flush: true });
  await rename(`${path}.new`, path);
  return placed;
}

async function readBefore(context: RestoreContext): Promise<Placed | null> {
  try {
    return JSON.parse(await readFile(recordPath(context), 'utf8')) as Placed;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function requireStopped(context: RestoreContext): Promise<void> {
  if (await ifReachable(context, async () => undefined))
    throw new Failure(
      'PLAN_CHANGED',
      `'${addressOf(context.deps.configuration)}' runs, though it was stopped for the restore`,
    );
}

async function ifReachable(context: RestoreContext, work: (redis: Redis) => Promise<void>): Promise<boolean> {
  let connected = false;
  try {
    await withStore(context.deps.configuration, async (redis) => {
      connected = true;
      await work(redis);
    });
    return true;
  } catch (error) {
    if (connected || !(error instanceof Failure && error.code === 'STORE_UNREACHABLE')) throw error;
    // A server that loads refuses commands and yet it runs.
    if (/LOADING/.test(error.message)) return await stillLoading(context, work);
    return false;
  }
}

async function stillLoading(context: RestoreContext, work: (redis: Redis) => Promise<void>): Promise<boolean> {
  await wait(200);
  return await ifReachable(context, work);
}

async function saveNow(redis: Redis): Promise<void> {
  await untilIdle(redis);
  const startedAt = Math.floor((await timeOf(redis)) / 1000);
  await redis.call('BGSAVE');
  const info = await untilIdle(redis);
  if (info.rdb_last_bgsave_status !== 'ok' || Number(info.rdb_last_save_time) < startedAt)
    throw new Failure('TOOL_FAILED', 'the live Redis could not save itself before it is stopped; see its log');
}

async function untilIdle(redis: Redis): Promise<Readonly<Record<string, string>>> {
  for (; ; await wait(50)) {
    throwIfCancelled();
    const info = await infoOf(redis, 'persistence');
    if (info.rdb_bgsave_in_progress === '0' && info.aof_rewrite_in_progress === '0') return info;
  }
}

async function runService({ deps }: RestoreContext, verb: 'stop' | 'start'): Promise<void> {
  const argv = deps.configuration.service?.[verb];
  if (argv === undefined) throw new Failure('NO_FILE_ACCESS', "the configuration names no 'service' for Redis");
  const [command, ...args] = argv;
  await runTool({ command: command as string, args });
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}
