// What becomes of a run that failed.
import { CancellationScope, isCancellation, workflowInfo } from '@temporalio/workflow';
import type { Outcome } from '../../domain/run-state.ts';
import { wireFailureOf } from '../../domain/wire-failure.ts';
import type { RunContext } from '../messages.ts';
import { closeUnfinished } from './closing.ts';
import { refuse } from './decisions.ts';
import type { Story, Undone } from './story.ts';

/** How a run ends after `error`, when its undo ended as `undone`; `hadUndo` is whether there was anything to undo. */
export function outcomeAfter(error: unknown, undone: Undone, hadUndo: boolean): Outcome {
  if (undone !== 'undone') return undone;
  if (isCancellation(error)) return 'cancelled';
  return hadUndo ? 'undone' : 'failed';
}

export interface GivenUp {
  /** What its audit records begin with, as `recovery`. */
  readonly act: string;
  /** What could not be undone when the undo fails, as `a member`. */
  readonly what: string;
  /** Done before the end is told. */
  readonly tidy?: (hadUndo: boolean) => Promise<unknown>;
}

/**
 * Undoes a run of the whole platform, ends its story and tells it.
 * @returns what to throw: the error itself, or UNDO_FAILED when the undo failed too.
 */
export async function giveUp(
  story: Story,
  context: RunContext,
  error: unknown,
  { act, what, tidy }: GivenUp,
): Promise<unknown> {
  const hadUndo = story.hasUndo;
  const undone = await story.undoAll(error);
  return CancellationScope.nonCancellable(async () => {
    await tidy?.(hadUndo);
    const outcome = outcomeAfter(error, undone, hadUndo);
    story.finish(outcome);
    await closeUnfinished(context, { act: `${act}.${outcome}`, subject: context.platform }, error);
    if (undone !== 'stuck') return error;
    const told = `${what} could not be undone after: ${wireFailureOf(error).message.split('\n', 1)[0]}`;
    return refuse('UNDO_FAILED', told, { run: workflowInfo().workflowId }, error);
  });
}
