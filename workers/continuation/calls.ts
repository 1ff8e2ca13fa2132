// The activities of a run that goes on without Temporal: what the journal knows is answered from it, everything else is done
// in this process, tried again as Temporal would, and written to the journal under this executor's number.
import { setTimeout as wait } from 'node:timers/promises';
import { asyncLocalStorage, Context, type Info } from '@temporalio/activity';
import { ApplicationFailure, defaultPayloadConverter, noopMetricMeter, type Payload } from '@temporalio/common';
import { tsToMs } from '@temporalio/common/lib/time.js';
import { DefaultLogger } from '@temporalio/worker';
import { type Attempt, digestOf, journalled, type Place } from '../../activities/journal/journalled.ts';
import { Failure } from '../../domain/failures.ts';
import type { StepEnd } from '../../domain/journal.ts';
import type { JournalReplay } from '../../domain/journal-replay.ts';
import { noteOf } from '../journal-interceptor.ts';
import type { Activities } from '../wiring.ts';
import { completedWith, type Ending, failedWith, failureOf } from './endings.ts';
import type { Caller } from './engine.ts';
import type { ActivityCommand } from './execution.ts';
import type { Birth } from './sandbox.ts';

export interface LiveCalls {
  readonly place: Place;
  activitiesOf(queue: string): Promise<Activities>;
  /** Called when a run that was being taken back asks for something that it did not ask for then. */
  takeBack(): void;
}

/** Answers from the journal, and does the rest; with `live` null the rest is never answered. */
export function callerOver(replay: JournalReplay, live: LiveCalls | null): Caller {
  return async (birth, command, signal) => {
    const [activity, input] = [command.activityType ?? '', inputOf(command)];
    const known = replay.answer({ workflowRun: birth.runId, activity, digest: digestOf(input) });
    if (known !== null) return recorded(command, known);
    if (live === null) return untilCancelled(command, signal);
    if (!replay.wasCancelled(birth.runId)) return carryOut(live, birth, command, signal);
    live.takeBack();
    return untilCancelled(command, signal);
  };
}

const inputOf = ({ arguments: given }: ActivityCommand): unknown =>
  defaultPayloadConverter.fromPayload((given ?? [])[0] as Payload);

function recorded(command: ActivityCommand, end: StepEnd): Ending {
  if (end.kind === 'done') return completedWith(end.result);
  const { type, message, details } = end.failure;
  return failed(command, ApplicationFailure.create({ type, message, details: [...details], nonRetryable: true }));
}

function failed({ activityType, activityId }: ActivityCommand, error: unknown): Ending {
  return failedWith(failureOf(error), 'Activity task failed', {
    activityFailureInfo: { activityType: { name: activityType ?? '' }, activityId: activityId ?? '' },
  });
}

function untilCancelled(command: ActivityCommand, signal: AbortSignal): Promise<Ending> {
  return new Promise((resolve) => {
    const end = () => resolve(failed(command, signal.reason));
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

async function carryOut(live: LiveCalls, birth: Birth, command: ActivityCommand, signal: AbortSignal): Promise<Ending> {
  const policy = policyOf(command);
  const deadline = Date.now() + policy.allMs;
  for (let attempt = 1; ; attempt += 1) {
    const isLast = attempt >= policy.attempts;
    try {
      return completedWith(await once(live, birth, command, { attempt, isLast, signal, limitMs: policy.onceMs }));
    } catch (error) {
      const pauseMs = policy.pauseMs(attempt);
      const isFinal = isLast || Date.now() + pauseMs > deadline;
      if (signal.aborted || isFinal || isPermanent(error)) return failed(command, error);
      await wait(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

const isPermanent = (error: unknown): boolean => error instanceof ApplicationFailure && error.nonRetryable === true;

// As the stories' profiles give it; what they leave out is as the server has it.
function policyOf({ retryPolicy, startToCloseTimeout, scheduleToCloseTimeout }: ActivityCommand) {
  const { initialInterval, backoffCoefficient, maximumInterval, maximumAttempts } = retryPolicy ?? {};
  const first = initialInterval ? tsToMs(initialInterval) : 1000;
  const most = maximumInterval ? tsToMs(maximumInterval) : first * 100;
  const limit = (timeout: Parameters<typeof tsToMs>[0]) => (timeout && tsToMs(timeout)) || Number.POSITIVE_INFINITY;
  return {
    attempts: maximumAttempts || Number.POSITIVE_INFINITY,
    onceMs: limit(startToCloseTimeout),
    allMs: limit(scheduleToCloseTimeout),
    pauseMs: (attempt: number) => Math.min(first * (backoffCoefficient || 2) ** (attempt - 1), most),
  };
}

interface Try {
  readonly attempt: number;
  readonly isLast: boolean;
  readonly signal: AbortSignal;
  readonly limitMs: number;
}

async function once(live: LiveCalls, birth: Birth, command: ActivityCommand, how: Try): Promise<unknown> {
  const note = noteOf({ headers: (command.headers ?? {}) as Record<string, Payload> });
  const work = (await live.activitiesOf(command.taskQueue ?? ''))[command.activityType ?? ''];
  if (work === undefined) throw new Failure('BUG', `nothing here does '${command.activityType}'`);
  if (note === null) throw new Failure('BUG', `'${command.activityType}' belongs to no takeover`);
  const late = new AbortController();
  const timer = Number.isFinite(how.limitMs) ? setTimeout(() => late.abort(tooLate(command)), how.limitMs) : undefined;
  const context = contextOf(birth, command, how.attempt, AbortSignal.any([how.signal, late.signal]));
  const attempt = attemptOf(birth, command, how.isLast);
  try {
    return await asyncLocalStorage.run(context, () => journalled(live.place, note, attempt, () => work(attempt.input)));
  } finally {
    clearTimeout(timer);
  }
}

const tooLate = ({ activityType }: ActivityCommand): Error =>
  ApplicationFailure.retryable(`'${activityType}' did not end within its time`, 'STORE_UNREACHABLE');

function attemptOf({ workflow, runId: workflowRun }: Birth, command: ActivityCommand, isLast: boolean): Attempt {
  const { activityId, activityType } = command;
  const input = inputOf(command);
  return { workflow, workflowRun, call: Number(activityId), activity: activityType ?? '', input, isLast };
}

const QUIET = new DefaultLogger('ERROR', () => undefined);

function contextOf(birth: Birth, command: ActivityCommand, attempt: number, signal: AbortSignal): Context {
  const { workflow: workflowId, runId } = birth;
  const cancelled = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  cancelled.catch(() => undefined); // Nobody has to wait for it.
  const heartbeatTimeoutMs = command.heartbeatTimeout ? tsToMs(command.heartbeatTimeout) : undefined;
  const info = {
    ...{ activityId: command.activityId, activityType: command.activityType, attempt, isLocal: false },
    ...{ workflowExecution: { workflowId, runId }, taskQueue: command.taskQueue, heartbeatTimeoutMs },
  } as Info;
  return new Context(info, cancelled, signal, () => undefined, undefined, QUIET, noopMetricMeter, {});
}
