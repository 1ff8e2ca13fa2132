// Answers one read-only question without Temporal, for the day when there is none:
// `node workers/ask.ts --config FILE --site NAME --question JSON` prints the answer as JSON, or ends with the exit status
// of a failure and prints that as JSON (`AskFailure`).
import { parseArgs } from 'node:util';
import { asFailure } from '../activities/shared/activity-boundary.ts';
import { type AskFailure, callFor, type Question } from '../domain/contracts/questions.ts';
import { EXIT, FAILURES, Failure } from '../domain/failures.ts';
import { readConfiguration } from './configuration-file.ts';
import { buildControl, buildRepository, buildSystems } from './wiring.ts';

const { values } = parseArgs({
  options: { config: { type: 'string' }, site: { type: 'string' }, question: { type: 'string' } },
});

try {
  process.stdout.write(`${JSON.stringify(await answer())}\n`);
  process.exitCode = EXIT.done;
} catch (error) {
  const { code, message, details } = asFailure(error);
  process.stdout.write(`${JSON.stringify({ failure: { code, message, details } } satisfies AskFailure)}\n`);
  process.exitCode = FAILURES[code].exit;
}

async function answer(): Promise<unknown> {
  const configuration = await readConfiguration(values.config ?? process.env.HOLDFAST_CONFIG ?? 'holdfast.yaml');
  const site = values.site ?? configuration.activeSite;
  const { activity, input } = callFor(JSON.parse(values.question ?? 'null') as Question, {
    site,
    run: 'without-temporal',
  });
  const [room = '', verb = ''] = activity.split('.');
  const repository = buildRepository(configuration);
  const rooms: Record<string, object> = {
    repository: repository.activities,
    ...buildControl(configuration, repository),
    ...buildSystems(configuration, site, repository),
  };
  const functions = rooms[room] as Record<string, (input: unknown) => Promise<unknown>> | undefined;
  const work = functions?.[verb];
  if (work === undefined) throw new Failure('USAGE', `site '${site}' cannot answer '${activity}'`);
  return work(input);
}
