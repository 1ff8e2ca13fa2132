// The live load: markers into every store, one after the other, as fast as a small platform works. A marker whose answer
// did not come is sent again until it does, as an application would.
import { setTimeout as wait } from 'node:timers/promises';
import type { MarkerStore } from '../../local/marker-stores.ts';
import { Ledger } from './ledger.ts';

const EVERY_MS = 40;
const PATIENCE_MS = 120_000;

export interface Workload {
  readonly store: MarkerStore;
  readonly ledger: Ledger;
  /** Runs `work` while nothing is written. */
  whilePaused<T>(work: () => Promise<T>): Promise<T>;
  /** Writes markers again that a restore did not bring back. */
  replay(markers: readonly number[]): Promise<void>;
  stop(): Promise<void>;
}

/** Starts writing. @throws what the store says when it takes nothing for two minutes: told by `stop` and `whilePaused`. */
export async function startWorkload(store: MarkerStore): Promise<Workload> {
  await store.prepare();
  const ledger = new Ledger();
  let [marker, isStopped, pauses] = [0, false, 0];
  let busy: Promise<void> = Promise.resolve();
  const write = async (one: number) => {
    await persistently(() => {
      ledger.markSent(one, Date.now());
      return store.write(one);
    });
    ledger.markAcknowledged(one, Date.now());
  };
  const loop = (async () => {
    for (; !isStopped; await wait(EVERY_MS)) {
      if (pauses > 0) continue;
      marker += 1;
      busy = write(marker);
      await busy;
    }
  })();
  loop.catch(() => undefined); // Told by `stop`.
  return {
    store,
    ledger,
    whilePaused: async (work) => {
      pauses += 1;
      try {
        await busy;
        return await work();
      } finally {
        pauses -= 1;
      }
    },
    replay: async (markers) => {
      for (const one of markers) await write(one);
    },
    stop: async () => {
      isStopped = true;
      await loop;
      await store.close();
    },
  };
}

/** Tries until it works: stores are restarted under the load. @throws the last failure after two minutes. */
export async function persistently<T>(work: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + PATIENCE_MS; ; await wait(200)) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}
