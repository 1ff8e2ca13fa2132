// How the loaders tell how far they are.

/** `done` of `total` rows, keys or messages are in. */
export type OnProgress = (done: number, total: number) => void;

export interface DatasetSize {
  /** 1 is the honest size; tests take a small part of it. */
  readonly scale: number;
  /** The same seed gives the same data, byte by byte. */
  readonly seed: number;
}

/** A share of `count`, never less than `least`. */
export function scaled(count: number, { scale }: DatasetSize, least = 1): number {
  return Math.max(least, Math.round(count * scale));
}

/** Adds up what several loaders have done. */
export function counter(total: number, onProgress: OnProgress): (more: number) => void {
  let done = 0;
  return (more) => {
    done += more;
    onProgress(done, total);
  };
}
