// What a person may say to a waiting step, and the failures a workflow throws itself.
import { ApplicationFailure } from '@temporalio/workflow';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import {
  describeFailure,
  Failure,
  type FailureCode,
  type FailureDetails,
  isFailureCode,
} from '../../domain/failures.ts';
import type { OperatorQuestion } from '../../domain/run-state.ts';
import type { StepDecision } from '../messages.ts';

/** Rejects a decision that does not fit, before it reaches the history. Must stay synchronous: an async one rejects nothing. */
export function checkDecision(
  decision: StepDecision,
  questions: ReadonlyMap<string, OperatorQuestion>,
  answers: ReadonlyMap<string, StepDecision>,
): void {
  const question = questions.get(decision?.step);
  if (questions.size === 0) throw refuse('USAGE', 'no step waits for a decision');
  if (question === undefined) throw refuse('USAGE', `the waiting step is '${[...questions.keys()].join("', '")}'`);
  if (answers.has(decision.step)) throw refuse('USAGE', `step '${decision.step}' has been answered already`);
  // A plan is approved by its digest and the platform's name, never by a mere word.
  const actions = question.actions.filter((action) => action !== 'approve');
  if (!(actions as readonly string[]).includes(decision.action)) {
    throw refuse('USAGE', `step '${decision.step}' takes ${actions.join(', ')}, not '${decision.action}'`);
  }
  if (!decision.reason?.trim()) throw refuse('USAGE', 'a decision needs a reason: it is written to the audit log');
}

/** @throws the first finding that failed, under its own code where that is in the table, else as STORE_UNFIT. */
export function requireFit(findings: readonly Finding[]): void {
  const failed = findings.find(({ level }) => level === 'failed');
  if (failed === undefined) return;
  const { subject, message, mend } = failed;
  const code = isFailureCode(failed.code) ? failed.code : 'STORE_UNFIT';
  throw refuse(code, `${subject}: ${message}`, mend === undefined ? {} : { mend });
}

/** A pure decision made in a workflow: its refusal ends the run instead of its task, which would be tried for ever. */
export function decided<T>(decide: () => T): T {
  try {
    return decide();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw refuse(error.code, error.message, error.details);
  }
}

/** A failure of the workflow's own, in the same form as an activity's. */
export function refuse(
  code: FailureCode,
  what: string,
  details: FailureDetails = {},
  cause?: unknown,
  result?: unknown,
): ApplicationFailure {
  return ApplicationFailure.create({
    type: code,
    message: describeFailure(code, what, details),
    nonRetryable: true,
    details: [{ whatHappened: what, ...details, ...(result === undefined ? {} : { result }) }],
    ...(cause instanceof Error ? { cause } : {}),
  });
}
