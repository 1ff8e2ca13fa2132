// Takeovers told from their journals, without any server: cut at an act, they go on in another engine and end as they would
// have ended.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JournalStore } from '../../activities/journal/journal-store.ts';
import { journalled } from '../../activities/journal/journalled.ts';
import { asActivities } from '../../activities/shared/activity-boundary.ts';
import { currentSignal } from '../../activities/shared/activity-context.ts';
import type { RunBeginning } from '../../domain/journal.ts';
import { wireFailureOf } from '../../domain/wire-failure.ts';
import { ContinuedRun, outcomeOf } from '../../workers/continuation/continued-run.ts';
import { openSandbox, type Sandbox } from '../../workers/continuation/sandbox.ts';
import type { Activities } from '../../workers/wiring.ts';
import { seed } from '../integration/strikes.ts';
import type { ActivityMap } from '../support/temporal-environment.ts';
import { FAILED_OVER } from '../workflows/fake-failover.ts';
import type { FakeWorld } from '../workflows/fake-world.ts';
import { CONTEXT, worldWithBackups } from '../workflows/law-world.ts';

const RUN = 'failover/orders/0d4f6e8a-0000-4000-8000-000000000001';
const TAKEOVER = {
  ...{ ...CONTEXT, systems: ['postgres'], kinds: {}, options: {}, dryRun: false },
  ...{ movesNames: true, provisions: false, protect: [{ system: 'postgres', kinds: ['logical'] }] },
};
const INPUTS = {
  failOver: { ...TAKEOVER, at: null, unproven: true },
  failOverPlanned: TAKEOVER,
  failBack: TAKEOVER,
};
type Takeover = keyof typeof INPUTS;

let sandbox: Sandbox;
let directory: string;
let number = 0;
beforeAll(async () => {
  process.stdout.write(`continuation: seed ${seed} (repeat with HOLDFAST_SEED=${seed})\n`);
  directory = await mkdtemp(join(tmpdir(), 'holdfast-journal-'));
}, 120_000);
afterAll(() => rm(directory, { recursive: true, force: true }));

/** A takeover in a world of its own, which executors after each other carry on. */
class Case {
  readonly world: FakeWorld;
  readonly witness: string;
  private readonly beginning: RunBeginning;
  private executor = 0;

  private constructor(world: FakeWorld, workflow: Takeover) {
    number += 1;
    this.world = world;
    this.witness = join(directory, `witness-${number}`);
    const startedAt = '2026-11-24T03:00:00.000Z';
    this.beginning = { format: 1, run: RUN, workflow, startedAt, input: INPUTS[workflow] };
  }

  static async of(workflow: Takeover): Promise<Case> {
    const world = await worldWithBackups();
    if (workflow === 'failBack') world.epochs.push(FAILED_OVER);
    return new Case(world, workflow);
  }

  get store(): JournalStore {
    return new JournalStore(this.witness, RUN);
  }

  /** Carries it on with the next number. @returns how it ended. */
  async carryOn(acts: ActivityMap = this.world.activities) {
    sandbox = await openSandbox();
    try {
      const run = await this.begin(wrapped(acts));
      return outcomeOf(await run.ended);
    } finally {
      await sandbox.close();
    }
  }

  async begin(activities: Activities): Promise<ContinuedRun> {
    if (await this.store.isKept()) this.executor = await this.store.takeOver(this.executor, 'test', AT);
    const steps = (await this.store.isKept()) ? (await this.store.read()).steps : [];
    const place = { witnessDirectory: this.witness, executor: this.executor };
    return ContinuedRun.begin(
      sandbox,
      { beginning: this.beginning, steps },
      { place, activitiesOf: async () => activities },
    );
  }

  /** Carries it on until it begins its `count`-th act, which never ends: the process is gone. */
  async cutAt(count: number): Promise<void> {
    sandbox = await openSandbox();
    const cut = Promise.withResolvers<void>();
    let begun = 0;
    const acts = Object.entries(this.world.activities).map(([name, work]) => [
      name,
      (input: unknown) => {
        begun += 1;
        if (begun < count) return work(input);
        cut.resolve();
        return gone();
      },
    ]);
    const run = await this.begin(wrapped(Object.fromEntries(acts)));
    await Promise.race([cut.promise, run.ended]);
    await sandbox.close();
  }
}

// A process that is gone tells nothing; here it ends when another executor has the run.
function gone(): Promise<never> {
  const signal = currentSignal();
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

const AT = '2026-11-24T03:10:00.000Z';

const wrapped = (acts: ActivityMap): Activities =>
  Object.assign(
    {},
    ...Object.entries(acts).map(([name, work]) => {
      const [room = '', verb = ''] = name.split('.');
      return asActivities(room, { [verb]: work });
    }),
  );

const slate = ({ epochs, names, closed, scratch, inEffect, isRestored, audit, notices }: FakeWorld) => ({
  ...{ epochs, names, closed: [...closed].sort(), scratch: [...scratch], inEffect: [...inEffect].sort() },
  ...{
    isRestored: isRestored(),
    audit: audit.map(({ act }) => act).sort(),
    notices: notices.map(({ type }) => type).sort(),
  },
});

// An account holds times of its own: the ledger keeps the first.
const oftenAsLike = (acts: readonly string[]) => acts.filter((act) => act !== 'ledger.recordFailover').sort();

const failureOf = (end: Awaited<ReturnType<Case['carryOn']>>) =>
  'error' in end ? wireFailureOf(end.error).code : null;

const CUTS = 3;

/** Acts of so many at which it is cut, spread over its length and others with each seed. */
const momentsOf = (length: number): readonly number[] =>
  Array.from({ length: CUTS }, (_, index) => 1 + ((seed + Math.floor((index * length) / CUTS)) % length));

/** A restore that fails once the other steps are in effect: nobody is asked, and everything is taken back. */
const TAKEN_BACK = 'postgres.runRestoreStep:start';

async function caseOf(workflow: Takeover, isBroken: boolean): Promise<Case> {
  const made = await Case.of(workflow);
  if (isBroken) made.world.break(TAKEN_BACK, 'before');
  return made;
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
    { timeout: 300_000 },
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
    const run = await Case.of('failOver');
    run.world.break(TAKEN_BACK, 'before', 'TAKEN_OVER');
    expect(failureOf(await run.carryOn())).toBe('TAKEN_OVER');
    expect(run.world.acts.at(-1)).toBe(TAKEN_BACK);
    expect(run.world).toMatchObject({
      epochs: [{ intent: 'failover' }],
      inEffect: new Set(['fetch', 'stop', 'replace']),
    });
    expect(run.world.audit).toEqual([]);
  });

  it('is no longer carried out by whoever had it before', { timeout: 60_000 }, async () => {
    const run = await Case.of('failOver');
    await run.cutAt(10);
    const place = { witnessDirectory: run.witness, executor: 0 };
    await run.store.takeOver(0, 'test', AT);
    const [step] = (await run.store.read()).steps;
    const note = { run: RUN, startedAt: AT, at: AT, begins: null, told: [], cancelled: false };
    const attempt = { workflow: RUN, workflowRun: 'r', call: 99, activity: 'a.b', input: {}, isLast: false };
    expect(step).toBeDefined();
    await expect(journalled(place, note, attempt, async () => 'done')).rejects.toMatchObject({ type: 'TAKEN_OVER' });
    await expect(journalled({ ...place, executor: 1 }, note, attempt, async () => 'done')).resolves.toBe('done');
    await expect(journalled({ ...place, executor: 1 }, note, attempt, async () => 'twice')).resolves.toBe('done');
  });
});
