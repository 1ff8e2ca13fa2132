// The lease of a site: two folders at different places, renewed by writing into them. It has run out when neither took a
// word for its whole length; time is counted by a clock that nobody sets.
import type { LeaseState } from '../../domain/agent.ts';
import { type AgentConfiguration, durationMs } from '../../domain/configuration/schema.ts';
import { replaceFile } from '../shared/durable-files.ts';
import { Reachable } from './reachable.ts';

export class Lease {
  readonly #lengthMs: number;
  readonly #name: string;
  readonly #stores: readonly { readonly folder: string; readonly reach: Reachable }[];
  #reachedAt = performance.now();

  constructor({ length, stores }: NonNullable<AgentConfiguration['lease']>, site: string) {
    this.#lengthMs = durationMs(length);
    this.#name = `lease-${site}.json`;
    this.#stores = stores.map((folder) => ({ folder, reach: new Reachable() }));
  }

  /**
   * Does: writes the time into both stores at once; a folder that is not there is not made.
   * Repeat: replaces what it wrote. Undo: none: it runs out by itself.
   * @returns what is wrong with those that took nothing.
   */
  async renew(): Promise<readonly string[]> {
    const begunAt = performance.now();
    const text = `${JSON.stringify({ at: new Date().toISOString(), lengthMs: this.#lengthMs })}\n`;
    const tries = this.#stores.map(async ({ folder, reach }) => {
      await reach.ask(() => replaceFile(folder, this.#name, text));
      this.#reachedAt = Math.max(this.#reachedAt, begunAt);
    });
    const ends = await Promise.allSettled(tries);
    return ends.flatMap((end, index) =>
      end.status === 'fulfilled' ? [] : [`${this.#stores[index]?.folder}: ${(end.reason as Error).message}`],
    );
  }

  get state(): LeaseState {
    return { lengthMs: this.#lengthMs, sinceReachedMs: performance.now() - this.#reachedAt };
  }
}
