// The kind `aof`: the append-only files as they stand, up to one recorded length.
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { OpenBackup } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import type { JsonValue } from '../../domain/json.ts';
import type { Artifact } from '../../domain/manifest.ts';
import { type AofFile, AofWalker, parseAofManifest } from '../../domain/systems/redis-aof.ts';
import { RdbWalker } from '../../domain/systems/redis-rdb.ts';
import { progressOf, throwIfCancelled } from '../shared/activity-context.ts';
import { infoOf, settingsOf, timeOf } from './client.ts';
import { rdbFailure } from './rdb-failure.ts';
import { withoutRewrites } from './rewrite-hold.ts';
import type { RedisDependencies } from './run-folder.ts';
import { keyspaceOf } from './server-facts.ts';
import type { Taken } from './take-rdb.ts';

/** One file of the backup, as the inventory tells it. `completeBytes`: up to the last whole command. */
export interface StoredAofFile extends AofFile {
  readonly artifact: string;
  readonly bytes: number;
  readonly completeBytes: number;
}

interface OpenFile extends AofFile {
  readonly handle: FileHandle;
}

/** Flushing may be put off for two seconds while the disk is busy (redis/src/aof.c, flushAppendOnlyFile). */
const FLUSH_DELAY_MS = 2000;

/** Copies the files. @throws {Failure} NO_FILE_ACCESS, VERSION_UNFIT, TOOL_FAILED. */
export async function takeAof(deps: RedisDependencies, redis: Redis, backup: OpenBackup): Promise<Taken> {
  const { folder, manifestPath } = await placeOf(deps, redis);
  return await withoutRewrites(deps, redis, async () => {
    const { files, text } = await openFiles(folder, manifestPath);
    try {
      const moment = await flushedMoment(redis);
      const sizes = await Promise.all(files.map(async ({ handle }) => (await handle.stat()).size));
      return await copyFiles(backup, files, sizes, { text, ...moment });
    } catch (error) {
      throw rdbFailure(error, 'TOOL_FAILED');
    } finally {
      await Promise.all(files.map(({ handle }) => handle.close()));
    }
  });
}

async function placeOf(deps: RedisDependencies, redis: Redis): Promise<{ folder: string; manifestPath: string }> {
  const { dataDirectory } = deps.configuration;
  if (dataDirectory === undefined)
    throw new Failure('NO_FILE_ACCESS', "the configuration names no 'dataDirectory' for Redis");
  const found = await settingsOf(redis, 'appendonly', 'appenddirname', 'appendfilename');
  if (found.appenddirname === undefined)
    throw new Failure('VERSION_UNFIT', 'the append-only file of this server is not in parts', {
      need: 'Redis 7.0 or newer, or the kind rdb',
    });
  if (found.appendonly !== 'yes')
    throw new Failure('NO_FILE_ACCESS', "the server keeps no append-only file ('appendonly' is not 'yes')");
  const folder = join(dataDirectory, found.appenddirname);
  return { folder, manifestPath: join(folder, `${found.appendfilename}.manifest`) };
}

// Once open, a file stays readable even if a rewrite by hand removes its name; what must not happen is that the
// manifest changes between opening the first and the last.
async function openFiles(folder: string, manifestPath: string): Promise<{ files: OpenFile[]; text: string }> {
  for (let attempt = 0; attempt < 10; attempt += 1, await wait(200)) {
    const text = await readManifest(manifestPath);
    const listed = parseAofManifest(text).filter((file) => file.type !== 'h');
    const files = await openAll(folder, listed);
    if (files !== null && (await readManifest(manifestPath)) === text) return { files, text };
    await Promise.all((files ?? []).map(({ handle }) => handle.close()));
  }
  throw new Failure('TOOL_FAILED', 'the append-only files changed again and again while they were opened');
}

async function readManifest(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((cause) => {
    throw new Failure('NO_FILE_ACCESS', `'${path}' cannot be read: ${cause.message}`, {}, cause);
  });
}

async function openAll(folder: string, listed: readonly AofFile[]): Promise<OpenFile[] | null> {
  const files: OpenFile[] = [];
  for (const file of listed) {
    const handle = await open(join(folder, file.name), 'r').catch(() => null);
    if (handle !== null) files.push({ ...file, handle });
  }
  if (files.length === listed.length) return files;
  await Promise.all(files.map(({ handle }) => handle.close()));
  return null;
}

