// Takeovers told from their journals, without any server: cut at an act, they go on in another engine and end as they would
// have ended.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { journalled } from '../../activities/journal/journalled.ts';
import type { RestoreStepInput } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { JournalStep } from '../../domain/journal.ts';
import { wireFailureOf } from '../../domain/wire-failure.ts';
import { type ContinuedRun, outcomeOf } from '../../workers/continuation/continued-run.ts';
import { untilNobodyWorks } from '../../workers/continuation/journals.ts';
import { workflowBundle } from '../../workers/workflow-bundle.ts';
import { seed } from '../integration/strikes.ts';
import type { ActivityMap } from '../support/temporal-environment.ts';
import type { FakeWorld } from '../workflows/fake-world.ts';
import { AT, Case, gone, RUN, type Takeover } from './takeover-case.ts';

let directory: string;
beforeAll(async () => {
  process.stdout.write(`continuation: seed ${seed} (repeat with HOLDFAST_SEED=${seed})\n`);
  directory = await mkdtemp(join(tmpdir(), 'holdfast-journal-'));
  await workflowBundle();
}, 120_000);
afterAll(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));

const slate = ({ epochs, names, closed, scratch, inEffect, isRestored, audit, notices }: FakeWorld) => ({
  ...{ epochs, names, closed: [...closed].sort(), scratch: [...scratch], inEffect: [...inEffect].sort() },
  ...{ isRestored: isRestored(), audit: audit.map(({ act }) => act).sort() },
  notices: notices.map(({ type }) => type).sort(),
});

// An account holds times of its own: the ledger keeps the first.
const oftenAsLike = (acts: readonly string[]) => acts.filter((act) => act !== 'ledger.recordFailover').sort();

function failureOf(end: ReturnType<typeof outcomeOf>): string | null {
  if (!('error' in end)) return null;
  return end.error instanceof Failure ? end.error.code : wireFailureOf(end.error).code;
}

const asked = async (run: ContinuedRun) => (await run.settledState()).questions.map(({ step }) => step);

const CUTS = 2;

/** Acts of so many at which it is cut, spread over its length and others with each seed. */
const momentsOf = (length: number): readonly number[] =>
  Array.from({ length: CUTS }, (_, index) => 1 + ((seed + Math.floor((index * length) / CUTS)) % length));

/** A restore that fails once the steps before are in effect. */
const STEP = 'start';
const ACT = `postgres.runRestoreStep:${STEP}`;

async function caseOf(workflow: Takeover, isBroken: boolean, scheduled = true): Promise<Case> {
  const made = await Case.of(directory, workflow, scheduled);
  if (isBroken) made.world.break(ACT, 'before');
  return made;
}

/** A failover that was cancelled in the middle of a step; with `isCut` its executor is gone while it takes that back. */
async function cancelled(isCut: boolean) {
  const one = await Case.of(directory, 'failOver');
  const { 'postgres.runRestoreStep': act, 'postgres.undoRestoreStep': undo } = one.world.activities as ActivityMap;
  const cut = Promise.withResolvers<void>();
  const { run, close } = await one.open({
    ...one.world.activities,
    'postgres.runRestoreStep': (input: RestoreStepInput) => {
      if (input.stepId !== 'replace') return act?.(input) ?? gone();
      run.cancel();
      return gone();
    },
    'postgres.undoRestoreStep': (input: RestoreStepInput) => {
      if (!isCut || input.stepId !== 'stop') return undo?.(input) ?? gone();
      cut.resolve();
      return gone();
    },
  });
  const end = await Promise.race([cut.promise, run.ended]);
  await close();
  return Object.assign(one, { failure: end === undefined ? null : failureOf(outcomeOf(end)) });
}

