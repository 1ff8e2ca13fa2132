// Driving Holdfast as its user does: the `dr` command and one `dr worker`, as processes of their own.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Connection } from '@temporalio/client';
import { CONTROL_QUEUE, siteQueue } from '../../workflows/messages.ts';
import type { RunningPlatform } from '../platform.ts';

const COMMAND = fileURLToPath(new URL('../../client/dr.mjs', import.meta.url));
const WORKER_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 20_000;

export interface Answer<T> {
  readonly value: T;
  readonly milliseconds: number;
  /** 0 done, 3 done with warnings. */
  readonly exit: number;
}

export interface Product {
  readonly workerPid: number;
  /** What a user would type, for showing. */
  typed(words: readonly string[]): string;
  /** Runs `dr`; its progress goes to standard error. @throws {Error} with its three lines unless it ends with 0 or 3. */
  dr<T>(words: readonly string[], configurationFile?: string): Promise<Answer<T>>;
  /** Runs `dr` as it is and gives every line of both its outputs to `line`, as it comes. @returns its exit code. */
  watch(words: readonly string[], line: (text: string) => void): Promise<number>;
  /** Ends the worker and every `dr` that still runs. */
  stop(): Promise<void>;
}

/**
 * Starts a worker for the platform and waits until it takes work. `dr` draws its progress unless told not to.
 * @param queues what the worker serves; default: the control queue and that of the active site.
 */
export async function startProduct(
  platform: RunningPlatform,
  showsProgress = true,
  queues: readonly string[] = [CONTROL_QUEUE, siteQueue(platform.site.name)],
): Promise<Product> {
  const logFile = join(platform.directory, `worker-${queues.at(-1)}.log`);
  const since = Date.now();
  const worker = startWorker(platform.configurationFile, logFile, queues);
  const calls = new Set<ChildProcess>();
  let isStopped = false;
  const stop = async () => {
    isStopped = true;
    for (const call of calls) call.kill('SIGKILL');
    await endWorker(worker);
  };
  try {
    await untilPolled(platform, worker, { logFile, queues, since });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    workerPid: worker.pid ?? -1,
    typed,
    dr: async (words, configurationFile = platform.configurationFile) => {
      if (isStopped) throw new Error('the demo is being cleaned up');
      return runCommand({ configurationFile, words, showsProgress }, calls);
    },
    watch: (words, line) =>
      watchCommand({ configurationFile: platform.configurationFile, words, showsProgress }, calls, line),
    stop,
  };
}

/** What a user would type, for showing. */
export const typed = (words: readonly string[]): string => ['dr', ...words].map(quoted).join(' ');

const quoted = (word: string) => (/^[\w./:=@-]+$/.test(word) ? word : `'${word}'`);

function startWorker(configurationFile: string, logFile: string, queues: readonly string[]): ChildProcess {
  const log = openSync(logFile, 'a', 0o600);
  // A process group of its own: Ctrl-C in the terminal must not end it before its work is cleaned up.
  const served = queues.flatMap((queue) => ['--queue', queue]);
  const worker = spawn(process.execPath, [COMMAND, 'worker', '--config', configurationFile, ...served], {
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  return worker;
}

async function endWorker(worker: ChildProcess): Promise<void> {
  const hasEnded = () => worker.exitCode !== null || worker.signalCode !== null || worker.pid === undefined;
  if (hasEnded()) return;
  worker.kill('SIGTERM');
  for (const deadline = Date.now() + STOP_WITHIN_MS; !hasEnded(); await wait(50))
    if (Date.now() > deadline && worker.pid !== undefined) process.kill(-worker.pid, 'SIGKILL');
}

interface Served {
  readonly logFile: string;
  readonly queues: readonly string[];
  /** When the worker was started, in milliseconds since 1970. */
  readonly since: number;
}

async function untilPolled(
  platform: RunningPlatform,
  worker: ChildProcess,
  { logFile, queues, since }: Served,
): Promise<void> {
  const connection = await Connection.connect({ address: platform.temporal.address });
  try {
    for (const deadline = Date.now() + WORKER_WITHIN_MS; ; await wait(100)) {
      const counts = await Promise.all(queues.map((queue) => pollers(connection, queue, since)));
      if (counts.every((count) => count > 0)) return;
      if (worker.exitCode !== null || Date.now() > deadline)
        throw new Error(`the worker takes no work:\n${(await readFile(logFile, 'utf8')).slice(-2000)}`);
    }
  } finally {
    await connection.close();
  }
}

// A worker that was there before stays listed for minutes: what polled since this one was started is this one.
async function pollers(connection: Connection, name: string, since: number): Promise<number> {
  const { pollers: found } = await connection.workflowService.describeTaskQueue({
    namespace: 'default',
    taskQueue: { name },
    taskQueueType: 2, // temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
  });
  const polledAt = ({ seconds, nanos }: { seconds?: unknown; nanos?: number | null }) =>
    Number(seconds ?? 0) * 1000 + Number(nanos ?? 0) / 1e6;
  return (found ?? []).filter(({ lastAccessTime }) => polledAt(lastAccessTime ?? {}) > since).length;
}

async function watchCommand(
  { configurationFile, words }: Command,
  calls: Set<ChildProcess>,
  line: (text: string) => void,
): Promise<number> {
  const child = spawn(process.execPath, [COMMAND, ...words, '--config', configurationFile], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  calls.add(child);
  for (const output of [child.stdout, child.stderr]) createInterface(output).on('line', line);
  const exit = await closedWith(child);
  calls.delete(child);
  return exit;
}

const closedWith = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? -1));
  });

interface Command {
  readonly configurationFile: string;
  readonly words: readonly string[];
  readonly showsProgress: boolean;
}

async function runCommand<T>(command: Command, calls: Set<ChildProcess>): Promise<Answer<T>> {
  const { configurationFile, words, showsProgress } = command;
  const started = Date.now();
  const child = spawn(process.execPath, [COMMAND, ...words, '--config', configurationFile, '--json'], {
    stdio: ['ignore', 'pipe', showsProgress ? 'inherit' : 'ignore'],
  });
  calls.add(child);
  const [output, exit] = await Promise.all([text(child.stdout), closedWith(child)]);
  calls.delete(child);
  if (exit !== 0 && exit !== 3) throw new Error(`dr ${words.join(' ')} ended with ${exit}:\n${wordsOf(output)}`);
  return { value: JSON.parse(output) as T, milliseconds: Date.now() - started, exit };
}

// A failed command answers with one document that holds its three lines.
function wordsOf(output: string): string {
  try {
    return (JSON.parse(output) as { error: { message: string } }).error.message;
  } catch {
    return output;
  }
}
