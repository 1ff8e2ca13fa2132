// A run that a schedule started must not meet the next one: it gives up in time, undoes and fails loudly.
import { CancellationScope, isCancellation } from '@temporalio/workflow';
import { formatSeconds } from '../../domain/quantities.ts';
import type { RunContext } from '../messages.ts';
import { refuse } from './decisions.ts';

/** Runs `work` within the run's limit, if it has one. @throws OUT_OF_TIME after `work` was cancelled and has ended. */
export async function withinLimit<T>({ limitSeconds }: RunContext, work: () => Promise<T>): Promise<T> {
  if (limitSeconds === undefined) return work();
  try {
    return await CancellationScope.withTimeout(limitSeconds * 1000, work);
  } catch (error) {
    const isOurs = isCancellation(error) && !CancellationScope.current().consideredCancelled;
    if (!isOurs) throw error;
    throw refuse('OUT_OF_TIME', `the run did not end within ${formatSeconds(limitSeconds)}`, {}, error);
  }
}
