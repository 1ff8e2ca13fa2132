import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type EpochRecord,
  epochName,
  epochNumberOf,
  formatEpoch,
  formerSites,
  parseEpoch,
  requireUnbroken,
} from '../../domain/epoch.ts';

const record: EpochRecord = {
  ...{ format: 1, platform: 'orders', number: 3, from: 'west', to: 'east' },
  ...{ run: 'failover/orders/r1', intent: 'failover', person: 'anna@ops', at: '2026-11-24T03:00:00.000Z' },
};

describe('epochs', () => {
  it('come back from their text as they were', () => {
    expect(parseEpoch(formatEpoch(record), 3, 'orders')).toEqual(record);
  });

  it.each([
    ['another number', formatEpoch({ ...record, number: 4 })],
    ['another platform', formatEpoch({ ...record, platform: 'shop' })],
    ['an unknown intent', formatEpoch(record).replace('"failover","', '"whim","')],
    ['half a record', formatEpoch(record).slice(0, 40)],
    ['nothing', ''],
  ])('refuse a text with %s', (_what, text) => {
    expect(() => parseEpoch(text, 3, 'orders')).toThrow(expect.objectContaining({ code: 'EPOCH_BROKEN' }));
  });

  it('have names that sort as their numbers and lead back to them', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999_999 }), fc.integer({ min: 1, max: 999_999 }), (one, other) => {
        expect(epochNumberOf(epochName(one))).toBe(one);
        expect(epochName(one) < epochName(other)).toBe(one < other);
      }),
    );
    for (const name of ['epoch-000000.json', 'epoch-1.json', 'epoch-000001.json.part', 'new'])
      expect(epochNumberOf(name)).toBeNull();
  });

  it('are broken when one is missing below the last', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), fc.nat(), (count, seed) => {
        const all = Array.from({ length: count }, (_, index) => index + 1);
        expect(requireUnbroken([...all].reverse())).toBe(count);
        const missing = (seed % (count - 1)) + 1;
        const rest = all.filter((number) => number !== missing);
        expect(() => requireUnbroken(rest)).toThrow(`epoch ${missing} is missing`);
      }),
    );
    expect(requireUnbroken([])).toBe(0);
  });
});

describe('former sites', () => {
  const change = (from: string, to: string, over: Partial<EpochRecord> = {}): EpochRecord => ({
    ...record,
    ...{ from, to, run: `${from}-${to}` },
    ...over,
  });

  it('are those that gave the platform up, the last one first', () => {
    expect(formerSites([])).toEqual([]);
    expect(formerSites([change('west', 'east')])).toEqual(['west']);
    expect(formerSites([change('west', 'east'), change('east', 'north')])).toEqual(['east', 'west']);
    expect(formerSites([change('west', 'east'), change('east', 'west', { intent: 'failback' })])).toEqual(['east']);
  });

  it('are none by a failover that was undone', () => {
    const undone = [change('west', 'east'), change('east', 'west', { intent: 'undo', run: 'west-east' })];
    expect(formerSites(undone)).toEqual([]);
    expect(formerSites([...undone, change('west', 'north')])).toEqual(['west']);
  });
});
