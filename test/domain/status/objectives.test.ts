import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AuditRecord } from '../../../domain/audit.ts';
import type { FailoverRecord } from '../../../domain/failover-record.ts';
import type { BackupSummary } from '../../../domain/manifest.ts';
import { type Measurement, measurementOf, measurementsIn } from '../../../domain/status/measurements.ts';
import {
  judgeRpo,
  judgeRto,
  type RpoInput,
  type RtoInput,
  withLastLoss,
  worstStanding,
} from '../../../domain/status/objectives.ts';

const NOW = Date.parse('2026-11-24T12:00:00.000Z');
const HOUR = 3600;
const DAY = 24 * HOUR;
const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();
const seen = <T>(value: T) => ({ seen: value });
const unseen = { unseen: { code: 'STORE_UNREACHABLE', message: 'no answer within 6 s', silent: true } };

const backup = (ageSeconds: number, some: Partial<BackupSummary> = {}): BackupSummary => ({
  ...{ system: 'redis', backupId: `at-${ageSeconds}`, kind: 'rdb', site: 'west', sequence: 1e9 - ageSeconds },
  ...{ momentAt: ago(ageSeconds), sealedAt: ago(ageSeconds), standing: 'stored', provenAt: null, held: false },
  ...{ tiers: ['local'], plainBytes: 1, storedBytes: 1, counts: {}, parents: [], warnings: [], ...some },
});
const REDIS: RpoInput = { system: 'redis', wantedSeconds: HOUR, proofLimitSeconds: 7 * DAY, changedAt: null };
const rpo = (backups: readonly BackupSummary[], some: Partial<RpoInput> = {}) =>
  judgeRpo({ ...REDIS, ...some }, seen(backups), NOW);

const measure = (seconds: number, some: Partial<Measurement> = {}): Measurement => ({
  ...{ what: 'redis', kind: 'rdb', target: 'scratch', at: ago(HOUR), seconds, waitedSeconds: 0 },
  ...{ systems: ['redis'], run: 'r', ...some },
});
const RTO: RtoInput = {
  ...{ what: 'redis', wantedSeconds: HOUR, kinds: ['rdb'], systems: ['redis'], limitSeconds: 7 * DAY },
};
const rto = (all: readonly Measurement[], some: Partial<RtoInput> = {}) =>
  judgeRto({ ...RTO, ...some }, seen(all), NOW);

describe('an RPO', () => {
  it('is the age of the newest backup that rests on a proof, wherever in the list it stands', () => {
    const age = fc.integer({ min: 1, max: 6 * DAY });
    fc.assert(
      fc.property(fc.array(fc.record({ age, proven: fc.boolean() }), { minLength: 1 }), (some) => {
        const list = some.map((one) => backup(one.age, { provenAt: one.proven ? ago(one.age / 2) : null }));
        const { measuredSeconds, standing } = rpo(list);
        expect(measuredSeconds).toBe(Math.min(...some.map((one) => one.age)));
        if (Number(measuredSeconds) > HOUR) expect(standing).toBe('missed');
        else expect(['met', 'at risk']).toContain(standing);
        // What was never proven is never called met.
        if (some.every((one) => !one.proven)) expect(standing).not.toBe('met');
      }),
    );
  });

  it('does not get better as time passes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8 * DAY }), fc.integer({ min: 0, max: 8 * DAY }), (age, later) => {
        const order = ['met', 'at risk', 'missed'];
        const list = [backup(age, { provenAt: ago(age) })];
        const before = judgeRpo(REDIS, seen(list), NOW).standing;
        const after = judgeRpo(REDIS, seen(list), NOW + later * 1000).standing;
        expect(order.indexOf(after)).toBeGreaterThanOrEqual(order.indexOf(before));
      }),
    );
  });

  it.each([
    ['missed without any backup', [], null],
    ['missed when the newest is older than wanted', [backup(HOUR + 1, { provenAt: ago(HOUR) })], HOUR + 1],
    ['at risk from nine tenths on', [backup(HOUR * 0.95, { provenAt: ago(60) })], HOUR * 0.95],
    ['met by a young one that rests on a proof', [backup(60), backup(DAY, { provenAt: ago(DAY) })], 60],
    [
      'missed when nothing was proven within the limit',
      [backup(60), backup(8 * DAY, { provenAt: ago(8 * DAY) })],
      null,
    ],
    ['not met by a backup that restores nothing whole', [backup(60, { kind: 'odd', provenAt: ago(60) })], null],
  ] as const)('is %s', (title, backups, measured) => {
    const found = rpo(backups);
    expect(found.measuredSeconds).toBe(measured);
    expect(found.standing).toBe(/^(missed|at risk|met)/.exec(title)?.[0] ?? 'missed');
  });

  it('is unknown, not missed, when no tier could be read', () => {
    expect(judgeRpo(REDIS, unseen, NOW)).toMatchObject({ standing: 'unknown', measuredSeconds: null });
  });

  it('of certificates is nothing while they are as they were backed up, and unknown when nobody looked', () => {
    const stored = [backup(DAY, { system: 'tls', kind: 'files', provenAt: ago(HOUR) })];
    const tls = (changedAt: string | null) => rpo(stored, { system: 'tls', wantedSeconds: 0, changedAt });
    expect(tls(ago(DAY + 1))).toMatchObject({ standing: 'met', measuredSeconds: 0 });
    expect(tls(ago(60))).toMatchObject({ standing: 'at risk', measuredSeconds: 60 });
    expect(tls(ago(HOUR))).toMatchObject({ standing: 'missed', measuredSeconds: HOUR });
    expect(tls(null)).toMatchObject({ standing: 'unknown', measuredSeconds: null });
  });
});

