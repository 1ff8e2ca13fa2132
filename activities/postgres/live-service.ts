// Stopping and starting the live server by the configured commands, and seeing that it did.
import { setTimeout as wait } from 'node:timers/promises';
import { Failure } from '../../domain/failures.ts';
import { reportProgress, throwIfCancelled } from '../shared/activity-context.ts';
import type { ContainerAccess } from '../shared/container.ts';
import { runTool } from '../shared/run-tool.ts';
import { liveReach, withSession } from './connection.ts';
import type { Dependencies } from './context.ts';
import { isRunning } from './server-process.ts';

export interface Service {
  readonly stop: readonly string[];
  readonly start: readonly string[];
  /** Where the server runs; here when it is not set. */
  readonly container?: ContainerAccess | undefined;
}

/** Stops the server of a data folder unless it is stopped. @throws {Failure} TOOL_FAILED when it runs on. */
export async function stopServer(data: string, { stop: command, container }: Service): Promise<void> {
  if (!(await isRunning(data, container))) return;
  await runArgv(command);
  for (const until = Date.now() + 60_000; await isRunning(data, container); await wait(100)) {
    if (Date.now() > until)
      throw new Failure('TOOL_FAILED', `the server still runs after its stop command`, { command: command[0] ?? '' });
  }
}

/** Starts the server of a data folder unless it runs, and waits until it takes writes. */
export async function startServer(
  deps: Dependencies,
  data: string,
  { start: command, container }: Service,
): Promise<void> {
  if (!(await isRunning(data, container))) await runArgv(command);
  await waitUntilOpen(deps);
}

async function runArgv([command = '', ...args]: readonly string[]): Promise<void> {
  await runTool({ command, args, cwd: '/' });
}

async function waitUntilOpen({ configuration }: Dependencies): Promise<void> {
  for (const until = Date.now() + 1_800_000; ; await wait(200)) {
    throwIfCancelled();
    reportProgress({ what: 'the restored server recovers', doneBytes: 0, totalBytes: null, bytesPerSecond: 0 });
    try {
      const { open } = await withSession(liveReach(configuration), 'template1', (session) =>
        session.row<{ open: boolean }>('select not pg_is_in_recovery() as open'),
      );
      if (open) return;
      if (Date.now() > until)
        throw new Failure('STORE_UNREACHABLE', 'the restored server answers and still takes no writes: it recovers');
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'STORE_UNREACHABLE' || Date.now() > until) throw error;
    }
  }
}
