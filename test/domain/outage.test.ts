import { describe, expect, it } from 'vitest';
import {
  formatOutage,
  isOutageName,
  type OutageRecord,
  outageAt,
  outageName,
  parseOutage,
} from '../../domain/outage.ts';

const at = (minute: number): string => `2026-11-24T03:${String(minute).padStart(2, '0')}:00.000Z`;
const seen = (what: 'down' | 'up', minute: number): OutageRecord => ({
  ...{ format: 1, platform: 'orders', what, at: at(minute), by: 'a probe' },
});

describe('the outage of a failover', () => {
  it('is the one that had not ended when the run began, from its first failed probe', () => {
    const records = [seen('down', 5), seen('up', 6), seen('down', 10), seen('down', 11), seen('up', 25)];
    expect(outageAt(records, at(12), at(20))).toEqual({ since: at(10), by: 'a probe', until: at(25) });
    expect(outageAt(records.slice(0, 3), at(12), at(20))?.until).toBeNull();
  });

  it('is none when no probe saw one, or the last had ended before', () => {
    expect(outageAt([], at(12), at(20))).toBeNull();
    expect(outageAt([seen('down', 5), seen('up', 6)], at(12), at(20))).toBeNull();
  });

  it('is written in files that sort by time and are read back', () => {
    const record = seen('down', 5);
    expect(isOutageName(outageName(record))).toBe(true);
    expect(outageName(record) < outageName(seen('up', 6))).toBe(true);
    expect(parseOutage(formatOutage(record), 'x')).toEqual(record);
    expect(() => parseOutage('{"what":"gone"}', 'x')).toThrow(expect.objectContaining({ code: 'LEDGER_BROKEN' }));
  });
});
