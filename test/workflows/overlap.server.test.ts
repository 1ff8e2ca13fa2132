// faults 9: a backup that is slower than its interval, on a real schedule of a real Temporal server.
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { applySchedules, listSchedules } from '../../client/temporal/schedules.ts';
import type { WantedSchedule } from '../../client/wanted-schedules.ts';
import { backUpWorkflowId } from '../../domain/run-names.ts';
import { CONTROL_QUEUE } from '../../workflows/messages.ts';
import { failureOf } from './endings.ts';
import { createFakeWorld, type FakeWorld } from './fake-world.ts';
import { BACKUP, CONTEXT, type LawCourt, openCourt, worldWithBackups } from './law-world.ts';

let court: LawCourt;
beforeAll(async () => {
  court = await openCourt();
});
afterAll(() => court?.close());

const PLATFORM = { ...CONTEXT, systems: [{ system: 'postgres' as const, kinds: ['logical'] }], applyRetention: false };

/** A schedule as `dr schedule apply` makes it, of seconds instead of hours. */
const EVERY_TWO_SECONDS: WantedSchedule = {
  id: 'dr/orders/postgres/logical',
  everyMs: 2000,
  offsetMs: 0,
  workflow: 'backUpPlatform',
  workflowId: 'backup/orders/postgres/logical/scheduled',
  input: { ...PLATFORM, limitSeconds: 1 },
  system: 'postgres',
  summary: 'Scheduled backup',
  digest: 'overlap',
};

/** A store whose backups take until `release`. */
function slowStore(): { readonly world: FakeWorld; readonly release: () => void } {
  const world = createFakeWorld();
  const take = world.activities['postgres.takeBackup'];
  const gate = Promise.withResolvers<void>();
  onTestFinished(() => gate.resolve());
  world.activities['postgres.takeBackup'] = async (input: unknown) => {
    const taken = await take?.(input);
    await gate.promise;
    return taken;
  };
  return { world, release: () => gate.resolve() };
}

/** Removes the schedule when none of its runs is left. */
async function endSchedule(): Promise<void> {
  const handle = court.temporal.client.schedule.getHandle(EVERY_TWO_SECONDS.id);
  await handle.pause();
  await expect.poll(async () => (await handle.describe()).info.runningActions, generous).toEqual([]);
  await applySchedules(court.temporal, CONTEXT.platform, []);
}

const generous = { timeout: 60_000, interval: 200 };
const takings = ({ acts }: FakeWorld) => acts.filter((act) => act === 'postgres.takeBackup').length;

describe('faults 9: a backup that is slower than its interval', { timeout: 120_000 }, () => {
  it('lets the next ones be skipped and counted with the reason, alarms, and the schedule goes on after it', async () => {
    const { world, release } = slowStore();
    const { temporal } = court;
    const missed = async () =>
      (await listSchedules(temporal, 'orders', [EVERY_TWO_SECONDS])).map((line) => line.overlapped)[0];
    await court.within(world, async () => {
      await applySchedules(temporal, 'orders', [EVERY_TWO_SECONDS]);
      await expect.poll(missed, generous).toBeGreaterThanOrEqual(2);
      expect(takings(world)).toBe(1);
      release();
      await expect.poll(() => world.notices.some(({ type }) => type === 'backup.stored'), generous).toBe(true);
      await endSchedule();
    });
    const [first] = world.notices;
    expect(first).toMatchObject({ type: 'backup.failed', level: 'alarm', facts: { code: 'OUT_OF_TIME' } });
    expect(world.audit[0]).toMatchObject({ act: 'backup.failed', facts: { code: 'OUT_OF_TIME' } });
    expect(world.notices.map(({ type }) => type)).toContain('platform-backup.failed');
  });

  it('of a person makes the scheduled one fail as LOCKED, recorded and alarmed with the name of that run', async () => {
    const { world, release } = slowStore();
    await court.within(world, async () => {
      const workflowId = backUpWorkflowId('orders', 'postgres', 'logical');
      const options = { workflowId, taskQueue: CONTROL_QUEUE, args: [{ ...BACKUP, scheduled: false }] };
      const manual = await court.temporal.client.workflow.start('backUpSystem', options);
      const failure = await failureOf(court.run('backUpPlatform', PLATFORM));
      expect(failure.message).toContain(`'${workflowId}' is running already`);
      release();
      await manual.result();
      expect(takings(world)).toBe(1);
      expect(world.notices).toMatchObject([
        { type: 'platform-backup.failed', level: 'alarm', message: expect.stringContaining(workflowId) },
        { type: 'backup.stored' },
      ]);
      expect(world.audit[0]).toMatchObject({ act: 'platform-backup.failed', facts: { codes: 'LOCKED' } });
    });
  });

  it('raises the alarm once the newest backup is older than the objective', async () => {
    const world = await worldWithBackups();
    const input = { ...CONTEXT, systems: ['postgres'], maximumAgeSeconds: { postgres: 60 }, backup: null, all: false };
    const failure = await court.within(world, () =>
      failureOf(court.run('verifyBackups', { ...input, depth: 'presence' })),
    );
    expect(failure.code).toBe('BACKUP_ABSENT');
    expect(world.notices).toMatchObject([{ type: 'verification.failed', level: 'alarm' }]);
  });
});
