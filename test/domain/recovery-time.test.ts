import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  failoverPartOf,
  RECOVERY_PARTS,
  type RecoveryCourse,
  recoveryTimeOf,
  waitedSecondsOf,
} from '../../domain/recovery-time.ts';
import type { StepState, Wait } from '../../domain/run-state.ts';

const at = (second: number): string => new Date(Date.parse('2026-11-24T03:00:00.000Z') + second * 1000).toISOString();
const step = (id: string, from: number, to: number): StepState => ({
  ...{ id, title: id, status: 'done', detail: '', startedAt: at(from), endedAt: at(to) },
});
const wait = (id: string, from: number, to: number): Wait => ({ step: id, from: at(from), to: at(to) });
const COURSE: RecoveryCourse = {
  ...{ downSince: at(0), servedUntil: null, startedAt: at(10), openedAt: at(100), steps: [], waits: [], names: null },
  partOf: failoverPartOf(['postgres', 'redis']),
};
const time = (some: Partial<RecoveryCourse>) => recoveryTimeOf({ ...COURSE, ...some });
const parts = (some: Partial<RecoveryCourse>) => time(some).parts;

describe('the recovery time', () => {
  it('runs from the first failed probe until the site is open, and what nothing explains is ours', () => {
    const some = { steps: [step('fence', 20, 25), step('postgres', 30, 70)], waits: [wait('approve', 12, 18)] };
    expect(time(some)).toEqual({
      seconds: 100,
      parts: { detection: 10, people: 6, fence: 5, terraform: 0, restore: 40, dns: 0, ours: 39 },
    });
  });

  it('begins with the run when no probe saw the failure, and says that its detection is unknown', () => {
    expect(time({ downSince: null })).toMatchObject({ seconds: 90, parts: { detection: null, ours: 90 } });
  });

  it('has no detection when the run began before the first probe failed', () => {
    expect(time({ downSince: at(15) })).toMatchObject({ seconds: 90, parts: { detection: 0 } });
  });

  it('begins when clients were kept out, where a living site was handed over, whatever a probe saw of that', () => {
    const some = { servedUntil: at(40), steps: [step('fence', 50, 55)], waits: [wait('approve', 12, 45)] };
    const expected = { seconds: 60, parts: { detection: 0, people: 5, fence: 5, ours: 50 } };
    for (const downSince of [at(42), null]) expect(time({ ...some, downSince })).toMatchObject(expected);
  });

  it('counts restores that go on side by side once', () => {
    expect(parts({ steps: [step('postgres', 30, 70), step('redis', 40, 80)] })).toMatchObject({
      restore: 50,
      ours: 40,
    });
  });

  it('counts all attempts at a step, and the wait between them as the people it waited for', () => {
    const some = { steps: [step('fence', 20, 60)], waits: [wait('fence', 25, 55)] };
    expect(parts(some)).toMatchObject({ fence: 10, people: 30, ours: 50 });
  });

  it('counts a person inside of a restore as people only while nothing else is restored', () => {
    const waits = [wait('postgres/replace', 40, 70)];
    expect(parts({ steps: [step('postgres', 30, 80)], waits })).toMatchObject({ restore: 20, people: 30 });
    const both = [step('postgres', 30, 80), step('redis', 30, 60)];
    expect(parts({ steps: both, waits })).toMatchObject({ restore: 40, people: 10 });
  });

  it('ends when the last cache has let the old address go, and calls only that rest DNS', () => {
    const steps = [step('answers', 80, 85)];
    const names = { movedAt: at(85), ttlSeconds: 60 };
    expect(time({ steps, names })).toMatchObject({ seconds: 145, parts: { dns: 50, ours: 85 } });
    expect(time({ steps, names: { ...names, ttlSeconds: 5 } })).toMatchObject({ seconds: 100, parts: { dns: 5 } });
  });

  it('counts planning and making what the new site stands on as Terraform', () => {
    const steps = [step('terraform', 12, 15), step('prepare', 20, 22), step('provision', 22, 30)];
    expect(parts({ steps })).toMatchObject({ terraform: 13, ours: 77 });
  });

  it('leaves out what follows the opening', () => {
    expect(parts({ steps: [step('postgres', 90, 400)] }).restore).toBe(10);
  });

  it('has parts that add up, whatever overlaps', () => {
    const id = fc.constantFrom('fence', 'attest', 'terraform', 'postgres', 'redis', 'answers', 'lock', 'postgres/a');
    const span = fc.tuple(id, fc.nat(200), fc.nat(200));
    fc.assert(
      fc.property(fc.array(span), fc.array(span), fc.option(fc.nat(60)), fc.nat(60), (some, waits, ttl, down) => {
        const names = ttl === null ? null : { movedAt: at(90), ttlSeconds: ttl };
        const found = time({
          ...{ names, downSince: at(down) },
          steps: some.map(([name, from, length]) => step(name, from, from + length)),
          waits: waits.map(([name, from, length]) => wait(name, from, from + length)),
        });
        const sum = RECOVERY_PARTS.reduce((all, part) => all + (found.parts[part] ?? 0), 0);
        expect(sum).toBeCloseTo(found.seconds, 6);
        expect(Math.min(...RECOVERY_PARTS.map((part) => found.parts[part] ?? 0))).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe('the time that people were waited for', () => {
  it('is one wait where two questions are open at once', () => {
    expect(waitedSecondsOf([wait('a', 0, 10), wait('b', 5, 20), wait('c', 6, 7), wait('d', 30, 31)])).toBe(21);
    expect(waitedSecondsOf([])).toBe(0);
  });
});
