// One Temporal server for a test file, and workers on queues of its own.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { type RunningTemporal, startTemporal } from '../../local/temporal.ts';
import { workflowBundle } from '../../workers/workflow-bundle.ts';
import { CONTROL_QUEUE, siteQueue } from '../../workflows/messages.ts';

// biome-ignore lint/suspicious/noExplicitAny: the SDK's own shape of an activity.
export type ActivityMap = Record<string, (...args: any[]) => Promise<unknown>>;

export interface TemporalEnvironment {
  readonly client: Client;
  readonly temporal: RunningTemporal;
  /** Serves `control` and the queue of every site with the same activities until the environment is closed. */
  serve(sites: readonly string[], activities: ActivityMap): Promise<void>;
  close(): Promise<void>;
}

// A process has one, however many servers its workers have.
let hasRuntime = false;
function installRuntime(): void {
  if (!hasRuntime) Runtime.install({ logger: new DefaultLogger('ERROR') });
  hasRuntime = true;
}

export async function startTemporalEnvironment(): Promise<TemporalEnvironment> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-temporal-'));
  installRuntime();
  const [temporal, codePath] = await Promise.all([startTemporal({ directory }), workflowBundle()]);
  const connection = await Connection.connect({ address: temporal.address });
  const native = await NativeConnection.connect({ address: temporal.address });
  const client = new Client({ connection });
  const create = (taskQueue: string, activities: ActivityMap, workflows: boolean) =>
    Worker.create({
      connection: native,
      taskQueue,
      activities,
      maxHeartbeatThrottleInterval: '200ms',
      ...(workflows ? { workflowBundle: { codePath } } : {}),
    });
  const running: { readonly worker: Worker; readonly ended: Promise<void> }[] = [];
  return {
    client,
    temporal,
    serve: async (sites, activities) => {
      const workers = [await create(CONTROL_QUEUE, activities, true)];
      for (const site of sites) workers.push(await create(siteQueue(site), activities, false));
      running.push(...workers.map((worker) => ({ worker, ended: worker.run() })));
    },
    close: async () => {
      for (const { worker } of running) worker.shutdown();
      await Promise.all(running.map(({ ended }) => ended));
      await connection.close();
      await native.close();
      await temporal.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
