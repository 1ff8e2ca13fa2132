import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Look } from '../../../domain/contracts/status.ts';
import type { Health, StatusLine } from '../../../domain/contracts/system-status.ts';
import { backupLines, backupsIn, tierLines } from '../../../domain/status/backups.ts';
import { linesOf, worstFirst, worstOf } from '../../../domain/status/lines.ts';
import { applicationLines, diskLines, scheduleLines, workerLines } from '../../../domain/status/surroundings.ts';

const LEVELS: readonly Health[] = ['ok', 'warning', 'unknown', 'failed'];
const level = fc.constantFrom(...LEVELS);
const unseen = (code: string, silent: boolean): Look<never> => ({ unseen: { code, message: 'why', silent } });
const NOW = Date.parse('2026-11-24T12:00:00.000Z');
const at = (seconds: number) => new Date(NOW + seconds * 1000).toISOString();

describe('the worst of several levels', () => {
  it('is never better than any of them, and one of them', () => {
    fc.assert(
      fc.property(fc.array(level, { minLength: 1 }), (levels) => {
        const worst = worstOf(levels);
        expect(levels).toContain(worst);
        for (const one of levels) expect(LEVELS.indexOf(worst)).toBeGreaterThanOrEqual(LEVELS.indexOf(one));
      }),
    );
  });

  it('of nothing is unknown', () => expect(worstOf([])).toBe('unknown'));
});

describe('a look that saw nothing', () => {
  it.each([
    ['failed', unseen('STORE_UNREACHABLE', false)],
    ['unknown', unseen('STORE_UNREACHABLE', true)],
    ['unknown', unseen('ACCESS_DENIED', false)],
    ['unknown', unseen('BUG', false)],
    ['unknown', unseen('NO_TEMPORAL', false)],
  ])('is %s: only a refusal proves that something is down', (wanted, look) => {
    expect(linesOf('x', look, () => [])).toMatchObject([{ level: wanted, message: 'why' }]);
  });

  it('is never well, whatever was looked at', () => {
    fc.assert(
      fc.property(fc.string(), fc.boolean(), (code, silent) => {
        const look = unseen(code, silent);
        const all = [
          ...tierLines({ a: look }, NOW),
          ...backupLines(backupsIn({ a: look }), [], { tiers: [], proofLimitSeconds: 1 }, NOW),
          ...applicationLines({ a: look }),
          ...diskLines({ a: look }, { warnFreePercent: 0, failFreePercent: 0 }),
          ...scheduleLines(look, NOW),
          ...workerLines(look),
        ];
        expect(all).toHaveLength(6);
        for (const one of all) expect(['unknown', 'failed']).toContain(one.level);
      }),
    );
  });
});

describe('the lines that are shown', () => {
  it('leave out none that is worse than one that stands there', () => {
    fc.assert(
      fc.property(fc.array(level, { maxLength: 200 }), (levels) => {
        const lines = levels.map((one): StatusLine => ({ level: one, subject: 's', message: 'm', code: null }));
        const { shown, more } = worstFirst(lines);
        expect(shown.length + more).toBe(lines.length);
        const best = Math.min(...shown.map((one) => LEVELS.indexOf(one.level)));
        const left = lines.filter((one) => !shown.includes(one));
        for (const one of left) expect(LEVELS.indexOf(one.level)).toBeLessThanOrEqual(best);
      }),
    );
  });
});

describe('surroundings', () => {
  it.each([
    [50, 'ok'],
    [9, 'warning'],
    [2, 'failed'],
  ])('a disk with %i %% free is %s', (percent, wanted) => {
    const disk = { seen: { path: '/x', freeBytes: percent * 1000, totalBytes: 100_000 } };
    expect(diskLines({ spool: disk }, { warnFreePercent: 10, failFreePercent: 3 })).toMatchObject([{ level: wanted }]);
  });

  const schedule = {
    id: 's',
    watches: false,
    nextAt: at(60),
    lastAt: at(-60),
    paused: false,
    note: '',
    missed: 0,
    differs: null,
  };
  it.each([
    ['ok', {}],
    ['ok', { watches: true, nextAt: null, lastAt: null }],
    ['warning', { paused: true, note: 'maintenance' }],
    ['warning', { differs: 'missing' }],
    ['failed', { nextAt: at(-600) }],
  ])('a schedule is %s with %o', (wanted, some) => {
    expect(scheduleLines({ seen: [{ ...schedule, ...some }] }, NOW)).toMatchObject([{ level: wanted }]);
  });

  it('a queue without workers failed, and one with workers of two builds is warned of', () => {
    const queue = (...builds: string[]) => ({
      seen: [{ queue: 'control', workers: builds.map((build) => ({ identity: 'w', build })) }],
    });
    expect(workerLines(queue())).toMatchObject([{ level: 'failed', code: 'NO_WORKER' }]);
    expect(workerLines(queue('1', '1'))).toMatchObject([{ level: 'ok' }]);
    expect(workerLines(queue('1', '2'))).toMatchObject([{ level: 'warning' }]);
  });
});
