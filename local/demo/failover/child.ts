// Parts of the demo that are processes of their own: they get what they need, secrets included, on standard input, and
// say one line of JSON when they are ready.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { json } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const READY_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 10_000;

export interface ChildProgram {
  /** Name of the program beside this file, without `-process.ts`. */
  readonly program: 'zone' | 'gateway' | 'workload';
  /** Shown in lists of processes. */
  readonly args?: readonly string[];
  readonly input: object;
  readonly logFile: string;
}

export interface RunningChild<T> {
  readonly pid: number;
  /** What it said when it was ready. */
  readonly facts: T;
  stop(): Promise<void>;
}

/** Starts one and waits until it is ready. @throws {Error} when it ends or stays silent instead. */
export async function startChild<T>({ program, args = [], input, logFile }: ChildProgram): Promise<RunningChild<T>> {
  const file = fileURLToPath(new URL(`./${program}-process.ts`, import.meta.url));
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(process.execPath, [file, ...args], {
    stdio: ['pipe', 'pipe', log],
    detached: true,
  }) as ChildProcessByStdio<Writable, Readable, null>;
  closeSync(log);
  let hasEnded = false;
  const ended = new Promise<void>((resolve) =>
    child.once('close', () => {
      hasEnded = true;
      resolve();
    }),
  );
  const stop = async () => {
    child.kill('SIGTERM');
    for (const deadline = Date.now() + STOP_WITHIN_MS; !hasEnded; await Promise.race([ended, wait(50)]))
      if (Date.now() > deadline) child.kill('SIGKILL');
  };
  try {
    child.stdin.end(JSON.stringify(input));
    const line = firstLine(createInterface(child.stdout));
    const late = Promise.race([ended, wait(READY_WITHIN_MS, undefined, { ref: false })]);
    const said = await Promise.race([line, late]);
    if (said === undefined) throw new Error(`the ${program} did not start; see ${logFile}`);
    return { pid: child.pid ?? -1, facts: JSON.parse(said) as T, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const firstLine = (lines: NodeJS.EventEmitter): Promise<string> =>
  new Promise((resolve) => void lines.once('line', resolve));

/** In the child: what its parent gave it. */
export const given = async <T>(): Promise<T> => (await json(process.stdin)) as T;

/** In the child: tells the parent that it is ready. Nothing more is written there: the parent may be gone. */
export function tellReady(facts: object = {}): void {
  process.stdout.write(`${JSON.stringify(facts)}\n`);
}

/** In the child: resolves when it is asked to end. */
export const askedToEnd = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
