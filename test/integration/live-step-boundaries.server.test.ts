// faults 3, 4: a restore over live data loses its worker, its Temporal server, a child process or its store after every
// step. It ends with exactly the backup in place and what it replaced kept; cancelled, with exactly what was there before.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SYSTEM_NAMES, type SystemName } from '../../domain/systems.ts';
import { wireFailureOf } from '../../domain/wire-failure.ts';
import { runState } from '../../workflows/messages.ts';
import type { Decide } from './director.ts';
import { carryThrough, expectNothingLeft, type LiveRestores, openLiveRestores } from './live-restores.ts';
import { type Strikes, seed, strikesOn, tellStrikes, VICTIMS, type Victim } from './strikes.ts';

let live: LiveRestores;
const allStrikes: string[] = [];

beforeAll(async () => {
  process.stdout.write(`live step boundaries: seed ${seed} (repeat with HOLDFAST_SEED=${seed})\n`);
  live = await openLiveRestores();
});
afterEach(() => live.director.direct());
afterAll(async () => {
  process.stdout.write(tellStrikes(allStrikes));
  await live?.close();
});

// It fills what is missing or empty, and leaves everything else as it is.
const REPLACES_NOTHING: readonly SystemName[] = ['rabbitmq'];

const isOwn = (system: SystemName) => (activity: string) => activity.startsWith(`${system}.`);

function expectEverythingStruck(strikes: Strikes): void {
  allStrikes.push(...strikes.told);
  expect(live.director.errors).toEqual([]);
  expect(strikes.missed()).toEqual([]);
  expect(strikes.told.length).toBeGreaterThan(0);
}

const dump = (strikes: Strikes) => strikes.told.join('; ');

/** @returns whether it was carried to its end; a person had it undone otherwise, and it left what was there before. */
async function restoreStruck(system: SystemName, wanted: object, victims: readonly Victim[]): Promise<boolean> {
  const before = await live.stateOf(system);
  const strikes = strikesOn(live.harness, { isWanted: isOwn(system), victims });
  live.director.direct(strikes.decide);
  const { result, error, questions } = await carryThrough(await live.start(system), live.harness.platform.name);
  expectEverythingStruck(strikes);
  await expectNothingLeft(live.harness);
  if (result === null) {
    // A store that was restarted is not the one that the plan saw: that, and nothing else, is refused.
    expect([wireFailureOf(error).code, questions.join()], dump(strikes)).toEqual([
      'ABORTED',
      expect.stringContaining('restarted or replaced since the plan was made'),
    ]);
    expect(await live.stateOf(system), dump(strikes)).toEqual(before);
    return false;
  }
  expect(await live.stateOf(system), dump(strikes)).toMatchObject(wanted);
  expect(result.kept.length > 0).toBe(!REPLACES_NOTHING.includes(system));
  return true;
}

describe('a restore over live data', { timeout: 900_000 }, () => {
  it.each(SYSTEM_NAMES)(
    'faults 3: of %s is struck after every step, ends with exactly the backup, and keeps what it replaced',
    async (system) => {
      const wanted = await live.stateOf(system);
      await live.damage(system);
      expect(await live.stateOf(system)).not.toEqual(wanted);
      if (await restoreStruck(system, wanted, VICTIMS)) return;
      expect(
        await restoreStruck(
          system,
          wanted,
          VICTIMS.filter((victim) => victim !== 'store'),
        ),
      ).toBe(true);
    },
  );

  it.each(SYSTEM_NAMES)(
    'faults 3: of %s is cancelled half way and struck after every undo, and leaves exactly what was there before',
    async (system) => {
      await live.damage(system);
      const before = [await live.stateOf(system), await keptBefore()];
      const handle = await live.start(system);
      const isWanted = (activity: string) => isOwn(system)(activity) && /undo|finish/.test(activity);
      const strikes = strikesOn(live.harness, { isWanted });
      live.director.direct(cancelAtAStep(handle, system, strikes));
      const { error } = await carryThrough(handle, live.harness.platform.name);
      expect(error, dump(strikes)).toMatchObject({ name: 'WorkflowFailedError', cause: { name: 'CancelledFailure' } });
      expectEverythingStruck(strikes);
      expect([await live.stateOf(system), await keptBefore()], dump(strikes)).toEqual(before);
      await expectNothingLeft(live.harness);
    },
  );
});

/** What earlier restores keep on the disk. */
async function keptBefore(): Promise<string[]> {
  const kept = join(live.harness.platform.site.directory, 'work', 'kept');
  return (await readdir(kept, { recursive: true }).catch(() => [])).sort();
}

/** Cancels after one of the steps that can be undone: another one for each system and seed. */
function cancelAtAStep(handle: WorkflowHandle, system: SystemName, strikes: Strikes): Decide {
  let isCancelled = false;
  let chosen: string | undefined;
  return async (boundary) => {
    const { activity, when } = boundary;
    if (activity.startsWith(`${system}.runRestoreStep`) && !isCancelled) {
      const { plan } = await handle.query(runState);
      const steps = (plan?.steps ?? []).filter(({ hasUndo }) => hasUndo);
      chosen ??= steps[(seed + SYSTEM_NAMES.indexOf(system)) % steps.length]?.id;
      if (activity.endsWith(`:${chosen}`) && when === 'after') {
        isCancelled = true;
        await handle.cancel();
      }
      return 'go';
    }
    return strikes.decide(boundary);
  };
}
