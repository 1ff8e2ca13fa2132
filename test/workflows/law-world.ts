// A Temporal server and one pair of workers that serve a fake world at a time: the tests of a file run one after the other.
import type { Connection, WorkflowHandle } from '@temporalio/client';
import type { Temporal } from '../../client/temporal/connection.ts';
import { type BackUpSystemInput, CONTROL_QUEUE, type RestoreSystemInput } from '../../workflows/messages.ts';
import { startTemporalEnvironment } from '../support/temporal-environment.ts';
import { createFakeWorld, type FakeWorld } from './fake-world.ts';

export const CONTEXT = {
  platform: 'orders',
  site: 'west',
  tiers: ['local', 's3'],
  requestedBy: 'test',
  scheduled: true,
};
export const BACKUP: BackUpSystemInput = { ...CONTEXT, system: 'postgres', kind: 'logical' };

/** A restore of the newest backup into scratch, or what `over` makes of it. */
export const restoring = (over: Partial<RestoreSystemInput> = {}): RestoreSystemInput => ({
  ...CONTEXT,
  system: 'postgres',
  dryRun: false,
  request: {
    backup: { system: 'postgres', backupId: 'newest' },
    tier: null,
    scope: { kind: 'whole', names: {} },
    target: 'scratch',
    expectedIdentity: null,
    options: {},
  },
  ...over,
});

export interface LawCourt {
  /** What the commands hold of Temporal. */
  readonly temporal: Temporal;
  /** Runs `work` while `world` is what the activities act on. */
  within<T>(world: FakeWorld, work: () => Promise<T>): Promise<T>;
  start(type: string, input: unknown): Promise<WorkflowHandle>;
  // biome-ignore lint/suspicious/noExplicitAny: workflows have different results.
  run(type: string, input: unknown): Promise<any>;
  close(): Promise<void>;
}

export async function openCourt(): Promise<LawCourt> {
  const environment = await startTemporalEnvironment();
  let inPlace: FakeWorld = createFakeWorld();
  let number = 0;
  const delegate = (name: string) => [
    name,
    (input: unknown) => (inPlace.activities[name] as (input: unknown) => Promise<unknown>)(input),
  ];
  const activities = Object.fromEntries(Object.keys(inPlace.activities).map(delegate));
  await environment.serve(['west', 'east'], activities);
  const start = (type: string, input: unknown) => {
    number += 1;
    return environment.client.workflow.start(type, {
      workflowId: `law-${number}`,
      taskQueue: CONTROL_QUEUE,
      args: [input],
    });
  };
  const run = async (type: string, input: unknown) => (await start(type, input)).result();
  const within = <T>(world: FakeWorld, work: () => Promise<T>): Promise<T> => {
    inPlace = world;
    return work();
  };
  const { client, temporal: server } = environment;
  const temporal: Temporal = {
    ...{
      client,
      connection: client.connection as Connection,
      address: server.address,
      namespace: 'default',
      uiUrl: '',
    },
    ask: (question) => question(),
    close: async () => undefined,
  };
  return { temporal, within, start, run, close: () => environment.close() };
}

/** A world in which so many backups are stored, the oldest `b1`; how they came there is forgotten. */
export async function worldWithBackups(count = 1): Promise<FakeWorld> {
  const world = createFakeWorld();
  for (let number = 1; number <= count; number += 1) {
    const backup = { system: 'postgres', backupId: `b${number}` };
    const taken = await world.activities['postgres.takeBackup']?.({ backup, kind: BACKUP.kind });
    await world.activities['repository.seal']?.({ taken });
    await world.activities['repository.clearSpool']?.({ backup });
  }
  world.acts.length = 0;
  return world;
}
