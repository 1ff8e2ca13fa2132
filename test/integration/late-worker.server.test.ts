// faults 2: a worker is frozen in the middle of its work for longer than its heartbeats may be missing. Another one takes
// over and ends the run, or undoes it. When the first wakes, it is refused at every door: what the second did stands.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SYSTEM_NAMES, SYSTEMS, type SystemName } from '../../domain/systems.ts';
import { runState } from '../../workflows/messages.ts';
import type { Answer, Boundary } from './director.ts';
import type { FrozenWorker } from './harness.ts';
import { carryThrough, expectNothingLeft, type LiveRestores, openLiveRestores } from './live-restores.ts';
import { seed } from './strikes.ts';

let live: LiveRestores;

beforeAll(async () => {
  process.stdout.write(`late worker: seed ${seed} (repeat with HOLDFAST_SEED=${seed})\n`);
  live = await openLiveRestores();
});
afterEach(() => live.director.direct());
afterAll(() => live?.close());

const turnOf = (system: SystemName) => seed + SYSTEM_NAMES.indexOf(system);

/** Holds one activity of each system as it begins, so that the worker can be frozen there. */
function holdEach(isChosen: (boundary: Boundary, system: SystemName) => Promise<boolean>) {
  const held = new Map<SystemName, { readonly boundary: Boundary; readonly goOn: (answer: Answer) => void }>();
  live.director.direct(async (boundary) => {
    const system = SYSTEM_NAMES.find((name) => boundary.workflowId.includes(`-${name}-`));
    if (!system || held.has(system) || boundary.when !== 'before') return 'go';
    if (!(await isChosen(boundary, system)) || held.has(system)) return 'go';
    return new Promise<Answer>((goOn) => held.set(system, { boundary, goOn }));
  });
  const isHeld = ({ workflowId, activity }: Boundary) =>
    [...held.values()].some(({ boundary }) => boundary.workflowId === workflowId && boundary.activity === activity);
  return {
    whenAllAreHeld: async () => {
      await expect.poll(() => held.size, { timeout: 240_000 }).toBe(SYSTEM_NAMES.length);
    },
    /** Lets the frozen worker go on until it has ended everything that it was held in. @returns how each ended. */
    wake: async (worker: FrozenWorker) => {
      const before = live.director.seen.length;
      const endings = () => live.director.seen.slice(before).filter((one) => one.when !== 'before' && isHeld(one));
      try {
        worker.thaw();
        for (const { goOn } of held.values()) goOn('go');
        await expect.poll(() => endings().length, { timeout: 240_000 }).toBe(SYSTEM_NAMES.length);
      } finally {
        worker.kill(); // It would take the work of the next scenario.
      }
      return endings().map(({ activity, when, code }) => `${activity} ${when} ${code ?? ''}`);
    },
  };
}

/** Where the worker of a backup is frozen: at another activity for each system and seed. */
function isChosenActivity({ activity }: Boundary, system: SystemName): boolean {
  const points = [
    `${system}.takeBackup`,
    'repository.copyToTier:local',
    'repository.readBack:s3',
    'repository.seal',
    'repository.clearSpool',
  ];
  return activity === points[turnOf(system) % points.length];
}

/** The mutating step of a restore at which the worker is frozen: another one for each system and seed. */
async function isChosenStep({ activity, workflowId }: Boundary, system: SystemName): Promise<boolean> {
  if (!activity.startsWith(`${system}.runRestoreStep`)) return false;
  const { plan } = await live.harness.client.workflow.getHandle(workflowId).query(runState);
  const steps = (plan?.steps ?? []).filter(({ hasUndo }) => hasUndo);
  return activity.endsWith(`:${steps[turnOf(system) % steps.length]?.id}`);
}

type States = ReadonlyMap<SystemName, object>;

async function statesOfAll(): Promise<States> {
  return new Map(await Promise.all(SYSTEM_NAMES.map(async (system) => [system, await live.stateOf(system)] as const)));
}

describe('faults 2: a worker that was frozen and wakes late', { timeout: 900_000 }, () => {
  it('adds nothing to backups that another one stored', async () => {
    const hold = holdEach(async (boundary, system) => isChosenActivity(boundary, system));
    const runs = await Promise.all(
      SYSTEM_NAMES.map((system) => {
        const input = { scheduled: true, system, kind: SYSTEMS[system].defaultKinds[0] ?? '' };
        return live.harness.start('backUpSystem', `late-${system}-backup`, input);
      }),
    );
    await hold.whenAllAreHeld();
    const frozen = await live.harness.freezeWorker();
    const stored = (await Promise.all(runs.map((run) => run.result()))).map(({ backup }) => backup.backupId);
    await hold.wake(frozen); // What is done already is found done, and the rest is refused: nothing shows below.
    live.director.direct();
    await expectNothingLeft(live.harness);
    const input = { scheduled: true, systems: SYSTEM_NAMES, maximumAgeSeconds: {}, depth: 'stored', backup: null };
    const { backups, verdict } = await (
      await live.harness.start('verifyBackups', 'verify', { ...input, all: true })
    ).result();
    const verified = backups.map(({ backup }: { backup: { backupId: string } }) => backup.backupId);
    expect(verdict).toBe('passed');
    expect(verified).toEqual(expect.arrayContaining(stored));
    expect(verified).toHaveLength(2 * SYSTEM_NAMES.length);
  });

  it('changes nothing of live systems that another one restored, or gave back after a cancellation', async () => {
    const isCancelled = (system: SystemName) => turnOf(system) % 2 === 0;
    const asBackedUp = await statesOfAll();
    for (const system of SYSTEM_NAMES) await live.damage(system);
    const damaged = await statesOfAll();
    const hold = holdEach(isChosenStep);
    const runs = await Promise.all(SYSTEM_NAMES.map(async (system) => ({ system, handle: await live.start(system) })));
    const carried = Promise.all(
      runs.map(async (run) => ({ ...run, ...(await carryThrough(run.handle, live.harness.platform.name)) })),
    );
    await hold.whenAllAreHeld();
    const frozen = await live.harness.freezeWorker();
    for (const { system, handle } of runs) if (isCancelled(system)) await handle.cancel();
    const wanted = (system: SystemName) => (isCancelled(system) ? damaged : asBackedUp).get(system);
    for (const { system, result, questions } of await carried)
      expect([system, result === null, questions]).toEqual([system, isCancelled(system), []]);
    const after = await statesOfAll();
    for (const system of SYSTEM_NAMES) expect(after.get(system)).toMatchObject(wanted(system) ?? {});
    // By its own pulse, or because the server's word that the attempt timed out reached it first.
    for (const ending of await hold.wake(frozen)) expect(ending).toMatch(/ failed (ATTEMPT_STALE|.*TIMED_OUT)$/);
    expect(await statesOfAll()).toEqual(after);
    await expectNothingLeft(live.harness);
  });
});
