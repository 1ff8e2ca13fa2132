// Questions that change nothing: through Temporal, or without it on a machine that has the configuration.
import { randomUUID } from 'node:crypto';
import { callFor, type Question } from '../../domain/contracts/questions.ts';
import { type AskInput, siteQueue } from '../../workflows/messages.ts';
import type { Call, OptionSpec } from '../command.ts';
import { type Loaded, loadConfiguration } from '../configuration-file.ts';
import { askProgram } from '../worker-program.ts';
import { connectTemporal } from './connection.ts';
import { runContext } from './platform.ts';
import { startRun } from './start.ts';

/** The option of every command that only asks. */
export const WITHOUT_TEMPORAL: OptionSpec = {
  flags: '--without-temporal',
  description: 'ask on this machine, which needs the configuration and its keys',
};

const ANSWER_MS = 120_000;

/** Asks, and returns the answer of the activity. @throws {Failure} what the activity throws, NO_TEMPORAL, NO_WORKER. */
export async function askQuestion<Answer>(call: Call, question: Question): Promise<Answer> {
  const loaded = await loadConfiguration(call);
  return (
    call.options.flag('withoutTemporal') ? await askHere(loaded, question) : await askRun(loaded, question)
  ) as Answer;
}

async function askRun(loaded: Loaded, question: Question): Promise<unknown> {
  const temporal = await connectTemporal(loaded.configuration);
  try {
    const input: AskInput = { ...runContext(loaded), question };
    const { where } = callFor(question, { site: loaded.site, run: '' });
    const run = await startRun(temporal, {
      workflow: 'ask',
      id: `ask/${input.platform}/${randomUUID()}`,
      input,
      summary: `Question: ${question.kind}`,
      queues: where === 'site' ? [siteQueue(loaded.site)] : [],
    });
    const handle = temporal.client.workflow.getHandle(run.id, run.runId);
    return await temporal.connection.withDeadline(Date.now() + ANSWER_MS, () => handle.result());
  } finally {
    await temporal.close();
  }
}

const askHere = ({ file, site }: Loaded, question: Question): Promise<unknown> =>
  askProgram('ask', ['--config', file, '--site', site, '--question', JSON.stringify(question)]);
