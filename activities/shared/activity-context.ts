// The border between plain functions and Temporal: progress and cancellation reach any depth without being handed down,
// and the same functions run in tests and in the CLI without Temporal.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Progress } from '../../domain/contracts/protected-system.ts';

export interface ActivityScope {
  readonly signal: AbortSignal;
  progress: Progress | null;
  /** Throws when this attempt stood still for so long that another one may be doing its work. */
  readonly requireCurrent?: () => void;
}

const scope = new AsyncLocalStorage<ActivityScope>();

/** Runs `work` with a signal that ends its child processes and a place for its progress. */
export function withScope<T>(value: ActivityScope, work: () => Promise<T>): Promise<T> {
  return scope.run(value, work);
}

/** Runs `work` so that `signal` ends it too, beside the surrounding activity's own; progress goes to that activity. */
export function withFurtherSignal<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const outer = scope.getStore();
  const inner: ActivityScope = {
    signal: outer ? AbortSignal.any([outer.signal, signal]) : signal,
    requireCurrent: () => outer?.requireCurrent?.(),
    get progress() {
      return outer?.progress ?? null;
    },
    set progress(value) {
      if (outer) outer.progress = value;
    },
  };
  return scope.run(inner, work);
}

/** The signal of the surrounding activity, or undefined outside of one. */
export function currentSignal(): AbortSignal | undefined {
  return scope.getStore()?.signal;
}

/** Tells how far the surrounding activity is. Cheap: it is sent by a timer, not by this call. */
export function reportProgress(progress: Progress): void {
  const store = scope.getStore();
  if (store) store.progress = progress;
}

/** Throws the reason of the cancellation when the surrounding activity was cancelled. Call it inside long loops. */
export function throwIfCancelled(): void {
  const signal = currentSignal();
  if (signal?.aborted) throw signal.reason;
  requireCurrentAttempt();
}

/**
 * Call it at every door to the world: a worker that was frozen and wakes must not touch what another attempt has taken
 * over. Unlike a cancellation it forbids cleaning up too: that is the other attempt's.
 * @throws {Failure} ATTEMPT_STALE.
 */
export function requireCurrentAttempt(): void {
  scope.getStore()?.requireCurrent?.();
}

/** Counts bytes of one named thing and reports them as progress with the rate so far. */
export function progressOf(what: string, totalBytes: number | null): (bytes: number) => void {
  const startedAt = performance.now();
  let doneBytes = 0;
  return (bytes) => {
    doneBytes += bytes;
    const seconds = Math.max((performance.now() - startedAt) / 1000, 0.001);
    reportProgress({ what, doneBytes, totalBytes, bytesPerSecond: Math.round(doneBytes / seconds) });
  };
}
