// The real command as its users start it: a child process, its exit code, its two outputs.
import { type ChildProcess, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** The command's file. */
export const DR = fileURLToPath(new URL('../../client/dr.mjs', import.meta.url));

export interface DrOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

export interface DrEnd {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A `dr` that runs, for tests that send it signals. */
export interface RunningDr {
  readonly child: ChildProcess;
  readonly ended: Promise<DrEnd>;
}

/** Starts `dr` without the caller's Temporal and Holdfast settings. */
export function startDr(args: readonly string[], options: DrOptions = {}): RunningDr {
  const { PATH = '', HOME = '/nonexistent' } = process.env;
  const env = { PATH, HOME, TEMPORAL_CONFIG_FILE: '/nonexistent', ...options.env };
  const child = spawn(process.execPath, [DR, ...args], { env, ...(options.cwd ? { cwd: options.cwd } : {}) });
  child.stdin.on('error', () => undefined); // A command that ends without reading its input breaks the pipe.
  child.stdin.end(options.input ?? '');
  const closed = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const ended = Promise.all([closed, text(child.stdout), text(child.stderr)]).then(([status, stdout, stderr]) => ({
    status,
    stdout,
    stderr,
  }));
  return { child, ended };
}

/** Runs `dr` to its end. */
export const dr = (args: readonly string[], options: DrOptions = {}): Promise<DrEnd> => startDr(args, options).ended;
