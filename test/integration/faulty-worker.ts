// A worker as production starts it, whose every activity asks the test before it begins and after its effect whether it
// may go on: `node faulty-worker.ts --config FILE --director URL --site NAME…`. There the test strikes. Production knows
// none of this.
import { AsyncLocalStorage } from 'node:async_hooks';
import childProcess, { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { ApplicationFailure, Context } from '@temporalio/activity';
import { Failure } from '../../domain/failures.ts';
import { readConfiguration } from '../../workers/configuration-file.ts';
import { runWorkers } from '../../workers/run-workers.ts';
import { CONTROL_QUEUE, siteQueue } from '../../workflows/messages.ts';
import type { Answer, Boundary } from './director.ts';

const { values } = parseArgs({
  options: { config: { type: 'string' }, director: { type: 'string' }, site: { type: 'string', multiple: true } },
});

const armed = new AsyncLocalStorage<{ killed: boolean }>();
killFirstChildOfArmed();
const configuration = await readConfiguration(values.config ?? '');
const queues = [CONTROL_QUEUE, ...(values.site ?? [configuration.activeSite]).map(siteQueue)];
await runWorkers(configuration, queues, {
  ...(values.config === undefined ? {} : { file: values.config }),
  around: (name, work) => (input) => between(name, work, input),
});
process.exit(0);

type Work = (input: unknown) => Promise<unknown>;

async function between(activity: string, work: Work, input: unknown): Promise<unknown> {
  const before = await ask({ ...boundaryOf(activity, input), when: 'before', childKilled: false });
  const fate = { killed: false };
  const doing = before === 'kill a child' ? armed.run(fate, () => work(input)) : work(input);
  const result = await doing.catch(async (error) => {
    const code = error instanceof Failure ? error.code : String(error);
    await ask({ ...boundaryOf(activity, input), when: 'failed', childKilled: fate.killed, code });
    throw error;
  });
  const after = await ask({ ...boundaryOf(activity, input), when: 'after', childKilled: fate.killed });
  if (after !== 'lose the answer') return result;
  const message = 'the worker did its work, and its answer was lost';
  throw ApplicationFailure.create({ type: 'ANSWER_LOST', message, nextRetryDelay: '100ms' });
}

function boundaryOf(activity: string, input: unknown): Omit<Boundary, 'when' | 'childKilled'> {
  const { workflowExecution, attempt } = Context.current().info;
  const { stepId, tier, phase, act } = (input ?? {}) as Record<string, unknown>;
  const detail = [stepId, tier, phase, act].find((one) => typeof one === 'string') as string | undefined;
  return {
    activity: detail === undefined ? activity : `${activity}:${detail}`,
    attempt,
    workflowId: workflowExecution?.workflowId ?? '',
  };
}

/** Waits for the test's word, within the activity: its heartbeats go on, and stop when the worker is frozen. */
async function ask(boundary: Boundary): Promise<Answer> {
  const asking = request(values.director ?? '', { method: 'POST' });
  asking.end(JSON.stringify(boundary));
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  return (await text(response)) as Answer;
}

// Every room starts children by `spawn` of `node:child_process`: the first one of an armed activity is killed at once.
function killFirstChildOfArmed(): void {
  const { spawn } = childProcess;
  const spawnAndStrike = (...args: Parameters<typeof spawn>): ChildProcess => {
    const child = spawn(...args);
    const fate = armed.getStore();
    if (fate && !fate.killed) fate.killed = child.kill('SIGKILL');
    return child;
  };
  childProcess.spawn = spawnAndStrike as typeof spawn;
  syncBuiltinESMExports();
}
