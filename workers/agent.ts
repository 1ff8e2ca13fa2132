// A site's agent: starts the site's services once the epochs say that it is the active one, and stops them when a later
// epoch's fence is ordered. `dr agent` starts it, under a supervisor.
import { parseArgs } from 'node:util';
import { EXIT } from '../domain/failures.ts';
import { keepSite } from './agent-loop.ts';
import { readConfiguration } from './configuration-file.ts';
import { exitTelling } from './failed-start.ts';

const { values } = parseArgs({ options: { config: { type: 'string' }, site: { type: 'string' } } });

try {
  const configuration = await readConfiguration(values.config ?? process.env.HOLDFAST_CONFIG ?? 'holdfast.yaml');
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => process.exit(EXIT.done));
  // The next one would act beside it.
  process.once('disconnect', () => process.exit(EXIT.failed));
  await keepSite(configuration, values.site ?? configuration.activeSite);
} catch (error) {
  exitTelling(error);
}
