// Is there anyone to do the work? A run on a queue that nobody polls would wait silently for ever.
import { Failure } from '../../domain/failures.ts';
import type { Temporal } from './connection.ts';

// temporal.api.enums.v1.TaskQueueType
const QUEUE_TYPES = { workflow: 1, activity: 2 } as const;
// A poll lasts up to a minute, and a poller that died stays listed for five.
const ALIVE_MS = 90_000;

export interface QueueFacts {
  readonly queue: string;
  /** Identities of the workers that polled within the last minute and a half. */
  readonly workers: readonly string[];
  /** The same workers with the build of each; null when it tells none. */
  readonly builds: readonly { readonly identity: string; readonly build: string | null }[];
}

/** Who polls a queue for workflows or activities. @throws {Failure} NO_TEMPORAL. */
export async function pollersOf(
  temporal: Temporal,
  queue: string,
  type: keyof typeof QUEUE_TYPES = 'activity',
): Promise<QueueFacts> {
  const { pollers } = await temporal.ask(() =>
    temporal.connection.workflowService.describeTaskQueue({
      namespace: temporal.namespace,
      taskQueue: { name: queue },
      taskQueueType: QUEUE_TYPES[type],
    }),
  );
  const alive = (pollers ?? []).filter(({ lastAccessTime }) => {
    const seconds = Number(lastAccessTime?.seconds ?? 0);
    return Date.now() - seconds * 1000 < ALIVE_MS;
  });
  const builds = alive.map(({ identity, workerVersionCapabilities }) => ({
    identity: identity ?? 'a worker',
    build: workerVersionCapabilities?.buildId || null,
  }));
  return { queue, builds, workers: builds.map(({ identity }) => identity) };
}

/** @throws {Failure} NO_WORKER when one of the queues has nobody to poll it. */
export async function requireWorkers(temporal: Temporal, queues: readonly string[]): Promise<void> {
  const facts = await Promise.all(queues.map((queue) => pollersOf(temporal, queue)));
  const silent = facts.filter(({ workers }) => workers.length === 0).map(({ queue }) => queue);
  if (silent.length === 0) return;
  const names = silent.map((queue) => `'${queue}'`).join(' and ');
  throw new Failure('NO_WORKER', `no worker polls ${silent.length === 1 ? 'queue' : 'queues'} ${names}`, {
    // Each may belong on another machine, so each is a command of its own.
    queue: silent.join("' and 'dr worker --queue "),
  });
}
