import { describe, expect, it } from 'vitest';
import type { FailoverPlan } from '../../domain/failover.ts';
import { type BriefFacts, briefFailover } from '../../domain/failover-brief.ts';
import type { Measurement } from '../../domain/status/measurements.ts';

const member = (system: 'postgres' | 'redis' | 'rabbitmq', kind: string, standing: 'proven' | 'stored' = 'proven') => ({
  ...{ system, kind, backupId: `20261124t020000z-${kind}-1`, momentAt: '2026-11-24T02:00:00Z', standing, held: false },
});
const plan: FailoverPlan = {
  action: 'failover',
  title: '',
  from: 'west',
  to: 'east',
  epoch: { now: 0, next: 1 },
  set: {
    members: [member('postgres', 'logical'), member('redis', 'rdb'), member('rabbitmq', 'messages')],
    spreadSeconds: 0,
  },
  stages: [['postgres', 'redis'], ['rabbitmq']],
  members: {},
  terraform: null,
  lossSeconds: { postgres: 3600, redis: 300, rabbitmq: 3600 },
  approvals: 2,
  summary: [],
  warnings: [],
  steps: [],
  digest: 'd',
};
const measurement = (
  what: string,
  kind: string | null,
  seconds: number,
  more: Partial<Measurement> = {},
): Measurement => ({
  ...{
    what,
    kind,
    seconds,
    target: 'scratch',
    at: '2026-11-23T03:00:00Z',
    waitedSeconds: 0,
    systems: [what],
    run: 'r',
  },
  ...more,
});
const restores = [
  measurement('postgres', 'logical', 90),
  measurement('redis', 'rdb', 20),
  measurement('rabbitmq', 'messages', 30),
];
const everything = { systems: ['postgres', 'redis', 'rabbitmq', 'config'] };
const facts: BriefFacts = {
  plan,
  measured: { seen: restores },
  approvers: 2,
  ttlSeconds: 30,
  hourCosts: 'EUR 45,000',
  command: 'dr failover run --to east',
  nowMs: Date.parse('2026-11-24T03:00:00Z'),
};

describe('the head of a failover plan', () => {
  it('adds the slowest restore of each stage up, without the time of people', () => {
    const waited = measurement('postgres', 'logical', 500, { at: '2026-11-24T01:00:00Z', waitedSeconds: 380 });
    const { serveSeconds, measuredBy } = briefFailover({ ...facts, measured: { seen: [...restores, waited] } });
    expect(serveSeconds).toBe(150);
    expect(measuredBy).toBe('the newest restore of each, one stage after the other');
  });

  it('takes the newest recovery of all these systems when that was slower', () => {
    const recovery = measurement('platform', null, 200, everything);
    const part = measurement('platform', null, 900, { systems: ['postgres'], at: '2026-11-24T02:00:00Z' });
    const { serveSeconds, measuredBy } = briefFailover({ ...facts, measured: { seen: [...restores, recovery, part] } });
    expect(serveSeconds).toBe(200);
    expect(measuredBy).toBe('a recovery into scratch, 1 d ago');
  });

  it('says that the time is unknown when a restore of that kind was never measured', () => {
    const seen = [measurement('postgres', 'physical', 40), ...restores.slice(1)];
    const { serveSeconds, measuredBy, unknown } = briefFailover({ ...facts, measured: { seen } });
    expect(serveSeconds).toBeNull();
    expect(measuredBy).toBe('never measured: a restore of postgres logical');
    expect(unknown).toContain("how long it takes: 'dr recover --test' measures it");
  });

  it('says that the time is unknown when the records cannot be read', () => {
    const unseen = { code: 'AUDIT_BROKEN', message: 'record 7 was edited', silent: false };
    const { serveSeconds, measuredBy } = briefFailover({ ...facts, measured: { unseen } });
    expect(serveSeconds).toBeNull();
    expect(measuredBy).toBe('what restores took could not be read: record 7 was edited');
  });

  it('names what nobody knows: the old site, unproven backups, the price', () => {
    const members = [member('postgres', 'logical', 'stored')];
    const unproven = { ...plan, set: { members, spreadSeconds: 0 }, stages: [['postgres' as const]] };
    expect(briefFailover({ ...facts, plan: unproven, hourCosts: null }).unknown).toEqual([
      "whether 'west' is dead: nobody has asked it yet; the step 'fence' does",
      'whether postgres/20261124t020000z-logical-1 restores: it was never proven',
      'what an hour costs: costs.downtimePerHour is not configured',
    ]);
    expect(briefFailover(facts).unknown).toHaveLength(1);
  });

  it('says what waiting costs while the old site is silent, and what while it still takes writes', () => {
    expect(briefFailover(facts).waiting).toEqual([
      "while 'west' takes no writes, nothing more is lost, and nobody is served: EUR 45,000 an hour",
      "if 'west' still takes writes, an hour of them more is lost in each hour",
    ]);
  });

  it('ends with the one next command, or with what keeps it from being carried out', () => {
    expect(briefFailover(facts).next).toBe('dr failover run --to east');
    expect(briefFailover({ ...facts, approvers: 1 }).next).toBe(
      'name 2 people under failover.approvers (there are 1), restart the workers, then: dr failover run --to east',
    );
  });
});
