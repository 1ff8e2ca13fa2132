// Answers one question that changes nothing, on the worker that knows.
import { workflowInfo } from '@temporalio/workflow';
import { callFor } from '../domain/contracts/questions.ts';
import { type AskInput, CONTROL_QUEUE, siteQueue } from './messages.ts';
import { call } from './support/activities.ts';

export async function ask(input: AskInput): Promise<unknown> {
  const {
    activity,
    where,
    input: argument,
  } = callFor(input.question, { site: input.site, run: workflowInfo().workflowId });
  return call(activity, where === 'control' ? CONTROL_QUEUE : siteQueue(input.site), argument);
}
