import { describe, expect, it } from 'vitest';
import {
  type Acknowledged,
  cleanSince,
  compare,
  type Lists,
  servedSince,
} from '../../../local/demo/failover/account.ts';

const told = (...times: number[]): Acknowledged[] => times.map((at, index) => ({ marker: index + 1, at }));

describe('comparing a list of markers with a store', () => {
  it('finds what was acknowledged before the site died and is not there, and how long that took to write', () => {
    expect(compare(told(1000, 2000, 3000, 4500, 9000), [1, 2, 5], 5000)).toEqual({
      ...{ lost: 2, lostSeconds: 1.5, lostLater: 0 },
    });
  });

  it('finds what was acknowledged after it and is not there: that must never be', () => {
    expect(compare(told(1000, 9000), [1], 5000)).toMatchObject({ lost: 0, lostLater: 1 });
  });

  it('finds nothing where everything is there, and more than was acknowledged is no loss', () => {
    expect(compare(told(1000, 2000), [1, 2, 3], 5000)).toEqual({ lost: 0, lostSeconds: 0, lostLater: 0 });
  });
});

describe('the clean window', () => {
  const every = (from: number, to: number): Acknowledged[] =>
    told(...Array.from({ length: (to - from) / 1000 + 1 }, (_, index) => from + index * 1000));
  const lists = (postgres: Acknowledged[]): Lists => ({
    ...{ postgres, redis: every(20_000, 60_000), rabbitmq: every(22_000, 60_000) },
  });

  it('begins when the last of the stores goes on', () => {
    expect(cleanSince(lists(every(25_000, 60_000)), 10_000, 20_000, 60_000)).toBe(25_000);
  });

  it('begins anew after a gap, and is not there before it is long enough', () => {
    const gap = lists([...every(25_000, 30_000), ...every(45_000, 60_000)]);
    expect(cleanSince(gap, 10_000, 20_000, 60_000)).toBeNull();
    expect(cleanSince(gap, 10_000, 15_000, 60_000)).toBe(45_000);
  });

  it('is the first one, whatever disturbs a store later', () => {
    const late = lists([...every(25_000, 50_000), ...every(58_000, 60_000)]);
    expect(cleanSince(late, 10_000, 20_000, 60_000)).toBe(25_000);
    expect(servedSince(late, 10_000)).toBe(25_000);
    expect(servedSince(lists([]), 10_000)).toBeNull();
  });

  it('is not there while a store takes nothing, and nothing from before the site died counts', () => {
    expect(cleanSince(lists([]), 10_000, 1000, 60_000)).toBeNull();
    expect(cleanSince(lists(every(25_000, 50_000)), 10_000, 30_000, 60_000)).toBeNull();
    expect(cleanSince(lists(every(1000, 60_000)), 59_500, 500, 60_000)).toBeNull();
  });
});
