// Failures cross Temporal as nested causes. This finds the one that says what happened.
import { describeFailure, type FailureCode, isFailureCode } from './failures.ts';

export interface WireFailure {
  readonly code: FailureCode;
  /** The three lines, or what there is of them. */
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

interface Caused {
  readonly message?: string;
  readonly type?: string | null;
  readonly details?: readonly unknown[] | null;
  readonly cause?: unknown;
  readonly timeoutType?: string;
  readonly name?: string;
  readonly workflowId?: string;
}

/** The innermost failure of ours in a chain of causes; anything else is told as it is, under the code BUG. */
export function wireFailureOf(error: unknown): WireFailure {
  const chain = causesOf(error);
  const ours = chain.find(({ type }) => isFailureCode(type));
  if (ours && isFailureCode(ours.type)) {
    return {
      code: ours.type,
      message: ours.message ?? ours.type,
      details: (ours.details?.[0] ?? {}) as WireFailure['details'],
    };
  }
  const running = chain.find(({ name }) => name === 'WorkflowExecutionAlreadyStartedError');
  if (running) return lockedBy(running.workflowId ?? 'the same');
  const timeout = chain.find(({ timeoutType }) => timeoutType !== undefined);
  if (timeout) return timedOut(String(timeout.timeoutType));
  return { code: 'BUG', message: chain.at(-1)?.message ?? String(error), details: {} };
}

// A run's id says what it works on: a child that is there already is another run's.
function lockedBy(run: string): WireFailure {
  const details = { run };
  return { code: 'LOCKED', message: describeFailure('LOCKED', `'${run}' is running already`, details), details };
}

function timedOut(kind: string): WireFailure {
  const lost =
    kind === 'HEARTBEAT' ? 'the worker that ran this step went silent' : 'no worker finished this step in time';
  return {
    code: 'NO_WORKER',
    message: `${lost} (${kind.toLowerCase().replaceAll('_', ' ')})\nMEANS: the step may have happened in part; it is safe to try it again\nDO: check that a worker runs, then retry the step`,
    details: {},
  };
}

function causesOf(error: unknown): Caused[] {
  const chain: Caused[] = [];
  for (let next = error; next !== undefined && next !== null && chain.length < 20; next = (next as Caused).cause) {
    chain.push(next as Caused);
  }
  return chain;
}
