// Wraps a folder's functions as Temporal activities: heartbeats on a timer, cancellation as a signal, and one
// translation of errors, so that the Web UI, the workflow and the CLI see the same code and words.
import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';
import { describeFailure, FAILURES, Failure } from '../../domain/failures.ts';
import { type ActivityScope, currentSignal, withScope } from './activity-context.ts';

// biome-ignore lint/suspicious/noExplicitAny: a function of any shape is wrapped without changing its shape.
type AnyActivity = (...args: any[]) => Promise<unknown>;

/** What another composition root puts around an activity's function. */
export type Around = (name: string, work: AnyActivity) => AnyActivity;

/** Names every function `<prefix>.<verb>` and wraps it. */
export function asActivities(
  prefix: string,
  functions: object,
  around: Around = (_, work) => work,
): Record<string, AnyActivity> {
  const entries = Object.entries(functions) as [string, AnyActivity][];
  const named = entries.map(([verb, work]) => [`${prefix}.${verb}`, work] as const);
  return Object.fromEntries(named.map(([name, work]) => [name, asActivity(around(name, work))]));
}

function asActivity(work: AnyActivity): AnyActivity {
  return async (...args) => {
    const context = Context.current();
    const pulse = new Pulse(context.info.heartbeatTimeoutMs);
    const outer = currentSignal();
    const scope: ActivityScope = {
      signal: outer ? AbortSignal.any([context.cancellationSignal, outer]) : context.cancellationSignal,
      progress: null,
      requireCurrent: () => pulse.requireRegular(),
    };
    const every = Math.min((context.info.heartbeatTimeoutMs ?? 15_000) / 3, 2000);
    const beat = setInterval(() => {
      if (pulse.isRegular()) context.heartbeat(scope.progress);
    }, every);
    try {
      return await withScope(scope, () => work(...args));
    } catch (error) {
      throw translateError(error, scope.signal);
    } finally {
      clearInterval(beat);
    }
  };
}

// A process that was frozen (suspended machine, SIGSTOP, swapping) finds out by the gap between two heartbeats. Its attempt
// counts as lost a little before the server gives it up, so that the two clocks may differ.
class Pulse {
  readonly #mostMs: number;
  #lastMs = performance.now();
  #isLost = false;

  constructor(heartbeatTimeoutMs: number | undefined) {
    this.#mostMs = (heartbeatTimeoutMs ?? Number.POSITIVE_INFINITY) * 0.8;
  }

  /** Beats, unless the last beat was too long ago: from then on the attempt is lost for good. */
  isRegular(): boolean {
    this.#isLost ||= performance.now() - this.#lastMs > this.#mostMs;
    if (!this.#isLost) this.#lastMs = performance.now();
    return !this.#isLost;
  }

  requireRegular(): void {
    this.#isLost ||= performance.now() - this.#lastMs > this.#mostMs;
    if (this.#isLost)
      throw new Failure('ATTEMPT_STALE', 'this worker stood still, and another attempt may be doing its work');
  }
}

/** What the worker must throw for `error`: the cancellation's own reason, or the failure in three lines. */
export function translateError(error: unknown, signal?: AbortSignal): Error {
  // An AbortError out of an activity would be taken for a cancellation nobody asked for: the signal knows the reason.
  if (signal?.aborted)
    return signal.reason instanceof Error ? signal.reason : new CancelledFailure(String(signal.reason));
  if (error instanceof CancelledFailure || error instanceof ApplicationFailure) return error;
  const failure = asFailure(error);
  return ApplicationFailure.create({
    type: failure.code,
    message: describeFailure(failure.code, failure.message, failure.details),
    nonRetryable: !FAILURES[failure.code].retryable,
    details: [{ whatHappened: failure.message, ...failure.details }],
    ...(failure.cause instanceof Error ? { cause: failure.cause } : {}),
  });
}

const forbidden = (error: NodeJS.ErrnoException): Failure => {
  const what = `${error.syscall ?? 'use'} '${error.path ?? 'a file'}'`;
  return new Failure('ACCESS_DENIED', `this worker may not ${what} (${error.code})`, { need: `it may ${what}` }, error);
};

const SYSTEM_ERRORS: Record<string, (error: NodeJS.ErrnoException) => Failure> = {
  ENOSPC: (error) =>
    new Failure(
      'NO_SPACE',
      `no space left while writing '${error.path ?? 'a file'}'`,
      { path: error.path ?? 'the disk', needBytes: 'more' },
      error,
    ),
  EDQUOT: (error) =>
    new Failure(
      'NO_SPACE',
      `quota reached while writing '${error.path ?? 'a file'}'`,
      { path: error.path ?? 'the disk', needBytes: 'more' },
      error,
    ),
  EACCES: forbidden,
  EPERM: forbidden,
  EROFS: forbidden,
  ECONNREFUSED: (error) => new Failure('STORE_UNREACHABLE', `connection refused: ${error.message}`, {}, error),
  ETIMEDOUT: (error) => new Failure('STORE_UNREACHABLE', `no answer in time: ${error.message}`, {}, error),
  ENOTFOUND: (error) => new Failure('STORE_UNREACHABLE', `the name does not resolve: ${error.message}`, {}, error),
};

/** Any error as a failure of ours: the system's own codes where they say what it is, else BUG. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const known = SYSTEM_ERRORS[(error as NodeJS.ErrnoException)?.code ?? ''];
  if (known) return known(error as NodeJS.ErrnoException);
  return new Failure('BUG', error instanceof Error ? `${error.name}: ${error.message}` : String(error), {}, error);
}