describe('faults 6: a takeover that lost Temporal', () => {
  it.each([
    ['done', 'failOver', false],
    ['done', 'failOverPlanned', false],
    ['done', 'failBack', false],
    ['taken back', 'failOver', true],
    ['taken back', 'failOverPlanned', true],
  ] as const)(
    'is %s as it would have been, wherever it was cut: %s',
    {
      timeout: 300_000,
    },
    async (_, workflow, broken) => {
      const whole = await caseOf(workflow, broken);
      const end = await whole.carryOn();
      expect(failureOf(end)).toBe(broken ? 'TOOL_FAILED' : null);
      for (const count of momentsOf(whole.world.acts.length)) {
        const cut = await caseOf(workflow, broken);
        await cut.cutAt(count);
        expect(failureOf(await cut.carryOn()), `cut at act ${count}`).toBe(failureOf(end));
        expect(slate(cut.world), `cut at act ${count}`).toEqual(slate(whole.world));
        expect(oftenAsLike(cut.world.acts), `cut at act ${count}`).toEqual(oftenAsLike(whole.world.acts));
      }
    },
  );

  it('stops where it was taken over, asks nobody and undoes nothing', { timeout: 60_000 }, async () => {
    const run = await Case.of(directory, 'failOver', false);
    run.world.break(ACT, 'before', 'TAKEN_OVER');
    expect(failureOf(await run.carryOn())).toBe('TAKEN_OVER');
    expect(run.world.acts.at(-1)).toBe(ACT);
    expect(run.world).toMatchObject({ epochs: [{ intent: 'failover' }], audit: [] });
    expect([...run.world.inEffect]).toEqual(['fetch', 'stop', 'replace']);
  });

  it('asks a person here, and hears again what was answered before', { timeout: 120_000 }, async () => {
    const one = await caseOf('failOver', true, false);
    const step = `postgres/${STEP}`;
    const first = await one.open();
    await vi.waitFor(async () => expect(await asked(first.run)).toEqual([step]), { timeout: 60_000 });
    one.world.mend();
    await first.run.tell('resolveStep', { step, action: 'retry', reason: 'it is mended', person: 'test' });
    expect(failureOf(outcomeOf(await first.run.ended))).toBeNull();
    await first.close();
    const again = await one.open(null);
    const { steps, questions } = await again.run.settledState();
    expect(questions).toEqual([]);
    expect(steps.find(({ id }) => id === 'keep')).toMatchObject({ status: 'done' });
    await again.close();
  });

  it('is taken back to the end when a person had begun that', { timeout: 120_000 }, async () => {
    const [whole, cut] = [await cancelled(false), await cancelled(true)];
    expect([...cut.world.inEffect]).toContain('stop');
    expect([whole.failure, failureOf(await cut.carryOn())]).toEqual(['ABORTED', 'ABORTED']);
    expect(slate(cut.world)).toEqual(slate(whole.world));
    expect([...cut.world.inEffect]).not.toContain('stop');
  });

  it('is no longer carried out by whoever had it before', { timeout: 60_000 }, async () => {
    const run = await Case.of(directory, 'failOver');
    await run.cutAt(10);
    await run.store.takeOver(0, 'test', AT);
    const note = { run: RUN, startedAt: AT, at: AT, begins: null, told: [], cancelled: false };
    const attempt = { workflow: RUN, workflowRun: 'r', call: 99, activity: 'a.b', input: {}, isLast: false };
    const by = (executor: number, result: string) =>
      journalled({ witnessDirectory: run.witness, executor }, note, attempt, async () => result);
    await expect(by(0, 'late')).rejects.toMatchObject({ type: 'TAKEN_OVER', nonRetryable: true });
    expect(await by(1, 'done')).toBe('done');
    expect(await by(1, 'twice')).toBe('done');
  });

  it('begins when nobody is at work any more: a worker that lives stops, a dead one leaves a mark', {
    timeout: 120_000,
  }, async () => {
    const run = await Case.of(directory, 'failOver');
    await run.cutAt(10);
    expect(await run.store.marks()).not.toEqual([]);
    await run.store.takeOver(0, 'test', AT);
    await untilNobodyWorks(run.store);
    expect(await run.store.marks()).toEqual([]);
    const [step] = (await run.store.read()).steps;
    await run.store.mark((step as JournalStep).begun);
    await untilNobodyWorks(run.store);
    expect(await run.store.marks()).toHaveLength(1);
  });
});
