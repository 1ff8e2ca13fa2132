import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newestOutage, type OutageRecord } from '../../domain/outage.ts';
import { type OutageChange, type Sight, type Watch, watchFrom, watchOn } from '../../domain/outage-watch.ts';

const RULES = { downAfter: 3, cleanMs: 60_000, gapMs: 60_000 };
const at = (second: number): string => new Date(Date.parse('2026-11-24T03:00:00.000Z') + second * 1000).toISOString();
const sight = (second: number, isWell: boolean): Sight => ({ at: at(second), isWell });
const every5 = (states: readonly boolean[]) => states.map((isWell, index) => sight(index * 5, isWell));
const times = (count: number, isWell: boolean): boolean[] => Array.from({ length: count }, () => isWell);

function changesOf(sights: readonly Sight[], from: Watch = watchFrom(null)): OutageChange[] {
  let watch = from;
  return sights.flatMap((one) => {
    const seen = watchOn(watch, one, RULES);
    watch = seen.watch;
    return seen.change ?? [];
  });
}

const recordOf = (change: OutageChange): OutageRecord => ({ format: 1, platform: 'orders', by: 'a probe', ...change });
const anySights = fc
  .array(fc.record({ gap: fc.integer({ min: 1, max: 90 }), isWell: fc.boolean() }), { maxLength: 80 })
  .map((steps) => {
    let second = 0;
    return steps.map(({ gap, isWell }) => {
      second += gap;
      return sight(second, isWell);
    });
  });

/** A beginning is followed by failed looks, an end by a clean window. */
function isBorneOut({ what, at: since }: OutageChange, sights: readonly Sight[]): boolean {
  const later = sights.filter((one) => one.at >= since);
  if (what === 'down') return later.slice(0, RULES.downAfter).every(({ isWell }) => !isWell);
  return later.filter((one) => Date.parse(one.at) - Date.parse(since) < RULES.cleanMs).every(({ isWell }) => isWell);
}

describe('an outage', () => {
  it('begins with the first of several failed looks in a row, and not before them', () => {
    expect(changesOf(every5([true, false, false, true, false, true]))).toEqual([]);
    expect(changesOf(every5([true, false, false, false, false]))).toEqual([{ what: 'down', at: at(5) }]);
  });

  it('faults 53: is one outage when the platform comes and goes every 20 s for an hour', () => {
    const flapping = Array.from({ length: 90 }, () => [...times(4, false), ...times(4, true)]).flat();
    const changes = changesOf(every5([...flapping, ...times(20, true)]));
    const lastUp = (flapping.length - 4) * 5;
    expect(changes).toEqual([
      { what: 'down', at: at(0) },
      { what: 'up', at: at(lastUp) },
    ]);
  });

  it('does not end by a time in which nobody looked', () => {
    const down = every5(times(3, false));
    expect(changesOf([...down, sight(20, true), sight(400, true)])).toHaveLength(1);
    const clean = Array.from({ length: 13 }, (_, index) => sight(400 + index * 5, true));
    expect(changesOf([...down, sight(20, true), ...clean])[1]).toEqual({ what: 'up', at: at(400) });
  });

  it('lasts where the ledger says so, also for a witness that was started again: no second beginning', () => {
    expect(changesOf(every5(times(10, false)), watchFrom(at(-60)))).toEqual([]);
    expect(changesOf(every5(times(13, true)), watchFrom(at(-60)))).toEqual([{ what: 'up', at: at(0) }]);
  });

  it('begins and ends in turn, whatever is seen, and ends only after a clean window', () => {
    fc.assert(
      fc.property(anySights, (sights) => {
        const changes = changesOf(sights);
        expect(changes.map(({ what }) => what)).toEqual(changes.map((_, index) => (index % 2 === 0 ? 'down' : 'up')));
        expect(changes.map(({ at: since }) => since)).toEqual(changes.map(({ at: since }) => since).sort());
        for (const change of changes) expect(isBorneOut(change, sights)).toBe(true);
      }),
    );
  });

  it('is told once, wherever the witness is killed and started again from its records', () => {
    fc.assert(
      fc.property(anySights, fc.nat(), (sights, moment) => {
        const cut = sights.length === 0 ? 0 : moment % sights.length;
        const before = changesOf(sights.slice(0, cut));
        const known = newestOutage(before.map(recordOf));
        const after = changesOf(sights.slice(cut), watchFrom(known?.until === null ? known.since : null));
        const all = [...before, ...after].map(({ what }) => what);
        expect(all).toEqual(all.map((_, index) => (index % 2 === 0 ? 'down' : 'up')));
      }),
    );
  });
});
