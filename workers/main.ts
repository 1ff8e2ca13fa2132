// A worker process: it serves one or more queues until it is told to stop. `dr worker` starts it.
import { parseArgs } from 'node:util';
import { describeFailure, EXIT, FAILURES, Failure } from '../domain/failures.ts';
import { CONTROL_QUEUE, siteQueue } from '../workflows/messages.ts';
import { readConfiguration } from './configuration-file.ts';
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
  process.stderr.write(`${tell(error)}\n`);
  // The native runtime keeps the process alive after a failed start; it must not look like a working worker.
  process.exit(error instanceof Failure ? FAILURES[error.code].exit : EXIT.failed);
}

function tell(error: unknown): string {
  if (error instanceof Failure) return describeFailure(error.code, error.message, error.details);
  return describeFailure('BUG', error instanceof Error ? (error.stack ?? error.message) : String(error));
}
