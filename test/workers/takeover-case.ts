// A takeover in a world of its own, without any server: executors after each other carry it on from its journal.
import { join } from 'node:path';
import { JournalStore } from '../../activities/journal/journal-store.ts';
import { asActivities } from '../../activities/shared/activity-boundary.ts';
import { currentSignal } from '../../activities/shared/activity-context.ts';
import type { RunBeginning } from '../../domain/journal.ts';
import { ContinuedRun, outcomeOf } from '../../workers/continuation/continued-run.ts';
import { openSandbox } from '../../workers/continuation/sandbox.ts';
import type { Activities } from '../../workers/wiring.ts';
import type { ActivityMap } from '../support/temporal-environment.ts';
import { FAILED_OVER } from '../workflows/fake-failover.ts';
import type { FakeWorld } from '../workflows/fake-world.ts';
import { CONTEXT, worldWithBackups } from '../workflows/law-world.ts';

export const RUN = 'failover/orders/0d4f6e8a-0000-4000-8000-000000000001';
export const AT = '2026-11-24T03:10:00.000Z';

const TAKEOVER = {
  ...{ ...CONTEXT, systems: ['postgres'], kinds: {}, options: {}, dryRun: false },
  ...{ movesNames: true, provisions: false, protect: [{ system: 'postgres', kinds: ['logical'] }] },
};
const INPUTS = {
  failOver: { ...TAKEOVER, at: null, unproven: true },
  failOverPlanned: TAKEOVER,
  failBack: TAKEOVER,
};
export type Takeover = keyof typeof INPUTS;

let number = 0;

export interface OpenRun {
  readonly run: ContinuedRun;
  /** Ends the executor where it stands. */
  close(): Promise<void>;
}

export class Case {
  readonly world: FakeWorld;
  readonly witness: string;
  private readonly beginning: RunBeginning;
  private executor = 0;

  private constructor(directory: string, world: FakeWorld, workflow: Takeover, scheduled: boolean) {
    number += 1;
    this.world = world;
    this.witness = join(directory, `witness-${number}`);
    const input = { ...INPUTS[workflow], scheduled };
    this.beginning = { format: 1, run: RUN, workflow, startedAt: '2026-11-24T03:00:00.000Z', input };
  }

  /** @param scheduled false for a run that asks people. */
  static async of(directory: string, workflow: Takeover, scheduled = true): Promise<Case> {
    const world = await worldWithBackups();
    if (workflow === 'failBack') world.epochs.push(FAILED_OVER);
    return new Case(directory, world, workflow, scheduled);
  }

  get store(): JournalStore {
    return new JournalStore(this.witness, RUN);
  }

  /** Tells it by the next executor; `acts` null tells what is written and does nothing. */
  async open(acts: ActivityMap | null = this.world.activities): Promise<OpenRun> {
    const isBegun = await this.store.isKept();
    if (isBegun && acts !== null) this.executor = await this.store.takeOver(this.executor, 'test', AT);
    const steps = isBegun ? (await this.store.read()).steps : [];
    const place = { witnessDirectory: this.witness, executor: this.executor };
    const sandbox = await openSandbox();
    const live = acts === null ? null : { place, activitiesOf: async () => wrapped(acts) };
    const run = await ContinuedRun.begin(sandbox, { beginning: this.beginning, steps }, live);
    return { run, close: () => sandbox.close() };
  }

  /** Carries it to its end. */
  async carryOn(): Promise<ReturnType<typeof outcomeOf>> {
    const { run, close } = await this.open();
    try {
      return outcomeOf(await run.ended);
    } finally {
      await close();
    }
  }

  /** Carries it on until it begins its `count`-th act, which never ends: the process is gone. */
  async cutAt(count: number): Promise<void> {
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
    const { run, close } = await this.open(Object.fromEntries(acts));
    await Promise.race([cut.promise, run.ended]);
    await close();
  }
}

// A process that is gone tells nothing; here it ends when another executor has the run.
export function gone(): Promise<never> {
  const signal = currentSignal();
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

const wrapped = (acts: ActivityMap): Activities =>
  Object.assign(
    {},
    ...Object.entries(acts).map(([name, work]) => {
      const [room = '', verb = ''] = name.split('.');
      return asActivities(room, { [verb]: work });
    }),
  );
