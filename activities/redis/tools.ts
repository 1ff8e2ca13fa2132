// The programs that come with Redis: which version they are, and whether they find a file sound.

import { createWriteStream } from 'node:fs';
import { constants, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { Failure } from '../../domain/failures.ts';
import { type RunningTool, runTool, startTool, type ToolSpec } from '../shared/run-tool.ts';
import type { RedisConfiguration } from './client.ts';

const INSTALL = 'redis-server (Debian: apt-get install redis-server)';

/** A program of Redis, from the configured folder or the path. */
export function redisTool(configuration: RedisConfiguration, command: string, args: readonly string[]): ToolSpec {
  const { binDirectory } = configuration;
  return { command: binDirectory === undefined ? command : join(binDirectory, command), args, install: INSTALL };
}

/** Version of the tools here, for example `7.0.15`. @throws {Failure} TOOL_MISSING. */
export async function toolVersion(configuration: RedisConfiguration): Promise<string> {
  const output = await runTool(redisTool(configuration, 'redis-server', ['--version']));
  const version = /v=(\d+\.\d+\.\d+)/.exec(output)?.[1];
  if (version === undefined) throw new Failure('TOOL_FAILED', `'redis-server --version' said '${output.trim()}'`);
  return version;
}

/** True when tools of `ours` can read what a server of `theirs` writes: the format grows with minor versions. */
export function canRead(ours: string, theirs: string): boolean {
  const [ourMajor = 0, ourMinor = 0] = ours.split('.').map(Number);
  const [major = 0, minor = 0] = theirs.split('.').map(Number);
  return ourMajor > major || (ourMajor === major && ourMinor >= minor);
}

/** @throws {Failure} VERSION_UNFIT when the tools here are older than the server that wrote, or will write, a backup. */
export async function requireReadable(configuration: RedisConfiguration, theirs: string): Promise<string> {
  const ours = await toolVersion(configuration);
  if (canRead(ours, theirs)) return ours;
  const need = `redis-server ${theirs.split('.').slice(0, 2).join('.')} or newer on this worker`;
  throw new Failure('VERSION_UNFIT', `written by Redis ${theirs}, but the tools here are ${ours}`, { need });
}

export interface RdbVerdict {
  readonly keys: number;
  readonly expires: number;
  readonly expired: number;
}

/**
 * Runs `redis-check-rdb` on a stream through a named pipe, so that no plain copy is written to a disk.
 * @param pipePath where the pipe is made; its folder is made too (0700).
 * @throws {Failure} ARTIFACT_DAMAGED when the tool finds fault.
 */
export async function checkRdbStream(
  configuration: RedisConfiguration,
  pipePath: string,
  source: AsyncIterable<Uint8Array>,
): Promise<RdbVerdict> {
  await mkdir(dirname(pipePath), { recursive: true, mode: 0o700 });
  await runTool({ command: 'mkfifo', args: ['-m', '600', '--', pipePath] });
  const tool = startTool(redisTool(configuration, 'redis-check-rdb', [pipePath]));
  tool.stdin.end();
  const words = text(tool.stdout);
  const fed = pipeline(Readable.from(source), createWriteStream(pipePath)).then(
    () => null,
    (error: NodeJS.ErrnoException) => error,
  );
  const ended = await tool.finished.then(
    () => null,
    async (error: unknown) => {
      await releaseWriter(pipePath);
      return error;
    },
  );
  const feedError = await fed;
  if (feedError !== null && feedError.code !== 'EPIPE') throw feedError;
  return verdict(ended, await words);
}

// A writer waits for a reader; when the tool ended without ever opening the pipe, somebody else must.
async function releaseWriter(pipePath: string): Promise<void> {
  const reader = await open(pipePath, constants.O_RDONLY | constants.O_NONBLOCK);
  await reader.close();
}

/** Runs `redis-check-aof` on a manifest (or a single file). @throws {Failure} ARTIFACT_DAMAGED. */
export async function checkAofFile(configuration: RedisConfiguration, path: string): Promise<void> {
  const tool = startTool(redisTool(configuration, 'redis-check-aof', [path]));
  const [error, words] = await outcomeOf(tool);
  if (error === null && /is valid/.test(words)) return;
  throw damaged(error, 'redis-check-aof', words);
}

async function outcomeOf(tool: RunningTool): Promise<[unknown, string]> {
  tool.stdin.end();
  const [error, words] = await Promise.all([
    tool.finished.then(
      () => null,
      (reason: unknown) => reason,
    ),
    text(tool.stdout),
  ]);
  return [error, words];
}

function verdict(error: unknown, words: string): RdbVerdict {
  const number = (pattern: RegExp) => Number(pattern.exec(words)?.[1] ?? Number.NaN);
  const found = {
    keys: number(/(\d+) keys read/),
    expires: number(/(\d+) expires/),
    expired: number(/(\d+) already expired/),
  };
  const isSound = error === null && words.includes('RDB looks OK') && Object.values(found).every(Number.isFinite);
  if (!isSound) throw damaged(error, 'redis-check-rdb', words);
  return found;
}

// A missing tool or a cancellation is not the file's fault.
function damaged(error: unknown, tool: string, words: string): unknown {
  if (error !== null && !(error instanceof Failure && error.code === 'TOOL_FAILED')) return error;
  const last = words.trim().split('\n').slice(-3).join('; ');
  return new Failure('ARTIFACT_DAMAGED', `${tool} finds fault: ${last || 'no message'}`, { system: 'redis' }, error);
}
