// The names of the run that is being told, the same on every replay and every retry.
import { workflowInfo } from '@temporalio/workflow';
import { runName } from '../../domain/run-names.ts';

/** Name of this run for folders and kept data, see `runName`. */
export function thisRun(): string {
  const { startTime, firstExecutionRunId } = workflowInfo();
  return runName(startTime.toISOString(), firstExecutionRunId);
}

/** `<workflow id>/<run id>`: what records outside of Temporal name this run by. */
export function thisExecution(): string {
  const { workflowId, runId } = workflowInfo();
  return `${workflowId}/${runId}`;
}
