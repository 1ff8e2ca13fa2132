// The one way to start a child process: no shell, a bare environment, its own process group, ended with the activity
// and with the worker (even when that is killed), and its last words kept for the error.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { PassThrough, pipeline, Readable, type Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Failure, type FailureDetails } from '../../domain/failures.ts';
import { currentSignal, requireCurrentAttempt } from './activity-context.ts';
import {
  type ContainerAccess,
  endInside,
  engineEnvironment,
  failureOfEngine,
  insideContainer,
  newMark,
} from './container.ts';

export interface ToolSpec {
  readonly command: string;
  readonly args: readonly string[];
  /** Added to a bare environment (PATH, LANG, HOME, TZ). Never secrets: a child's environment can be read. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** System user to run as when the worker is root. */
  readonly user?: string;
  /** True puts the process where no network but its own loopback exists. */
  readonly isolated?: boolean;
  /** Where to run it: the environment is given inside; user, folder and isolation do not apply there. */
  readonly container?: ContainerAccess | undefined;
  /** What to install when the command is missing. */
  readonly install?: string;
  readonly killAfterMs?: number;
  /** For a tool that must write down what it has done: asks it to end, with the activity and with the worker. */
  readonly endsWith?: 'SIGINT';
}

export interface RunningTool {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Settles after the process is gone. @throws {Failure} TOOL_FAILED with its last words, TOOL_MISSING. */
  readonly finished: Promise<void>;
  /** Ends the process group: TERM, then KILL. Settles after the process is gone; never throws. */
  stop(): Promise<void>;
}

const TAIL_BYTES = 4096;

/** The environment of every child: what programs need to run, and nothing of the worker's own. */
export function bareEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const { PATH = '/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin' } = process.env;
  return { PATH, LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', TZ: 'UTC', HOME: '/nonexistent', ...extra };
}

/**
 * Starts a tool whose output is read as a stream. Always await `finished`: the end of stdout alone proves nothing.
 * @param output where it prints to instead of `stdout`; closed here.
 */
export function startTool(spec: ToolSpec, output?: Socket): RunningTool {
  requireCurrentAttempt();
  const mark = newMark();
  const [command, ...args] = wrapped(spec, mark);
  const child = spawn(command as string, args, {
    stdio: ['pipe', output ?? 'pipe', 'pipe'],
    detached: true,
    env: bareEnvironment(spec.container === undefined ? spec.env : engineEnvironment()),
    ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
  }) as ChildProcess & { readonly stdin: Writable; readonly stderr: Readable };
  output?.destroy(); // The child has it now; open here too, it would never end.
  child.stdin.on('error', () => undefined); // A tool that ends early breaks the pipe; its exit status tells why.
  const lastWords = keepTail(child.stderr);
  const closed = whenClosed(child);
  const stop = async () => {
    if (spec.container !== undefined) await stopInside(spec.container, mark);
    await stopGroup(child, closed, spec);
  };
  const finished = settle(spec, closed, lastWords, stop);
  finished.catch(() => undefined); // Reported to whoever awaits it; not an unhandled rejection before that.
  return { pid: child.pid ?? -1, stdin: child.stdin, stdout: kept(child.stdout ?? Readable.from([])), finished, stop };
}

/** Runs a tool to its end and returns what it printed (for small outputs). `input` goes to its standard input. */
export async function runTool(spec: ToolSpec, input: string | Uint8Array = ''): Promise<string> {
  const tool = startTool(spec);
  tool.stdin.end(input);
  const [output] = await Promise.all([text(tool.stdout), tool.finished]);
  return output;
}

// When a child ends before anybody has begun to read, Node throws what it printed away ("flushStdio"). Whoever reads
// late, because a file or a connection had to be opened first, would take the emptiness for all there was.
function kept(stdout: Readable): Readable {
  const output = new PassThrough();
  output.on('error', () => undefined); // Whoever reads it, sooner or later, gets the error.
  pipeline(stdout, output, () => undefined);
  return output;
}

// setpriv gives the child a death signal, so that a killed worker leaves no orphans, and drops root where asked.
// unshare puts it into an empty network namespace; a user namespace makes that possible without root.
function wrapped(spec: ToolSpec, mark: string): string[] {
  const death = ['--pdeathsig', spec.endsWith === 'SIGINT' ? 'INT' : 'KILL', '--'];
  const bound = ['setpriv', ...death];
  if (spec.container !== undefined) return [...bound, ...insideContainer(spec.container, mark, spec)];
  const isRoot = process.getuid?.() === 0;
  const isolation = spec.isolated
    ? ['unshare', '--net', ...(isRoot ? [] : ['--user', '--map-current-user']), '--']
    : [];
  const drop =
    spec.user !== undefined && isRoot ? [`--reuid=${spec.user}`, `--regid=${spec.user}`, '--clear-groups'] : [];
  return [...isolation, 'setpriv', ...drop, ...death, spec.command, ...spec.args];
}

// What ends the engine's client does not reach the program inside. Ended with its streams when this does not reach it.
async function stopInside(container: ContainerAccess, mark: string): Promise<void> {
  const [command = '', ...args] = endInside(container, mark);
  const env = bareEnvironment(engineEnvironment());
  await whenClosed(spawn(command, args, { stdio: 'ignore', env, timeout: 10_000 }));
}

interface Closed {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly error?: NodeJS.ErrnoException;
}

function whenClosed(child: ChildProcess): Promise<Closed> {
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, error });
    });
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
}

async function settle(
  spec: ToolSpec,
  closed: Promise<Closed>,
  lastWords: () => string,
  stop: () => Promise<void>,
): Promise<void> {
  const signal = currentSignal();
  const onAbort = () => void stop();
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  const result = await closed;
  signal?.removeEventListener('abort', onAbort);
  if (signal?.aborted) throw signal.reason;
  if (result.error || isMissing(result, lastWords())) throw missing(spec, result.error);
  const engine = spec.container && failureOfEngine(spec.container, spec, { ...result, words: lastWords() });
  if (engine) throw engine;
  if (result.code !== 0) throw failed(spec, result, lastWords());
}

// setpriv answers 127 with the system's words when the program is not there.
const isMissing = (result: Closed, words: string) => result.code === 127 && words.includes('failed to execute');

function missing(spec: ToolSpec, cause?: Error): Failure {
  const install = spec.install ?? `the package that has ${spec.command}`;
  return new Failure('TOOL_MISSING', `'${spec.command}' is not on this machine`, { install }, cause);
}

function failed(spec: ToolSpec, result: Closed, words: string): Failure {
  const how = result.signal ? `was ended by ${result.signal}` : `ended with status ${result.code}`;
  const details: FailureDetails = { command: spec.command, status: result.code, words };
  const what = `'${spec.command}' ${how}: ${words.trim() || 'no message'}`;
  // strerror(ENOSPC) and strerror(EDQUOT): another try would fill the disk again.
  if (!/No space left on device|Disk quota exceeded/.test(words)) return new Failure('TOOL_FAILED', what, details);
  return new Failure('NO_SPACE', what, { ...details, path: 'the place named above', needBytes: 'more' });
}

function keepTail(stream: Readable): () => string {
  let tail = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk]).subarray(-TAIL_BYTES);
  });
  return () => tail.toString('utf8');
}

async function stopGroup(child: ChildProcess, closed: Promise<Closed>, spec: ToolSpec): Promise<void> {
  signalGroup(child, spec.endsWith ?? 'SIGTERM');
  const hard = setTimeout(() => signalGroup(child, 'SIGKILL'), spec.killAfterMs ?? 5000);
  await closed;
  clearTimeout(hard);
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
