// Puts the journal around every activity that a takeover asks a worker for.
import type { Info } from '@temporalio/activity';
import { defaultPayloadConverter } from '@temporalio/common';
import type { ActivityExecuteInput, ActivityInterceptorsFactory } from '@temporalio/worker';
import { type Attempt, journalled } from '../activities/journal/journalled.ts';
import { JOURNAL_HEADER, type JournalNote } from '../domain/journal.ts';

/** For a worker that Temporal gives its work. */
export const journalInterceptor =
  (witnessDirectory: string): ActivityInterceptorsFactory =>
  ({ info }) => ({
    inbound: {
      execute: async (input, next) => {
        const note = noteOf(input);
        if (note === null) return next(input);
        return journalled({ witnessDirectory, executor: 0 }, note, attemptOf(info, input), () => next(input));
      },
    },
  });

/** What the workflow says with this call; null when it is no part of a takeover. */
export function noteOf({ headers }: Pick<ActivityExecuteInput, 'headers'>): JournalNote | null {
  const payload = headers[JOURNAL_HEADER];
  return payload === undefined ? null : defaultPayloadConverter.fromPayload<JournalNote>(payload);
}

function attemptOf(info: Info, { args }: ActivityExecuteInput): Attempt {
  const { workflowExecution, activityId, activityType, attempt, retryPolicy } = info;
  return {
    workflow: workflowExecution?.workflowId ?? '',
    workflowRun: workflowExecution?.runId ?? '',
    call: Number(activityId),
    activity: activityType,
    input: args[0],
    isLast: attempt >= (retryPolicy?.maximumAttempts ?? Number.POSITIVE_INFINITY),
  };
}
