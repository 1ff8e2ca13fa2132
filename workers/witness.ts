// The witness: looks at the platform through its public name until it is told to stop, writes outages down, tells people,
// and has a failover planned. It never starts one. `dr witness` starts it and plans for it.
// `node workers/witness.ts --config FILE --once` looks once and prints what it saw as JSON.
import { parseArgs } from 'node:util';
import { EXIT } from '../domain/failures.ts';
import { readConfiguration } from './configuration-file.ts';
import { exitTelling } from './failed-start.ts';
import { lookAround } from './witness-looks.ts';
import { watchOver } from './witness-loop.ts';

const { values } = parseArgs({ options: { config: { type: 'string' }, once: { type: 'boolean' } } });

try {
  const configuration = await readConfiguration(values.config ?? process.env.HOLDFAST_CONFIG ?? 'holdfast.yaml');
  if (values.once === true) {
    const seen = JSON.stringify(await lookAround(configuration));
    process.stdout.write(`${seen}\n`, () => process.exit(EXIT.done)); // What is silent may hold connections open.
  } else {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => process.exit(EXIT.done));
    // Without the command that started it nobody plans, and the next one would look beside it.
    process.once('disconnect', () => process.exit(EXIT.failed));
    await watchOver(configuration);
  }
} catch (error) {
  exitTelling(error);
}
