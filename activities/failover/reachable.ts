// Work on a folder that may be a mount whose server is gone: such a call comes back late or never, and holds one of the few
// threads that file work has. So each folder is asked by one call at a time.
import { setTimeout as wait } from 'node:timers/promises';
import { Failure } from '../../domain/failures.ts';

const LIMIT_MS = 3000;

export class Reachable {
  #isAsked = false;

  /** @throws {Failure} STORE_UNREACHABLE when it does not end in time, or an earlier call has not ended yet; what `work` throws. */
  async ask<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isAsked) throw new Failure('STORE_UNREACHABLE', 'an earlier call has not come back');
    this.#isAsked = true;
    const asked = work().finally(() => {
      this.#isAsked = false;
    });
    asked.catch(() => undefined); // Told by the limit, or too late to matter.
    const ended = new AbortController();
    const limit = wait(LIMIT_MS, undefined, { signal: ended.signal }).then(() => {
      throw new Failure('STORE_UNREACHABLE', `no answer within ${LIMIT_MS / 1000} s`);
    });
    limit.catch(() => undefined); // Ended below when the answer was quicker.
    return Promise.race([asked, limit]).finally(() => ended.abort());
  }
}
