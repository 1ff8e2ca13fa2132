import { describe, expect, it } from 'vitest';
import {
  alarmNotice,
  dueOf,
  endNotice,
  formatTold,
  isToldName,
  parseTold,
  planNotice,
  type Telling,
  type ToldRecord,
  toldName,
} from '../../domain/outage-notices.ts';

const SINCE = '2026-11-24T03:00:00.000Z';
const OUTAGE = { since: SINCE, by: 'the probe of app.orders.example', until: null };
const FACTS = { platform: 'orders', outage: OUTAGE, standbys: ['east'] };
const due = (outage: typeof OUTAGE | (Omit<typeof OUTAGE, 'until'> & { until: string }), ...told: Telling[]) =>
  dueOf(outage, new Set(told));

describe('what is told of an outage', () => {
  it('is one alarm, then one word about the plan, and one at the end', () => {
    expect(due(OUTAGE)).toBe('alarm');
    expect(due(OUTAGE, 'alarm')).toBe('plan');
    expect(due(OUTAGE, 'alarm', 'plan')).toBeNull();
    const ended = { ...OUTAGE, until: '2026-11-24T03:10:00.000Z' };
    expect(due(ended, 'alarm')).toBe('end');
    expect(due(ended, 'alarm', 'plan', 'end')).toBeNull();
  });

  it('names what does not answer and the next command', () => {
    expect(alarmNotice(FACTS, ['redis at app.orders.example:6379: connect ECONNREFUSED'])).toEqual({
      type: 'outage.began',
      level: 'alarm',
      subject: 'orders',
      message: `clients are not served since ${SINCE}: redis at app.orders.example:6379: connect ECONNREFUSED`,
      run: `witness/orders/${SINCE}`,
      facts: { since: SINCE, by: OUTAGE.by, next: 'dr failover plan --to east' },
    });
    expect(alarmNotice({ ...FACTS, standbys: ['east', 'north'] }, []).facts.next).toBe('dr failover plan --to SITE');
  });

  it('holds the planned loss and the command that carries the plan out, or why there is no plan', () => {
    const brief = { lossSeconds: { postgres: 90 }, serveSeconds: null, next: 'dr failover run --to east' };
    expect(planNotice(FACTS, { digest: 'abc', brief })).toMatchObject({
      level: 'warning',
      message:
        'a failover is planned, and nothing is done: it would lose at most the writes of the last postgres 1 min 30 s and serve after a time that was never measured',
      facts: { plan: 'abc', next: 'dr failover run --to east' },
    });
    expect(planNotice(FACTS, { missing: 'Temporal does not answer' })).toMatchObject({
      message: 'no failover could be planned: Temporal does not answer',
      facts: { next: 'dr failover plan --to east' },
    });
  });

  it('is one event of one run for each kind, so that a receiver drops what it knows', () => {
    const ended = { ...FACTS, outage: { ...OUTAGE, until: '2026-11-24T03:10:00.000Z' } };
    const notices = [alarmNotice(FACTS, []), planNotice(FACTS, { missing: '' }), endNotice(ended)];
    expect(new Set(notices.map(({ run }) => run)).size).toBe(1);
    expect(new Set(notices.map(({ type }) => type)).size).toBe(3);
  });

  it('is written in files that are read back', () => {
    const record: ToldRecord = { format: 1, platform: 'orders', since: SINCE, what: 'plan', at: SINCE };
    expect(isToldName(toldName(record))).toBe(true);
    expect(parseTold(formatTold(record), 'x')).toEqual(record);
    expect(() => parseTold('{"what":"said"}', 'x')).toThrow(expect.objectContaining({ code: 'LEDGER_BROKEN' }));
  });
});
