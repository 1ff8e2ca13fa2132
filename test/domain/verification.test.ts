import { describe, expect, it } from 'vitest';
import { chooseBackup, newestOfEachKind, withinLimits } from '../../domain/backup-choice.ts';
import type { BackupSummary } from '../../domain/manifest.ts';
import {
  judgeCounts,
  judgeDependants,
  judgeKeys,
  judgePresence,
  judgeProof,
  judgeSize,
  suspicionOf,
  worstLevel,
} from '../../domain/verification.ts';

const NOON = Date.parse('2026-11-23T12:00:00Z');

const backup = (over: Partial<BackupSummary>): BackupSummary => ({
  system: 'postgres',
  backupId: 'b',
  kind: 'logical',
  site: 'west',
  sequence: 1,
  momentAt: '2026-11-23T11:30:00Z',
  sealedAt: '2026-11-23T11:31:00Z',
  standing: 'stored',
  provenAt: null,
  held: false,
  tiers: ['local'],
  plainBytes: 1000,
  storedBytes: 100,
  counts: {},
  parents: [],
  warnings: [],
  ...over,
});

describe('chooseBackup', () => {
  const wish = { system: 'postgres', backupId: 'newest', scope: 'whole', kind: undefined } as const;

  it('takes the highest sequence, whatever the clocks said', () => {
    const jumped = backup({ backupId: 'future', sequence: 1, momentAt: '2027-11-23T00:00:00Z' });
    expect(chooseBackup([jumped, backup({ backupId: 'later', sequence: 2 })], wish)?.backupId).toBe('later');
  });

  it('passes over kinds that cannot restore the scope', () => {
    const base = backup({ backupId: 'base', kind: 'physical', sequence: 9 });
    expect(chooseBackup([base, backup({ backupId: 'dump' })], { ...wish, scope: 'database' })?.backupId).toBe('dump');
  });

  it('finds nothing rather than another backup when the named one is missing', () => {
    expect(chooseBackup([backup({})], { ...wish, backupId: 'lost' })).toBeUndefined();
  });
});

describe('newestOfEachKind', () => {
  it('gives one backup for each kind of the systems asked for', () => {
    const backups = [
      backup({ backupId: 'old', sequence: 1 }),
      backup({ backupId: 'new', sequence: 3 }),
      backup({ backupId: 'base', kind: 'physical', sequence: 2 }),
      backup({ backupId: 'rdb', system: 'redis', kind: 'rdb', sequence: 4 }),
    ];
    expect(newestOfEachKind(backups, ['postgres']).map(({ backupId }) => backupId)).toEqual(['base', 'new']);
  });
});

describe('withinLimits', () => {
  // Thirty days of the default schedules: Redis every 15 minutes, two kinds of PostgreSQL and RabbitMQ hourly.
  const kinds = [...Array<string>(4).fill('rdb'), 'logical', 'physical', 'messages'];
  const month = Array.from({ length: 30 * 24 }, () => kinds)
    .flat()
    .map((kind, index) => backup({ backupId: `20261123t054900z-${kind}-${index}`, kind, sequence: index }))
    .reverse();

  it('gives the newest of each kind, in the order of the list', () => {
    const found = withinLimits(month, { newestOfEach: 2 }).map(({ kind }) => kind);
    expect(found.slice(0, 8)).toEqual([
      'messages',
      'physical',
      'logical',
      'rdb',
      'rdb',
      'messages',
      'physical',
      'logical',
    ]);
    expect(found.slice(8).toSorted()).toEqual(['logical', 'messages', 'physical', 'rdb']); // The oldest of each.
  });

  it('gives the newest proven one of each kind however old it is', () => {
    const proven = new Set([month.length - 14, month.length - 21]);
    const some = month.map((one, index) => ({ ...one, provenAt: proven.has(index) ? '2026-11-01T00:00:00Z' : null }));
    const found = withinLimits(some, { newestOfEach: 1 }).filter(({ provenAt }) => provenAt !== null);
    expect(found).toEqual([some[month.length - 21]]);
  });

  it('gives so many in all, or the one that is named', () => {
    expect(withinLimits(month, { most: 3 })).toEqual(month.slice(0, 3));
    expect(withinLimits(month, { backupId: month[9]?.backupId ?? '' })).toEqual([month[9]]);
    expect(withinLimits(month, {})).toEqual(month);
  });

  it('faults 8: what a run asks for fits into a message of Temporal, where a month of backups does not come near', () => {
    const limit = 2 * 1024 * 1024;
    expect(JSON.stringify(withinLimits(month, {})).length).toBeGreaterThan(limit / 2);
    expect(JSON.stringify(withinLimits(month, { newestOfEach: 11 })).length).toBeLessThan(limit / 10);
    expect(JSON.stringify(withinLimits(month, { most: 1500 })).length).toBeLessThan(limit);
  });
});

