// The four laws of a workflow of several steps, for any of them: a repetition changes nothing; a failure at any step is
// told and leaves a clean slate, also when each undo runs twice; what is run again ends as if nothing had failed; no undo
// that fails is passed over.
import { describe, expect, it } from 'vitest';
import type { FailureCode } from '../../domain/failures.ts';
import { wireFailureOf } from '../../domain/wire-failure.ts';
import { seed } from '../integration/strikes.ts';
import type { FakeWorld } from '../workflows/fake-world.ts';
import type { LawCourt } from '../workflows/law-world.ts';

export interface LawSubject {
  readonly workflow: string;
  readonly input: unknown;
  /** The world before the run. */
  readonly prepare: () => Promise<FakeWorld>;
  /** Every act of an undisturbed run, in any order: a new one must be added here, and is then judged. */
  readonly acts: readonly string[];
  /** Acts besides, which stand before the same laws elsewhere: none of them is made to fail here. */
  readonly judgedElsewhere?: readonly string[];
  /** What must be the same after any number of runs. */
  readonly state: (world: FakeWorld) => unknown;
  /** Acts without which the run can still do its work well. */
  readonly dispensable?: readonly string[];
  /** What a run that did not succeed may not leave besides. */
  readonly leaves?: (world: FakeWorld) => readonly string[];
  /** Acts that clean up: when one of them fails, what it should have removed may stay, told. */
  readonly cleanUps: readonly string[];
  /** How a run that has nothing left to do is refused; absent where it ends well. */
  readonly refusesAgain?: FailureCode;
  /** An act that fails for good, and an undo that fails after it. */
  readonly failingUndo?: { readonly act: string; readonly undo: string };
}

/** @param court gives the court that is open when the tests run. */
export function obeysTheLaws(subject: LawSubject, court: () => LawCourt): void {
  const { workflow, input, acts, state, cleanUps, prepare, dispensable = [], leaves = () => [] } = subject;
  const leftIn = (world: FakeWorld) => [...leftovers(world), ...leaves(world)];
  const run = (world: FakeWorld) => court().within(world, () => court().run(workflow, input));
  /** A run after another one that may have done everything already. */
  const runAgain = (world: FakeWorld) =>
    run(world).catch((error: unknown) => {
      if (wireFailureOf(error).code !== subject.refusesAgain) throw error;
    });
  /** How a run ended and what it told: a failure, or a result with what is not well in it. */
  const verdictOf = (world: FakeWorld) =>
    run(world).then(
      (result) => ({ isGood: troubles(result).length === 0, told: JSON.stringify(result) }),
      (error: unknown) => ({ isGood: false, told: wireFailureOf(error).message }),
    );

  let undisturbed: Promise<unknown> | undefined;
  const wantedState = () => {
    undisturbed ??= prepare().then(async (world) => {
      await run(world);
      return state(world);
    });
    return undisturbed;
  };

  describe(`${workflow} obeys the laws`, () => {
    it('does all its acts, and none that is not known to the laws', async () => {
      const world = await prepare();
      await run(world);
      const known = new Set([...acts, ...(subject.judgedElsewhere ?? [])]);
      expect([...new Set(world.acts)].sort()).toEqual([...known].sort());
      expect(leftIn(world)).toEqual([]);
    });

    it('ends the same when every act is done twice, and when the whole is run twice', async () => {
      const wanted = await wantedState();
      const twice = await prepare();
      twice.repeat = true;
      await run(twice);
      expect(state(twice)).toEqual(wanted);
      await runAgain(twice);
      expect([state(twice), leftIn(twice)]).toEqual([wanted, []]);
    });

    // Each act fails once in a run of the tests, before its effect or after it; the next seed takes the other.
    it.each(acts.map((act, index) => [act, (seed + index) % 2 === 0 ? 'before' : 'after'] as const))(
      'tells that %s failed (%s its effect), leaves a clean slate, and mends when run again',
      async (act, when) => {
        const wanted = await wantedState();
        const world = await prepare();
        world.repeat = true;
        world.break(act, when);
        const { isGood, told } = await verdictOf(world);
        if (!dispensable.includes(act)) expect(isGood, told).toBe(false);
        if (!cleanUps.includes(act)) expect(leftIn(world)).toEqual([]);
        world.mend();
        await runAgain(world);
        expect(state(world)).toEqual(wanted);
      },
    );

    const { failingUndo } = subject;
    if (failingUndo) {
      it(`is stuck, and never done, when ${failingUndo.undo} fails after ${failingUndo.act}`, async () => {
        const world = await prepare();
        world.break(failingUndo.act, 'after');
        world.break(failingUndo.undo, 'before');
        expect((await verdictOf(world)).isGood).toBe(false);
        expect(world.notices.map(({ type, level }) => [type.split('.').at(-1), level])).toContainEqual([
          'stuck',
          'alarm',
        ]);
      });
    }
  });
}

/** What a run that did not succeed may not leave: spooled files, unsealed copies, scratch, plans, steps in effect. */
function leftovers({ spool, unsealed, scratch, inEffect, isRestored, ground }: FakeWorld): string[] {
  const undoable = isRestored() ? [] : [...inEffect].filter((step) => ['stop', 'replace', 'start'].includes(step));
  return [...spool, ...unsealed, ...scratch, ...ground.plans, ...undoable];
}

// A workflow's result is a list of findings, or has one.
function troubles(result: unknown): readonly unknown[] {
  const findings = Array.isArray(result)
    ? result
    : ((result as { findings?: readonly unknown[] } | null)?.findings ?? []);
  return findings.filter((finding) => (finding as { level: string }).level === 'failed');
}
