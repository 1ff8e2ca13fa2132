// Chance that can be repeated: the same seed gives the same faults in the same order.
export interface Chance {
  /** A whole number from 0 to `below` - 1. */
  next(below: number): number;
  pick<T>(from: readonly T[]): T;
}

/** A small generator (mulberry32); its quality is enough to choose faults with. */
export function chanceFrom(seed: number): Chance {
  let state = seed >>> 0;
  const next = (below: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
  return {
    next,
    pick: (from) => {
      const picked = from[next(from.length)];
      if (picked === undefined) throw new Error('nothing to pick from');
      return picked;
    },
  };
}
