// Starting runs by name, with an id that says what they work on and is therefore also the lock.
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { Failure } from '../../domain/failures.ts';
import type { SystemName } from '../../domain/systems.ts';
import { CONTROL_QUEUE, type RunContext, SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';
import { timeText } from '../output/human.ts';
import { type Temporal, webLink } from './connection.ts';
import { requireWorkers } from './workers.ts';

export interface RunSpec<Input extends RunContext> {
  readonly workflow: string;
  readonly id: string;
  readonly input: Input;
  /** One line for the Web UI. */
  readonly summary: string;
  readonly system?: SystemName;
  /** A run of this id must not go on. */
  readonly notBeside?: string;
  /** Queues that the run needs beside `control`. */
  readonly queues: readonly string[];
}

export interface Run {
  readonly id: string;
  readonly runId: string;
  readonly link: string;
}

// Temporal takes 2 MiB for one payload; the rest is room for what it wraps around it.
const MOST_INPUT_BYTES = 1_900_000;

/** Starts a run. @throws {Failure} USAGE, NO_WORKER, NO_TEMPORAL, LOCKED naming the run that is in the way. */
export async function startRun<Input extends RunContext>(temporal: Temporal, spec: RunSpec<Input>): Promise<Run> {
  requireFits(spec);
  await requireWorkers(temporal, [CONTROL_QUEUE, ...spec.queues]);
  const { id, input, notBeside } = spec;
  if (notBeside !== undefined && (await isRunning(temporal, notBeside)))
    throw await locked(temporal, notBeside, input.platform);
  try {
    const handle = await temporal.ask(() => temporal.client.workflow.start(spec.workflow, startOptions(spec)));
    const runId = handle.firstExecutionRunId;
    return { id, runId, link: webLink(temporal, id, runId) };
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) throw await locked(temporal, id, input.platform);
    throw error;
  }
}

function requireFits({ id, input }: RunSpec<RunContext>): void {
  const bytes = Buffer.byteLength(JSON.stringify(input));
  if (bytes <= MOST_INPUT_BYTES) return;
  const what = `'${id}' was asked for with ${bytes} bytes, and a run takes ${MOST_INPUT_BYTES}`;
  throw new Failure('USAGE', what, { mend: 'name fewer parts, or a pattern that covers them' });
}

/** Options of a start; schedules use the same summary and search attributes. */
export function startOptions<Input extends RunContext>(spec: RunSpec<Input>) {
  const { id, input, summary } = spec;
  return {
    workflowId: id,
    taskQueue: CONTROL_QUEUE,
    args: [input] as [Input],
    workflowIdConflictPolicy: 'FAIL' as const,
    staticSummary: summary,
    staticDetails: `Requested by ${input.requestedBy} for site ${input.site}.`,
    memo: { requestedBy: input.requestedBy },
    typedSearchAttributes: attributesOf(spec),
  };
}

/** The search attributes a run is found by. */
export function attributesOf({ input, system }: Pick<RunSpec<RunContext>, 'input' | 'system'>) {
  const { platform, site } = input;
  return [
    { key: SEARCH_ATTRIBUTES.platform, value: platform },
    { key: SEARCH_ATTRIBUTES.site, value: site },
    ...(system === undefined ? [] : [{ key: SEARCH_ATTRIBUTES.system, value: system }]),
  ];
}

async function isRunning(temporal: Temporal, id: string): Promise<boolean> {
  try {
    return (await temporal.ask(() => temporal.client.workflow.getHandle(id).describe())).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof Failure && error.code === 'RUN_NOT_FOUND') return false;
    throw error;
  }
}

async function locked(temporal: Temporal, id: string, platform: string): Promise<Failure> {
  const running = await temporal.ask(() => temporal.client.workflow.getHandle(id).describe());
  const who = running.memo?.requestedBy ?? 'another run';
  const since = timeText(running.startTime.toISOString());
  return new Failure('LOCKED', `'${id}' has been running since ${since} for ${String(who)}`, { run: id, platform });
}
