// Programs of the composition root that last: started here, told what this process is told, and ended with it.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { EXIT, Failure } from '../domain/failures.ts';

// Node's default keeps up to three times 16 MiB resident for short-lived objects; what a worker streams lies outside of it.
const SMALL_YOUNG_GENERATION = '--max-semi-space-size=4';
const PASSED_ON = ['SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const;

/** A program that hears when this process is gone, and may ask it for something. */
export interface Tie {
  readonly answer?: (asked: unknown) => Promise<object>;
}

/**
 * Runs a program of workers/ until it ends.
 * @returns its exit code. @throws {Failure} TOOL_FAILED when it cannot be started.
 */
export function serve(name: 'main' | 'witness' | 'agent', args: readonly string[], tie?: Tie): Promise<number> {
  const file = fileURLToPath(new URL(`../workers/${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, [SMALL_YOUNG_GENERATION, file, ...args], {
    stdio: ['inherit', 'inherit', 'inherit', ...(tie === undefined ? [] : ['ipc' as const])],
  });
  for (const signal of PASSED_ON) process.on(signal, () => child.kill(signal));
  // A terminal sends Ctrl-C to the program as well; without one it is passed on.
  process.on('SIGINT', () => (process.stdin.isTTY ? undefined : child.kill('SIGINT')));
  child.on('message', async (asked) => {
    const answer = await tie?.answer?.(asked);
    if (answer !== undefined && child.connected) child.send(answer);
  });
  return new Promise((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new Failure('TOOL_FAILED', `the ${name} program cannot be started: ${cause.message}`, {}, cause)),
    );
    child.once('exit', (code, signal) =>
      resolve(signal === null ? (code ?? EXIT.failed) : 128 + constants.signals[signal]),
    );
  });
}