// With an empty buffer, everything that was acknowledged before TIME is in the file.
async function flushedMoment(redis: Redis): Promise<Omit<Cut, 'text'>> {
  for (let attempt = 0; attempt < 200; attempt += 1, await wait(10)) {
    throwIfCancelled();
    const momentMs = await timeOf(redis);
    const info = await infoOf(redis);
    if (info.aof_buffer_length === '0')
      return { momentMs, offset: Number(info.master_repl_offset), isExact: true, keysSeen: keysIn(info) };
  }
  const keysSeen = keysIn(await infoOf(redis, 'keyspace'));
  return { momentMs: (await timeOf(redis)) - FLUSH_DELAY_MS, offset: -1, isExact: false, keysSeen };
}

const BUSY = 'the server was busy flushing: the moment is told two seconds early, to be safe';

const tailWarning = (bytes: number) =>
  `the last ${bytes} bytes of the append-only files are no whole command or transaction: they are lost at every restart of the server, and at a restore`;

interface Cut {
  readonly text: string;
  readonly momentMs: number;
  readonly offset: number;
  readonly isExact: boolean;
  /** By the server's own count, which has keys whose time has passed: not what a restore is compared with. */
  readonly keysSeen: number;
}

const keysIn = (info: Readonly<Record<string, string>>): number =>
  Object.values(keyspaceOf(info)).reduce((sum, { keys }) => sum + keys, 0);

async function copyFiles(
  backup: OpenBackup,
  files: readonly OpenFile[],
  sizes: readonly number[],
  cut: Cut,
): Promise<Taken> {
  const count = progressOf(
    'Redis append-only files',
    sizes.reduce((sum, size) => sum + size, 0),
  );
  const artifacts: Artifact[] = [];
  const stored: StoredAofFile[] = [];
  let commands = 0;
  let baseKeys = 0;
  const moduleTypes = new Set<string>();
  for (const [index, file] of files.entries()) {
    const name = `aof-${String(index).padStart(3, '0')}`;
    const bytes = sizes[index] as number;
    const isLast = index === files.length - 1;
    const watched = watch(file, bytes, { isLast, count, nowMs: cut.momentMs });
    artifacts.push(await backup.addArtifact({ name, role: 'aof', subject: file.name }, watched.source));
    const { completeBytes, ...found } = watched.found();
    commands += found.commands;
    baseKeys += found.keys;
    for (const type of found.moduleTypes) moduleTypes.add(type);
    stored.push({
      artifact: name,
      name: file.name,
      sequence: file.sequence,
      type: file.type,
      bytes,
      completeBytes,
    });
  }
  return describe(cut, artifacts, stored, { commands, baseKeys, moduleTypes: [...moduleTypes] });
}

interface Watching {
  readonly isLast: boolean;
  readonly count: (bytes: number) => void;
  readonly nowMs: number;
}

interface Found {
  readonly completeBytes: number;
  readonly commands: number;
  readonly keys: number;
  readonly moduleTypes: readonly string[];
}

function watch(file: OpenFile, bytes: number, { isLast, count, nowMs }: Watching) {
  const isRdb = file.name.endsWith('.rdb');
  const rdb = new RdbWalker({ nowMs });
  const aof = new AofWalker();
  async function* source(): AsyncGenerator<Uint8Array> {
    if (bytes === 0) return;
    for await (const piece of file.handle.createReadStream({ start: 0, end: bytes - 1, autoClose: false })) {
      count((piece as Buffer).length);
      if (isRdb) rdb.push(piece as Buffer);
      else aof.push(piece as Buffer);
      yield piece as Buffer;
    }
  }
  const found = (): Found => {
    if (isRdb) {
      const { keys, moduleTypes } = rdb.finish();
      return { completeBytes: bytes, commands: 0, keys, moduleTypes };
    }
    const summary = aof.finish();
    if (!summary.isSound || (!isLast && summary.completeBytes !== bytes))
      throw new Failure('TOOL_FAILED', `'${file.name}' holds something that is not a Redis command`);
    return { completeBytes: summary.completeBytes, commands: summary.commands, keys: 0, moduleTypes: [] };
  };
  return { source: source(), found };
}

function describe(
  cut: Cut,
  artifacts: readonly Artifact[],
  files: readonly StoredAofFile[],
  found: { commands: number; baseKeys: number; moduleTypes: readonly string[] },
): Taken {
  const tail = files.reduce((sum, file) => sum + file.bytes - file.completeBytes, 0);
  return {
    momentMs: cut.momentMs,
    artifacts,
    counts: { files: files.length, commands: found.commands, keysInBase: found.baseKeys, keysSeen: cut.keysSeen },
    source: { offset: cut.offset, moduleTypes: found.moduleTypes },
    report: { isMomentExact: cut.isExact, unfinishedTailBytes: tail, manifest: cut.text },
    warnings: [...(cut.isExact ? [] : [BUSY]), ...(tail === 0 ? [] : [tailWarning(tail)])],
    inventory: { files: files.map((file) => ({ ...file })) as JsonValue },
  };
}
