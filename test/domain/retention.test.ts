import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BackupRef } from '../../domain/manifest.ts';
import { carriedPlan, planRetention, type RetainedBackup, type RetentionFacts } from '../../domain/retention.ts';

const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-11-23T12:00:00.000Z');
const timeAt = (ageMs: number) => new Date(NOW - ageMs).toISOString();
const TIERS = [
  { name: 'local', keepMs: 7 * DAY_MS },
  { name: 'away', keepMs: 30 * DAY_MS },
];

/** A chain of backups in which every parent was sealed before its child. */
const backups = fc
  .array(
    fc.record({
      system: fc.constantFrom('postgres' as const, 'redis' as const),
      kind: fc.constantFrom('full', 'part'),
      ageDays: fc.integer({ min: 0, max: 60 }),
      proven: fc.boolean(),
      held: fc.boolean(),
      tiers: fc.subarray(['local', 'away'], { minLength: 1 }),
      parents: fc.array(fc.nat({ max: 40 }), { maxLength: 2 }),
    }),
    { maxLength: 40 },
  )
  .map((rows): RetainedBackup[] =>
    rows.map(({ ageDays, proven, parents, ...row }, index) => ({
      ...row,
      backupId: `b${index}`,
      sequence: index + 1,
      sealedAt: timeAt(ageDays * DAY_MS),
      provenAt: proven ? timeAt(0) : null,
      parents: parents.filter((parent) => parent < index).map((parent) => `b${parent}`),
    })),
  );

const fresh: RetainedBackup = {
  system: 'postgres',
  backupId: 'fresh',
  kind: 'full',
  sequence: 1000,
  sealedAt: timeAt(0),
  provenAt: null,
  held: false,
  parents: [],
  tiers: ['local', 'away'],
};

const factsWith = (some: readonly RetainedBackup[], change: Partial<RetentionFacts> = {}): RetentionFacts => ({
  now: timeAt(0),
  clocks: [],
  tiers: TIERS,
  minimumKept: 2,
  backups: [...some, fresh],
  ...change,
});

const plan = (some: readonly RetainedBackup[], change: Partial<RetentionFacts> = {}) =>
  planRetention(factsWith(some, change));
type Plan = ReturnType<typeof plan>;
const isKept = (made: Plan, { system, backupId }: RetainedBackup, tier?: string) =>
  made.decisions.some(
    (one) =>
      one.keep && one.backup.system === system && one.backup.backupId === backupId && (tier ?? one.tier) === one.tier,
  );
const deletedIn = (made: Plan) => made.decisions.filter(({ keep }) => !keep);

test('planRetention deletes what is old, and says why it keeps the rest', () => {
  const row = (backupId: string, sequence: number, ageDays: number, provenAt: string | null): RetainedBackup => ({
    ...fresh,
    backupId,
    sequence,
    sealedAt: timeAt(ageDays * DAY_MS),
    provenAt,
  });
  const made = planRetention(
    factsWith([], {
      backups: [row('a', 1, 40, timeAt(0)), row('b', 2, 20, null), row('c', 3, 3, timeAt(0)), row('d', 4, 0, null)],
    }),
  );
  expect(made.refusals).toEqual([]);
  expect(
    made.decisions.map(({ backup, tier, keep, reason }) => `${backup.backupId} ${tier} ${keep}: ${reason}`),
  ).toEqual([
    "a local false: older than tier 'local' keeps",
    "a away false: older than tier 'away' keeps",
    "b local false: older than tier 'local' keeps",
    "b away true: younger than tier 'away' keeps",
    'c local true: the newest proven one',
    'c away true: the newest proven one',
    'd local true: newer than the newest proven one',
    'd away true: newer than the newest proven one',
  ]);
});

