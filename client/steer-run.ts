// Answering a waiting step from the command line, and stopping a run with its undo.
import { EXIT, Failure } from '../domain/failures.ts';
import type { RunState } from '../domain/run-state.ts';
import type { Call } from './command.ts';
import { confirmPlatform } from './confirm.ts';
import { visible } from './output/human.ts';
import { decide } from './temporal/decide.ts';
import { findRun } from './temporal/find-run.ts';
import { stateOf } from './temporal/observe.ts';
import { type Platform, withPlatform } from './temporal/platform.ts';
import type { Run } from './temporal/start.ts';

/** `dr runs go|retry|skip RUN STEP --reason …` */
export function answerStep(call: Call, action: 'go' | 'retry' | 'skip'): Promise<number> {
  const reason = requireReason(call);
  const input = correctedInput(call);
  return withPlatform(call, async (platform) => {
    const [name = '', step = ''] = call.args;
    const run = await findRun(platform.temporal, name);
    const corrected = Object.keys(input).length === 0 ? {} : { input };
    await decide(platform.temporal, run.id, { step, action, reason, ...corrected });
    const words = `${action} of '${visible(step)}' was accepted; watch it with 'dr runs watch ${run.id}'`;
    call.output.answer(words, { run: run.id, step, action });
    return EXIT.done;
  });
}

function correctedInput(call: Call): Record<string, string> {
  const pairs = call.options.list('input').map((word): [string, string] => {
    const at = word.indexOf('=');
    if (at < 1) throw new Failure('USAGE', `'${word}' is not NAME=VALUE`);
    return [word.slice(0, at), word.slice(at + 1)];
  });
  return Object.fromEntries(pairs);
}

function requireReason(call: Call): string {
  const reason = call.options.text('reason')?.trim();
  if (reason) return reason;
  throw new Failure('USAGE', "a reason is needed: give --reason '…'; it is kept in the audit log");
}

/** `dr runs abort RUN [STEP] --reason …`: the waiting step is answered, or the run is cancelled; both undo. */
export function abortRun(call: Call): Promise<number> {
  const reason = requireReason(call);
  return withPlatform(call, async (platform) => {
    const [name = '', named] = call.args;
    const run = await findRun(platform.temporal, name);
    const state = await stateOf(platform.temporal, run.id, run.runId);
    call.output.note(undoText(run, state));
    await confirmPlatform(call, platform.configuration.platform, 'aborting');
    const step = named ?? state?.questions[0]?.step;
    if (step === undefined) await cancel(platform, run);
    else await decide(platform.temporal, run.id, { step, action: 'abort', reason });
    const words = `${run.id} stops; watch the undoing with 'dr runs watch ${run.id}'`;
    call.output.answer(words, { run: run.id, step: step ?? null, action: 'abort' });
    return EXIT.done;
  });
}

const cancel = ({ temporal }: Platform, { id, runId }: Run): Promise<unknown> =>
  temporal.ask(() => temporal.client.workflow.getHandle(id, runId).cancel());

/** What aborting will do, as far as the run can say. */
export function undoText({ id }: Pick<Run, 'id'>, state: RunState | null): string {
  if (state === null)
    return `no worker answers for ${id}: it stops and undoes what it has done when one is there again`;
  if (state.outcome !== null) return `${id} has ended already (${state.outcome})`;
  const begun = state.steps.filter(({ status }) => status !== 'pending' && status !== 'skipped');
  const lines = begun.map(({ title }) => `  ${visible(title)}`).reverse();
  return [`aborting ${id} undoes what it has done where there is something to undo, last step first:`, ...lines].join(
    '\n',
  );
}
