// Runs as a patient operator has them: started whatever is down just now, approved, answered with "retry", followed to
// their end through every restart.
import { setTimeout as wait } from 'node:timers/promises';
import { WorkflowExecutionAlreadyStartedError, type WorkflowHandle } from '@temporalio/client';
import { wireFailureOf } from '../../domain/wire-failure.ts';
import { within } from '../../local/within.ts';
import { approvePlan, resolveStep, runState } from '../../workflows/messages.ts';
import type { Harness } from '../integration/harness.ts';

const LOOK_EVERY_MS = 500;
const RETRIES_OF_A_STEP = 30;
const LONGEST_MS = 20 * 60_000;

export interface EndedRun<T> {
  readonly id: string;
  readonly seconds: number;
  /** Times the operator answered `retry`. */
  readonly answers: number;
  readonly result: T | null;
  readonly failure: { readonly code: string; readonly message: string } | null;
}

/** Starts a run and follows it to its end. @throws {Error} when it does not end within twenty minutes. */
export async function runToEnd<T>(harness: Harness, type: string, id: string, input: object): Promise<EndedRun<T>> {
  const startedAt = Date.now();
  const handle = await started(harness, type, id, input);
  const answers = new Map<string, number>();
  for (; Date.now() - startedAt < LONGEST_MS; await wait(LOOK_EVERY_MS)) {
    const status = await quietly(() => handle.describe());
    if (status === null) continue;
    if (status.status.name === 'RUNNING') {
      await quietly(() => answer(harness, handle, answers));
      continue;
    }
    const end = await quietly(() => endOf<T>(handle));
    if (end === null) continue;
    const total = [...answers.values()].reduce((sum, count) => sum + count, 0);
    return { id, seconds: (Date.now() - startedAt) / 1000, answers: total, ...end };
  }
  throw new Error(`run ${id} (${type}) did not end within ${LONGEST_MS / 60_000} minutes`);
}

// Its id is the lock: a start whose answer was lost has begun, and is not begun again.
async function started(harness: Harness, type: string, id: string, input: object): Promise<WorkflowHandle> {
  for (const deadline = Date.now() + LONGEST_MS; ; await wait(LOOK_EVERY_MS)) {
    try {
      return await harness.start(type, id, input);
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return harness.client.workflow.getHandle(id);
      if (Date.now() > deadline) throw error;
    }
  }
}

async function answer(harness: Harness, handle: WorkflowHandle, answers: Map<string, number>): Promise<void> {
  const { questions, plan } = await within(10_000, handle.query(runState));
  for (const { step, actions } of questions) {
    if (actions.includes('approve') && plan !== null) {
      const { digest } = plan;
      const approval = { digest, platform: harness.context.platform, person: 'soak' };
      await within(10_000, handle.executeUpdate(approvePlan, { args: [approval] }));
      continue;
    }
    const count = (answers.get(step) ?? 0) + 1;
    answers.set(step, count);
    const action = count > RETRIES_OF_A_STEP ? 'abort' : 'retry';
    const decision = { step, action, reason: 'the soak goes on', person: 'soak' } as const;
    await within(10_000, handle.executeUpdate(resolveStep, { args: [decision] }));
  }
}

async function endOf<T>(handle: WorkflowHandle): Promise<Pick<EndedRun<T>, 'result' | 'failure'>> {
  try {
    return { result: (await handle.result()) as T, failure: null };
  } catch (error) {
    if ((error as Error).name !== 'WorkflowFailedError') throw error;
    const { code, message } = wireFailureOf((error as Error).cause);
    return { result: null, failure: { code, message } };
  }
}

/** Null when there was no answer: a server is down just now, and the next look comes soon. */
async function quietly<T>(work: () => Promise<T>): Promise<T | null> {
  return work().catch(() => null);
}
