// Connects to Temporal and serves queues: workflows on `control`, what touches stores on `site.<name>`.
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { DefaultLogger, NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { pino } from 'pino';
import type { Configuration } from '../domain/configuration/schema.ts';
import { Failure } from '../domain/failures.ts';
import { CONTROL_QUEUE } from '../workflows/messages.ts';
import { journalInterceptor } from './journal-interceptor.ts';
import { registerSearchAttributes } from './search-attributes.ts';
import { type Activities, activitiesFor, type Surroundings } from './wiring.ts';
import { workflowBundle } from './workflow-bundle.ts';

const log = pino({ name: 'dr worker' }, pino.destination({ dest: 2, sync: true }));

/**
 * Serves `queues` until the process is told to stop; running activities are cancelled in good order.
 */
export async function runWorkers(
  configuration: Configuration,
  queues: readonly string[],
  surroundings: Surroundings,
): Promise<void> {
  installRuntime();
  const connection = await connect(configuration);
  try {
    await registerSearchAttributes(connection.operatorService, namespaceOf(configuration));
    const workers = await Promise.all(
      queues.map(async (queue) =>
        createWorker(configuration, connection, {
          taskQueue: queue,
          activities: await activitiesFor(queue, configuration, surroundings),
        }),
      ),
    );
    log.info({ queues, platform: configuration.platform }, 'ready');
    await Promise.all(workers.map((worker) => worker.run()));
  } finally {
    await connection.close();
  }
}

function installRuntime(): void {
  const logger = new DefaultLogger('WARN', ({ level, message, meta }) => {
    log[level === 'ERROR' ? 'error' : 'warn'](meta ?? {}, message);
  });
  Runtime.install({ logger, telemetryOptions: { logging: { forward: {}, filter: 'ERROR' } } });
}

async function connect({ temporal }: Configuration): Promise<NativeConnection> {
  const { connectionOptions } = loadClientConnectConfig();
  const address = connectionOptions.address ?? temporal.address ?? 'localhost:7233';
  try {
    return await NativeConnection.connect({ ...connectionOptions, address });
  } catch (cause) {
    throw new Failure('NO_TEMPORAL', `no Temporal server answers at '${address}'`, { address }, cause);
  }
}

function namespaceOf({ temporal }: Configuration): string {
  return loadClientConnectConfig().namespace ?? temporal.namespace;
}

async function createWorker(
  configuration: Configuration,
  connection: NativeConnection,
  { taskQueue, activities }: { readonly taskQueue: string; readonly activities: Activities },
): Promise<Worker> {
  const common: WorkerOptions = {
    connection,
    namespace: namespaceOf(configuration),
    taskQueue,
    activities,
    interceptors: { activity: [journalInterceptor(configuration.witness.directory)] },
    shutdownGraceTime: '1s',
    shutdownForceTime: '60s',
    // Cancellations travel with heartbeats: a person who aborts should not wait long.
    maxHeartbeatThrottleInterval: '2s',
  };
  if (taskQueue !== CONTROL_QUEUE) return Worker.create({ ...common, maxConcurrentActivityTaskExecutions: 8 });
  const codePath = await workflowBundle();
  return Worker.create({
    ...common,
    workflowBundle: { codePath },
    maxCachedWorkflows: 100,
    maxConcurrentActivityTaskExecutions: 20,
  });
}
