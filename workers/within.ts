// The limit of one look: what it throws and its silence are told apart, and the others go on.
import { setTimeout as wait } from 'node:timers/promises';
import { withFurtherSignal } from '../activities/shared/activity-context.ts';
import type { Look } from '../domain/contracts/status.ts';
import { Failure } from '../domain/failures.ts';

class Silence extends Failure {
  constructor(limitMs: number) {
    super('STORE_UNREACHABLE', `no answer within ${limitMs / 1000} s`);
  }
}

/**
 * The answer of `work`, whose sessions and child processes are ended when it takes too long.
 * @throws {Failure} what it throws; STORE_UNREACHABLE when it says nothing for so long.
 */
export async function within<T>(limitMs: number, work: () => Promise<T>): Promise<T> {
  const ended = new AbortController();
  const tooLong = wait(limitMs, undefined, { signal: ended.signal }).then(() => {
    throw new Silence(limitMs);
  });
  tooLong.catch(() => undefined); // Ended by the abort below when the answer was quicker.
  try {
    return await Promise.race([withFurtherSignal(ended.signal, work), tooLong]);
  } catch (error) {
    throw error instanceof Failure ? error : new Failure('BUG', String(error), {}, error);
  } finally {
    ended.abort();
  }
}

/** What was seen within the limit, or why nothing was. Never throws. */
export async function look<T>(limitMs: number, work: () => Promise<T>): Promise<Look<T>> {
  try {
    return { seen: await within(limitMs, work) };
  } catch (error) {
    const { code, message } = error as Failure;
    return { unseen: { code, message, silent: error instanceof Silence } };
  }
}
