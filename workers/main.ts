// A worker process: it serves one or more queues until it is told to stop. `dr worker` starts it.
import { parseArgs } from 'node:util';
import { EXIT } from '../domain/failures.ts';
import { CONTROL_QUEUE, siteQueue } from '../workflows/messages.ts';
import { readConfiguration } from './configuration-file.ts';
import { exitTelling } from './failed-start.ts';
import { runWorkers } from './run-workers.ts';

const { values } = parseArgs({
  options: { config: { type: 'string' }, queue: { type: 'string', multiple: true } },
});

try {
  const path = values.config ?? process.env.HOLDFAST_CONFIG ?? 'holdfast.yaml';
  const configuration = await readConfiguration(path);
  await runWorkers(configuration, values.queue ?? [CONTROL_QUEUE, siteQueue(configuration.activeSite)], {
    file: path,
  });
  process.exit(EXIT.done);
} catch (error) {
  exitTelling(error);
}