describe('judgeProof', () => {
  const DAY = 86_400;
  const aged = (kind: string, sealedDays: number, provenDays: number | null): BackupSummary =>
    backup({
      kind,
      sealedAt: new Date(NOON - sealedDays * DAY * 1000).toISOString(),
      provenAt: provenDays === null ? null : new Date(NOON - provenDays * DAY * 1000).toISOString(),
    });
  const levels = (...backups: BackupSummary[]) =>
    judgeProof(backups, 'postgres', 7 * DAY, NOON).map(({ level, subject }) => `${level} ${subject.split(' ').at(-1)}`);

  it('is content with a proof within the limit, of whichever backup of the kind', () => {
    expect(levels(aged('logical', 0, null), aged('logical', 9, 6))).toEqual(['ok (logical)']);
  });

  it('fails when the newest proof of any kind is older than the limit', () => {
    expect(levels(aged('logical', 1, 1), aged('physical', 9, 8))).toEqual(['ok (logical)', 'failed (physical)']);
  });

  it('fails when backups were stored for longer than the limit and none was ever proven, and warns before', () => {
    expect(levels(aged('logical', 0, null), aged('logical', 8, null))).toEqual(['failed (logical)']);
    expect(levels(aged('logical', 0, null), aged('logical', 6, null))).toEqual(['warning (logical)']);
  });
});

describe('judgePresence', () => {
  it('is content with a backup younger than the objective', () => {
    expect(judgePresence([backup({})], 'postgres', 3600, NOON)).toMatchObject({
      level: 'ok',
      message: 'b is 30 min old',
    });
  });

  it('fails when the newest backup is one second too old', () => {
    expect(judgePresence([backup({})], 'postgres', 1799, NOON)).toMatchObject({
      level: 'failed',
      code: 'BACKUP_ABSENT',
    });
  });

  it('fails when there is no backup, and names the command that makes one', () => {
    const finding = judgePresence([], 'redis', 900, NOON);
    expect(finding.message).toBe(
      "there is no backup of Redis\nMEANS: the newest usable backup is older than the objective allows\nDO: take one now: 'dr backup redis'",
    );
  });
});

describe('judgeDependants', () => {
  const chain = [
    backup({ backupId: 'base', sequence: 1 }),
    backup({ backupId: 'monday', sequence: 2, parents: ['base'] }),
    backup({ backupId: 'tuesday', sequence: 3, parents: ['monday'] }),
    backup({ backupId: 'other', sequence: 4 }),
    backup({ backupId: 'base', sequence: 5, system: 'redis' }),
    backup({ backupId: 'of-redis', sequence: 6, system: 'redis', parents: ['base'] }),
  ];

  it('faults 22: names every backup that a damaged one takes along, however far up, and no other', () => {
    expect(judgeDependants(chain.toReversed(), { system: 'postgres', backupId: 'base' })).toMatchObject([
      { level: 'failed', message: "'monday', 'tuesday' cannot be restored without it" },
    ]);
    expect(judgeDependants(chain, { system: 'postgres', backupId: 'tuesday' })).toEqual([]);
  });
});

describe('judgeKeys', () => {
  it('faults 28: takes a key in KMS that cannot be used for a failure, and no other warning', () => {
    const warning = { level: 'warning', subject: 's', message: 'm' } as const;
    const codes = ['KEY_DISABLED', 'KEY_UNREACHABLE', 'ACCESS_DENIED', 'WRONG_KEY', null];
    expect(judgeKeys(codes.map((code) => ({ ...warning, code }))).map(({ level }) => level)).toEqual([
      ...['failed', 'failed', 'warning', 'warning', 'warning'],
    ]);
  });
});

describe('judgeCounts', () => {
  const holding = (sequence: number, counts: Record<string, number>) =>
    backup({ system: 'redis', kind: 'rdb', backupId: `b${sequence}`, sequence, counts });
  const history = [1, 2, 3].map((sequence) => holding(sequence, { keys: 1000 + sequence, databases: 2 }));

  it('faults 42: finds a backup suspicious that holds nearly nothing of what those before it held', () => {
    expect(judgeCounts(history, holding(4, { keys: 0, databases: 0 }))).toMatchObject({ level: 'failed' });
    expect(judgeCounts(history, holding(4, { keys: 99 })).message).toContain('redis/b4');
    expect(judgeCounts(history, holding(4, { keys: 101 })).level).toBe('ok');
  });

  it('has no suspicion of the first backup, of queues that ran empty, or because of what came later', () => {
    expect(suspicionOf([], holding(1, { keys: 0 }))).toBeNull();
    expect(suspicionOf([holding(1, { messages: 9000 })], holding(2, { messages: 0 }))).toBeNull();
    expect(suspicionOf(history, holding(1, { keys: 0 }))).toBeNull();
    expect(suspicionOf(history, { system: 'redis', kind: 'rdb', counts: { keys: 0 } })).toContain('0 keys');
  });
});

describe('judgeSize', () => {
  const history = [100, 110, 90].map((plainBytes, index) =>
    backup({ backupId: `h${index}`, sequence: index, plainBytes }),
  );

  it('warns when a backup is much smaller than those before it (faults 42)', () => {
    expect(judgeSize(history, backup({ sequence: 9, plainBytes: 40 })).level).toBe('warning');
  });

  it('is content with a usual size, and with the first of its kind', () => {
    expect(judgeSize(history, backup({ sequence: 9, plainBytes: 95 })).level).toBe('ok');
    expect(judgeSize([], backup({ plainBytes: 1 })).level).toBe('ok');
  });
});

describe('worstLevel', () => {
  it('is as bad as the worst finding', () => {
    const of = (...levels: ('ok' | 'warning' | 'failed')[]) =>
      worstLevel(levels.map((level) => ({ level, subject: '', message: '', code: null })));
    expect([of(), of('ok'), of('ok', 'warning'), of('warning', 'failed')]).toEqual(['ok', 'ok', 'warning', 'failed']);
  });
});