test('faults 33: what a kept or held backup needs is kept, through any chain', () => {
  fc.assert(
    fc.property(backups, (some) => {
      const made = plan(some);
      for (const child of some.filter((one) => isKept(made, one) || one.held))
        for (const parent of some.filter((one) => one.system === child.system && child.parents.includes(one.backupId)))
          for (const tier of parent.tiers) expect(isKept(made, parent, tier)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

test('faults 33: says of each backup that is kept for another one which one needs it', () => {
  const row = (backupId: string, sequence: number, parents: readonly string[]): RetainedBackup => ({
    ...fresh,
    ...{ backupId, sequence, parents, sealedAt: timeAt(40 * DAY_MS) },
  });
  const held = { ...row('held', 3, ['change']), held: true };
  const proven = { ...fresh, backupId: 'proven', sequence: 5, provenAt: timeAt(0) };
  const made = plan([row('base', 1, []), row('change', 2, ['base']), held, row('loose', 4, []), proven]);
  expect(made.decisions.map(({ backup, tier, reason }) => `${backup.backupId} ${tier}: ${reason}`).slice(0, 8)).toEqual(
    [
      'base local: needed by change',
      'base away: needed by change',
      'change local: needed by held',
      'change away: needed by held',
      'held local: held',
      'held away: held',
      "loose local: older than tier 'local' keeps",
      "loose away: older than tier 'away' keeps",
    ],
  );
});

test('faults 32: the newest proven backup of each system and kind is never deleted, nor anything where none is proven', () => {
  fc.assert(
    fc.property(backups, (some) => {
      const made = plan(some);
      for (const gone of deletedIn(made)) {
        const backup = some.find((one) => one.system === gone.backup.system && one.backupId === gone.backup.backupId);
        const newer = some.filter(
          (one) => one.system === backup?.system && one.kind === backup.kind && one.provenAt !== null,
        );
        expect(newer.some((one) => one.sequence > (backup?.sequence ?? 0))).toBe(true);
        expect(backup?.held).toBe(false);
      }
    }),
  );
});

test('the minimum of each system and kind stays in each tier', () => {
  fc.assert(
    fc.property(backups, fc.integer({ min: 1, max: 5 }), (some, minimumKept) => {
      const made = plan(some, { minimumKept });
      for (const { name } of TIERS)
        for (const one of some.filter(({ tiers }) => tiers.includes(name))) {
          const group = [...some, fresh].filter(
            (other) => other.system === one.system && other.kind === one.kind && other.tiers.includes(name),
          );
          const left = group.filter((other) => isKept(made, other, name)).length;
          expect(left).toBeGreaterThanOrEqual(Math.min(minimumKept, group.length));
        }
    }),
  );
});

/** The second was sealed by a clock that had gone back: while the first is there, it counts as no older than that. */
const CLOCK_WENT_BACK: RetainedBackup[] = [
  { ...fresh, backupId: 'b0', sequence: 1, sealedAt: timeAt(7 * DAY_MS), tiers: ['local'] },
  { ...fresh, backupId: 'b1', sequence: 2, sealedAt: timeAt(30 * DAY_MS), tiers: ['away'] },
  { ...fresh, backupId: 'b2', sequence: 3, provenAt: timeAt(0) },
];

test('a plan that was carried out in part still holds: what is left to delete stays deletable, what was kept stays kept', () => {
  fc.assert(
    fc.property(backups, fc.infiniteStream(fc.boolean()), (some, choose) => {
      const before = plan(some);
      const done = deletedIn(before).filter(() => choose.next().value);
      const after = plan(
        some
          .map((one) => ({
            ...one,
            tiers: one.tiers.filter(
              (tier) =>
                !done.some(
                  (gone) =>
                    gone.tier === tier && gone.backup.system === one.system && gone.backup.backupId === one.backupId,
                ),
            ),
          }))
          .filter(({ tiers }) => tiers.length > 0),
      );
      expect(after.refusals).toEqual([]);
      const left = deletedIn(before).filter((gone) => !done.includes(gone));
      expect(deletedIn(after)).toEqual(expect.arrayContaining(left));
      // Where a clock once went back, the later time of one that has gone now counts no more: the copy's own time does.
      const more = deletedIn(after).filter(({ backup, tier }) => !left.some((one) => isCopy(one, backup, tier)));
      expect(more.filter(({ backup, tier }) => !isOldByItself(some, backup, tier))).toEqual([]);
    }),
    { examples: [[CLOCK_WENT_BACK, fc.stream(repeated(true))]] },
  );
});

const isCopy = (one: { readonly backup: BackupRef; readonly tier: string }, backup: BackupRef, tier: string) =>
  one.tier === tier && one.backup.system === backup.system && one.backup.backupId === backup.backupId;

function isOldByItself(some: readonly RetainedBackup[], { system, backupId }: BackupRef, tier: string): boolean {
  const found = some.find((one) => one.system === system && one.backupId === backupId);
  const keepMs = TIERS.find(({ name }) => name === tier)?.keepMs ?? Number.POSITIVE_INFINITY;
  return found !== undefined && NOW - Date.parse(found.sealedAt) >= keepMs;
}

function* repeated<T>(value: T): Generator<T> {
  for (;;) yield value;
}

test('faults 34: any input gets an answer, and nonsense keeps', () => {
  const anyTime = fc.oneof(
    fc.constant('nonsense'),
    fc.constant(timeAt(0)),
    fc.integer({ min: -900, max: 900 }).map((days) => timeAt(days * DAY_MS)),
  );
  const anyNumber = fc.oneof(fc.double(), fc.integer(), fc.constant(0), fc.constant(-1));
  fc.assert(
    fc.property(backups, anyTime, anyNumber, anyNumber, (some, now, minimumKept, keepMs) => {
      const made = planRetention({ ...factsWith(some), now, minimumKept, tiers: [{ name: 'local', keepMs }] });
      expect(made.decisions).toHaveLength(factsWith(some).backups.flatMap(({ tiers }) => tiers).length);
      expect(deletedIn(made).every(({ tier }) => tier === 'local')).toBe(true);
    }),
  );
  const unreadable = plan([{ ...fresh, backupId: 'x', sequence: 1, sealedAt: 'nonsense', provenAt: timeAt(0) }]);
  expect(deletedIn(unreadable)).toEqual([]);
});

test('faults 34: more to keep than there is, everything held, equal times and a repeated hour delete nothing more', () => {
  const rows = (change: (index: number) => Partial<RetainedBackup>): RetainedBackup[] =>
    Array.from({ length: 6 }, (_, index) => ({
      ...fresh,
      ...{ backupId: `b${index}`, sequence: index + 1, sealedAt: timeAt(60 * DAY_MS), provenAt: timeAt(0) },
      ...change(index),
    }));
  expect(
    deletedIn(
      plan(
        rows(() => ({})),
        { minimumKept: 1_000_000 },
      ),
    ),
  ).toEqual([]);
  expect(
    deletedIn(
      plan(
        rows(() => ({ held: true })),
        { minimumKept: 0 },
      ),
    ),
  ).toEqual([]);
  for (const minimumKept of [0, -5, Number.NaN]) {
    const left = plan(
      rows(() => ({})),
      { minimumKept },
    ).decisions.filter(({ keep }) => keep);
    expect(left.map(({ backup }) => backup.backupId)).toEqual(['b5', 'b5', 'fresh', 'fresh']);
  }
  // The hour from 02:00 to 03:00 in Berlin that came twice: the order of the seals, not of the clock on the wall.
  const night = ['2026-10-25T02:30:00+02:00', '2026-10-25T02:10:00+01:00', '2026-10-25T02:30:00+01:00'];
  const twice = rows((index) => ({ sealedAt: night[index % 3] ?? '', provenAt: index === 5 ? timeAt(0) : null }));
  const now = '2026-10-25T03:00:00+01:00';
  const facts = { now, minimumKept: 1, tiers: [{ name: 'local', keepMs: 45 * 60_000 }] };
  const made = planRetention({
    ...factsWith(twice, facts),
    backups: twice.map((one) => ({ ...one, tiers: ['local'] })),
  });
  expect(made.refusals).toEqual([]);
  expect(deletedIn(made).map(({ backup }) => backup.backupId)).toEqual(['b0', 'b1']);
});

test('faults 35: order is by sequence: equal times and a clock that once went back delete nothing younger', () => {
  const row = (sequence: number, ageDays: number): RetainedBackup => ({
    ...fresh,
    backupId: `s${sequence}`,
    sequence,
    sealedAt: timeAt(ageDays * DAY_MS),
    provenAt: timeAt(0),
  });
  const set = [row(1, 2), row(2, 50), row(3, 2), row(4, 2), row(5, 2)];
  expect(deletedIn(plan(set))).toEqual([]);
});

test.each([
  ['a tier says another time', { clocks: [{ source: 'tier away', at: timeAt(-6 * 60_000) }] }],
  ['a tier says no time at all', { clocks: [{ source: 'tier away', at: '' }] }],
  ['this clock went a year ahead', { now: timeAt(-365 * DAY_MS) }],
  ['this clock went a day back', { now: timeAt(DAY_MS) }],
])('faults 35: nothing is deleted when %s', (_why, change) => {
  const old = { ...fresh, backupId: 'old', sequence: 1, sealedAt: timeAt(90 * DAY_MS) };
  const set = [
    old,
    ...[2, 3, 4].map((sequence) => ({ ...fresh, backupId: `n${sequence}`, sequence, provenAt: timeAt(0) })),
  ];
  expect(deletedIn(plan(set))).toHaveLength(2);
  const made = plan(set, change);
  expect(made.refusals.length).toBeGreaterThan(0);
  expect(deletedIn(made)).toEqual([]);
});

test('faults 8: a plan that is too large for a run carries what goes first, and says how much it leaves out', () => {
  fc.assert(
    fc.property(backups, fc.nat(20), (some, most) => {
      const whole = plan(some);
      const carried = carriedPlan(whole, most);
      expect(carried.decisions.length + carried.leftOut).toBe(whole.decisions.length);
      expect(carried.decisions.length).toBeLessThanOrEqual(most);
      expect(deletedIn(carried)).toEqual(deletedIn(whole).slice(0, most));
    }),
  );
});
