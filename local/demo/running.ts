// What a demo has started, so that whatever happens, all of it is ended: last first.
import type { Stoppable } from '../started.ts';

/** The demo was asked to end. */
export class Interrupted extends Error {}

export class Running {
  readonly #starting: Promise<Stoppable>[] = [];
  #isClosing = false;

  /** Remembers what is starting and waits for it. @throws {Interrupted} when the clean-up has begun meanwhile. */
  async add<T extends Stoppable>(start: () => Promise<T>): Promise<T> {
    if (this.#isClosing) throw new Interrupted();
    const starting = start();
    this.#starting.push(starting);
    const started = await starting;
    if (this.#isClosing) throw new Interrupted();
    return started;
  }

  /** Ends everything, also what is just starting. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (let last = this.#starting.pop(); last; last = this.#starting.pop()) {
      const started = await last.catch(() => null); // What did not start has told so.
      await started?.stop();
    }
  }
}
