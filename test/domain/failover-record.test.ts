import { describe, expect, it } from 'vitest';
import {
  type AccountFacts,
  accountLines,
  accountOf,
  failoverRecordName,
  formatFailoverRecord,
  parseFailoverRecord,
} from '../../domain/failover-record.ts';

const at = (second: number): string => new Date(Date.parse('2026-11-24T03:00:00.000Z') + second * 1000).toISOString();
const step = (id: string, from: number, to: number | null) => ({
  ...{ id, title: `title of ${id}`, status: 'done' as const, detail: '', startedAt: at(from) },
  endedAt: to === null ? null : at(to),
});
const PLAN = { epoch: { now: 2, next: 3 }, from: 'west', to: 'east', stages: [['postgres'], ['redis']] };
const FACTS: AccountFacts = {
  ...{ platform: 'orders', run: 'failover/orders/1', startedAt: at(10), openedAt: at(60), ttlSeconds: 5 },
  plan: { ...PLAN, lossSeconds: { postgres: 41, redis: 12.5 } } as unknown as AccountFacts['plan'],
  markers: { postgres: { acknowledged: 900, restored: 880, lost: 20 }, redis: null },
  outage: { since: at(0), by: 'a probe', until: null },
  steps: [step('fence', 20, 22), step('postgres', 25, 45), step('answers', 50, 58), step('account', 60, null)],
  waits: [{ step: 'approve', from: at(12), to: at(18) }],
};

describe('the account of a failover', () => {
  it('tells the whole with its parts, and the loss in seconds and in markers', () => {
    expect(accountLines(accountOf(FACTS))).toEqual([
      'recovery time 1 min 3 s: detection 10 s, people 6.0 s, fence 2.0 s, Terraform 0.0 s, restore 20 s, DNS 11 s, ours 14 s',
      `down since ${at(0)}, seen by a probe`,
      'lost at most the writes of: postgres 41 s, 20 of 900 markers; redis 13 s',
    ]);
  });

  it('says that detection is unknown without an outside probe', () => {
    const [time, detection] = accountLines(accountOf({ ...FACTS, outage: null }));
    expect(time).toContain('53 s and its detection: detection unknown, people 6.0 s');
    expect(detection).toContain('no outside probe');
  });

  it('begins when clients were kept out, where the old site was handed over', () => {
    const record = accountOf({ ...FACTS, steps: [step('quiesce', 19, 20), ...FACTS.steps] });
    const [time, beginning] = accountLines(record);
    expect(time).toContain('44 s: detection 0.0 s, people 0.0 s');
    expect(beginning).toBe(`'west' served until ${at(19)}, when clients were kept out`);
    expect(parseFailoverRecord(formatFailoverRecord(record), failoverRecordName(3), 'orders')).toEqual(record);
  });

  it('is read back from before handovers were told apart', () => {
    const record = accountOf(FACTS);
    const text = formatFailoverRecord(record).replace('"servedUntil":null,', '');
    expect(text).not.toContain('servedUntil');
    expect(parseFailoverRecord(text, failoverRecordName(3), 'orders')).toEqual(record);
  });

  it('holds every step that has ended', () => {
    expect(accountOf(FACTS).steps.map(({ id }) => id)).toEqual(['fence', 'postgres', 'answers']);
  });

  it('is read back as it was written', () => {
    for (const outage of [FACTS.outage, null]) {
      const record = accountOf({ ...FACTS, outage });
      expect(parseFailoverRecord(formatFailoverRecord(record), failoverRecordName(3), 'orders')).toEqual(record);
    }
  });

  it('is refused under another name, of another platform, and when its parts do not add up', () => {
    const text = formatFailoverRecord(accountOf(FACTS));
    const broken = expect.objectContaining({ code: 'LEDGER_BROKEN' });
    const name = failoverRecordName(3);
    expect(() => parseFailoverRecord(text, failoverRecordName(4), 'orders')).toThrow(broken);
    expect(() => parseFailoverRecord(text, name, 'other')).toThrow(broken);
    expect(() => parseFailoverRecord(text.replace('"ours":14', '"ours":4'), name, 'orders')).toThrow(broken);
    expect(() => parseFailoverRecord(text.replace('"lost":20', '"lost":-1'), name, 'orders')).toThrow(broken);
    expect(() => parseFailoverRecord(text.replace('"redis":{', '"mysql":{'), name, 'orders')).toThrow(broken);
  });
});
