// What a test waits for: how a run failed, and what it asks a person.
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { expect } from 'vitest';
import { type WireFailure, wireFailureOf } from '../../domain/wire-failure.ts';
import { runState } from '../../workflows/messages.ts';

/** The failure that a run ended with. @throws when it succeeded. */
export function failureOf(promise: Promise<unknown>): Promise<WireFailure> {
  return promise.then(
    () => {
      throw new Error('it succeeded');
    },
    (error: unknown) => {
      expect(error).toBeInstanceOf(WorkflowFailedError);
      return wireFailureOf(error);
    },
  );
}

export async function waitForQuestion(handle: WorkflowHandle, step: string): Promise<void> {
  await expect
    .poll(async () => (await handle.query(runState)).questions.map((question) => question.step), { timeout: 60_000 })
    .toEqual([step]);
}
