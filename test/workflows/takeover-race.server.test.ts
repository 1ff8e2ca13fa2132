// Two people start a failover at the same moment, each at a Temporal server of their own, over one witness.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EpochStore } from '../../activities/failover/epoch-store.ts';
import { asActivities } from '../../activities/shared/activity-boundary.ts';
import type { TakeEpochInput } from '../../domain/contracts/failover.ts';
import { wireFailureOf } from '../../domain/wire-failure.ts';
import type { FailOverInput } from '../../workflows/messages.ts';
import type { FakeWorld } from './fake-world.ts';
import { CONTEXT, type LawCourt, openCourt, worldWithBackups } from './law-world.ts';

const PEOPLE = ['anna', 'ben'] as const;

let directory: string;
let courts: readonly LawCourt[];
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-race-'));
  courts = [await openCourt(), await openCourt()];
});
afterAll(async () => {
  await Promise.all((courts ?? []).map((court) => court.close()));
  await rm(directory, { recursive: true, force: true });
});

const failover = (requestedBy: string): FailOverInput => ({
  ...{ ...CONTEXT, requestedBy, systems: ['postgres'], at: null, unproven: true, kinds: {}, options: {} },
  ...{ dryRun: false, movesNames: true, provisions: false, protect: [] },
});

/** The world of one Temporal server, with the real epochs of the witness that both share. */
async function worldAtWitness(meet: () => Promise<void>): Promise<FakeWorld> {
  const epochs = new EpochStore({
    platform: 'orders',
    activeSite: 'east',
    witnessDirectory: directory,
    now: () => new Date(),
  });
  const world = await worldWithBackups();
  const real = {
    readEpoch: () => epochs.read(),
    takeEpoch: async (input: TakeEpochInput) => {
      await meet();
      return epochs.take(input);
    },
  };
  Object.assign(world.activities, asActivities('failover', real));
  return world;
}

/** Lets nobody go on before everybody has come. */
function meetingOf(count: number): () => Promise<void> {
  const all = Promise.withResolvers<void>();
  let come = 0;
  return () => {
    come += 1;
    if (come === count) all.resolve();
    return all.promise;
  };
}

it('faults 48: of two Temporal servers over one witness one wins, and the run of the other ends with nothing changed at a site', async () => {
  const meet = meetingOf(PEOPLE.length);
  const worlds = await Promise.all(PEOPLE.map(() => worldAtWitness(meet)));
  const ends = await Promise.allSettled(
    courts.map((court, index) =>
      court.within(worlds[index] as FakeWorld, () => court.run('failOver', failover(PEOPLE[index] as string))),
    ),
  );
  const lost = ends.findIndex(({ status }) => status === 'rejected');
  const won = 1 - lost;
  expect(ends[won]).toMatchObject({ status: 'fulfilled', value: { report: { outcome: 'succeeded' } } });
  const { code, message } = wireFailureOf((ends[lost] as PromiseRejectedResult).reason);
  expect(code).toBe('EPOCH_TAKEN');
  expect(message).toContain(`epoch 1 was taken by ${PEOPLE[won]} at `);
  const [winner, loser] = [worlds[won], worlds[lost]] as [FakeWorld, FakeWorld];
  expect([winner.isRestored(), winner.names, [...winner.closed]]).toEqual([true, ['west'], ['east: fenced']]);
  expect([loser.isRestored(), loser.names, [...loser.closed], [...loser.inEffect]]).toEqual([false, [], [], []]);
});
