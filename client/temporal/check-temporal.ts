// Is Temporal there, does it know our search attributes, and does a worker poll each queue?
import type { Configuration } from '../../domain/configuration/schema.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { describeFailure, Failure } from '../../domain/failures.ts';
import { CONTROL_QUEUE, SEARCH_ATTRIBUTES, siteQueue } from '../../workflows/messages.ts';
import { connectTemporal, type Temporal } from './connection.ts';
import { pollersOf } from './workers.ts';

/** What `dr doctor` says about Temporal; never throws for its absence. */
export async function checkTemporal(configuration: Configuration, site: string): Promise<readonly Finding[]> {
  try {
    const temporal = await connectTemporal(configuration);
    try {
      return [await checkServer(temporal), await checkAttributes(temporal), ...(await checkQueues(temporal, site))];
    } finally {
      await temporal.close();
    }
  } catch (error) {
    const failure = error instanceof Failure ? error : new Failure('NO_TEMPORAL', String(error), {}, error);
    const message = describeFailure(failure.code, failure.message, failure.details);
    return [
      {
        level: 'failed',
        subject: 'server',
        message,
        code: failure.code,
        mend: 'temporal server start-dev --db-filename temporal.db',
      },
    ];
  }
}

async function checkServer(temporal: Temporal): Promise<Finding> {
  const { serverVersion } = await temporal.ask(() => temporal.connection.workflowService.getSystemInfo({}));
  const message = `${serverVersion} at ${temporal.address}, namespace '${temporal.namespace}'`;
  return { level: 'ok', subject: 'server', message, code: null };
}

async function checkAttributes(temporal: Temporal): Promise<Finding> {
  const { namespace } = temporal;
  const { customAttributes } = await temporal.ask(() =>
    temporal.connection.operatorService.listSearchAttributes({ namespace }),
  );
  const wanted = Object.values(SEARCH_ATTRIBUTES).map(({ name }) => name);
  const missing = wanted.filter((name) => !Object.hasOwn(customAttributes ?? {}, name));
  if (missing.length === 0)
    return { level: 'ok', subject: 'search attributes', message: wanted.join(', '), code: null };
  const mend = missing
    .map((name) => `temporal operator search-attribute create --name ${name} --type Keyword`)
    .join(' && ');
  const message = `not registered: ${missing.join(', ')}; no run can be started`;
  return { level: 'failed', subject: 'search attributes', message, code: 'NO_TEMPORAL', mend };
}

function checkQueues(temporal: Temporal, site: string): Promise<Finding[]> {
  return Promise.all(
    [CONTROL_QUEUE, siteQueue(site)].map(async (queue): Promise<Finding> => {
      const { workers } = await pollersOf(temporal, queue);
      const subject = `queue ${queue}`;
      if (workers.length > 0) return { level: 'ok', subject, message: `polled by ${workers.join(', ')}`, code: null };
      const mend = `dr worker --queue ${queue}`;
      return { level: 'warning', subject, message: 'no worker polls it: runs would wait', code: 'NO_WORKER', mend };
    }),
  );
}