describe('an RTO', () => {
  it('is unknown until it was measured, and while the audit log cannot be read', () => {
    expect(rto([])).toMatchObject({ standing: 'unknown', measuredSeconds: null });
    expect(rto([measure(5, { what: 'postgres' })]).standing).toBe('unknown');
    expect(judgeRto(RTO, unseen, NOW)).toMatchObject({ standing: 'unknown', measuredSeconds: null });
  });

  it('is measured by the newest of each kind, and as slow as the slowest of them', () => {
    const kinds = ['logical', 'physical'];
    const any = fc.record({
      kind: fc.constantFrom(...kinds),
      seconds: fc.integer({ min: 1, max: 2 * HOUR }),
      age: fc.integer({ min: 1, max: 6 * DAY }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(any, { selector: ({ age }) => age }), (some) => {
        const all = some.map(({ kind, seconds, age }) => measure(seconds, { kind, at: ago(age) }));
        const newest = kinds.map((kind) => some.filter((one) => one.kind === kind).sort((a, b) => a.age - b.age)[0]);
        const found = rto(all, { kinds });
        const slowest = Math.max(...newest.map((one) => one?.seconds ?? 0));
        expect(found.measuredSeconds).toBe(slowest === 0 ? null : slowest);
        if (slowest > HOUR) expect(found.standing).toBe('missed');
        else if (newest.includes(undefined)) expect(found.standing).toBe('unknown');
        else expect(['met', 'at risk']).toContain(found.standing);
      }),
    );
  });

  it.each([
    ['met', measure(60)],
    ['at risk', measure(HOUR * 0.95)],
    ['missed', measure(HOUR + 1)],
    ['at risk', measure(2 * HOUR, { waitedSeconds: 2 * HOUR - 60 })],
    ['missed', measure(2 * HOUR, { waitedSeconds: 60 })],
    ['at risk', measure(60, { at: ago(8 * DAY) })],
  ] as const)('is %s by %o', (standing, one) => {
    expect(rto([one]).standing).toBe(standing);
  });

  it('of the platform counts only recoveries that brought back every system', () => {
    const platform = { what: 'platform', kinds: [], systems: ['redis', 'tls'] };
    const some = measure(9, { what: 'platform', kind: null, systems: ['redis'] });
    const all = measure(10, { what: 'platform', kind: null, systems: ['redis', 'tls', 'config'], at: ago(DAY) });
    expect(rto([some], platform).standing).toBe('unknown');
    expect(rto([all, some], platform)).toMatchObject({ standing: 'met', measuredSeconds: 10 });
  });
});

describe('a failover', () => {
  const record: FailoverRecord = {
    ...{
      format: 1,
      platform: 'p',
      epoch: 1,
      from: 'west',
      to: 'east',
      run: 'f',
      outage: null,
      servedUntil: null,
      steps: [],
    },
    ...{ startedAt: ago(2 * HOUR), openedAt: ago(HOUR) },
    recoveryTime: {
      seconds: 110,
      parts: { detection: null, people: 50, fence: 0, terraform: 0, restore: 40, dns: 5, ours: 15 },
    },
    losses: { redis: { seconds: 41, markers: { acknowledged: 900, restored: 880, lost: 20 } } },
  };

  it('measures the RTO of its platform, and is told with all of its parts', () => {
    const platform = { what: 'platform', kinds: [], systems: ['redis'] };
    const older = measure(9, { what: 'platform', kind: null, at: ago(DAY) });
    expect(rto([older, measurementOf(record)], platform)).toMatchObject({
      ...{ standing: 'met', measuredSeconds: 110 },
      why: 'the failover from west to east, 1 min 50 s and its detection: detection unknown, people 50 s, fence 0.0 s, Terraform 0.0 s, restore 40 s, DNS 5.0 s, ours 15 s; 1 h ago',
    });
  });

  it('says beside the RPO of a system what it lost of it', () => {
    const now = rpo([backup(60, { provenAt: ago(30) })]);
    const found = withLastLoss(now, record, NOW);
    expect(found).toEqual({
      ...now,
      why: 'at-60; the failover 1 h ago lost at most 41 s, 20 of 900 markers',
    });
    expect(withLastLoss(now, null, NOW)).toBe(now);
    expect(withLastLoss({ ...now, what: 'postgres' }, record, NOW).why).toBe(now.why);
  });
});

describe('measurements', () => {
  const record = (act: string, facts: AuditRecord['facts']): AuditRecord => ({
    ...{ format: 1, platform: 'p', sequence: 1, previous: null, at: ago(1), person: 'a', run: 'r', reason: '' },
    ...{ act, subject: 'postgres/20261124t100000z-logical-abcdef', facts },
  });

  it('are those of whole systems and of recoveries; records of before carry none', () => {
    const time = { seconds: 12, waitedSeconds: 2 };
    const found = measurementsIn([
      record('restore.tested', { digest: 'd' }),
      record('restore.done', { ...time, scope: 'table' }),
      record('restore.done', { ...time, scope: 'whole' }),
      record('recovery.tested', { ...time, systems: 'postgres redis' }),
    ]);
    expect(found).toEqual([
      expect.objectContaining({ what: 'postgres', kind: 'logical', target: 'live', seconds: 12, waitedSeconds: 2 }),
      expect.objectContaining({ what: 'platform', kind: null, target: 'scratch', systems: ['postgres', 'redis'] }),
    ]);
  });
});

it('the worst of several standings is missed before unknown before at risk before met', () => {
  const order = ['met', 'at risk', 'unknown', 'missed'] as const;
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...order), { minLength: 1 }), (some) => {
      const worst = Math.max(...some.map((one) => order.indexOf(one)));
      expect(worstStanding(some)).toBe(order[worst]);
    }),
  );
  expect(worstStanding([])).toBe('unknown');
});
