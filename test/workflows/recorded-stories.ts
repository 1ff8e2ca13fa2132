// The runs whose histories are kept and replayed: each workflow that does work, and the ways that matter through it.
import { setTimeout as wait } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { resolveStep, runState } from '../../workflows/messages.ts';
import { FAILED_OVER } from './fake-failover.ts';
import { createFakeWorld, type FakeWorld } from './fake-world.ts';
import { BACKUP, CONTEXT, restoring, worldWithBackups } from './law-world.ts';

export interface RecordedStory {
  /** Name of its file in `histories/`. */
  readonly name: string;
  readonly workflow: string;
  readonly input: unknown;
  prepare(): Promise<FakeWorld>;
  /** What a person does while it runs. */
  readonly during?: (handle: WorkflowHandle, world: FakeWorld) => Promise<void>;
}

/** A world in which one act fails for good before it takes effect. */
const broken = (prepare: () => Promise<FakeWorld>, act: string) => async () => {
  const world = await prepare();
  world.break(act, 'before');
  return world;
};

async function questionOf(handle: WorkflowHandle): Promise<string> {
  for (; ; await wait(100)) {
    const [question] = (await handle.query(runState)).questions;
    if (question !== undefined) return question.step;
  }
}

async function mendAndRetry(handle: WorkflowHandle, world: FakeWorld): Promise<void> {
  const step = await questionOf(handle);
  world.mend();
  await handle.executeUpdate(resolveStep, { args: [{ step, action: 'retry', reason: 'mended' }] });
}

const fresh = async () => createFakeWorld();
const oneBackup = () => worldWithBackups();
const RECOVERY = { ...CONTEXT, systems: ['postgres'], at: null, unproven: true, kinds: {}, options: {}, dryRun: false };

const HANDOVER = {
  ...{ ...CONTEXT, systems: ['postgres'], kinds: {}, options: {}, dryRun: false },
  ...{ movesNames: true, provisions: false, protect: [] },
};

async function afterFailover(): Promise<FakeWorld> {
  const world = await worldWithBackups();
  world.epochs.push(FAILED_OVER);
  return world;
}

export const RECORDED_STORIES: readonly RecordedStory[] = [
  { name: 'back-up-system', workflow: 'backUpSystem', input: BACKUP, prepare: fresh },
  {
    name: 'back-up-system-undone',
    workflow: 'backUpSystem',
    input: BACKUP,
    prepare: broken(fresh, 'repository.readBack:s3'),
  },
  {
    name: 'back-up-platform',
    workflow: 'backUpPlatform',
    input: { ...CONTEXT, systems: [{ system: 'postgres', kinds: ['logical'] }], applyRetention: true },
    prepare: oneBackup,
  },
  {
    name: 'verify-backups',
    workflow: 'verifyBackups',
    input: { ...CONTEXT, systems: ['postgres'], maximumAgeSeconds: {}, depth: 'proof', backup: null, all: false },
    prepare: oneBackup,
  },
  { name: 'restore-system', workflow: 'restoreSystem', input: restoring(), prepare: oneBackup },
  {
    name: 'restore-system-undone',
    workflow: 'restoreSystem',
    input: restoring(),
    prepare: broken(oneBackup, 'postgres.runRestoreStep:start'),
  },
  {
    name: 'restore-system-retried',
    workflow: 'restoreSystem',
    input: restoring({ scheduled: false }),
    prepare: broken(oneBackup, 'postgres.runRestoreStep:replace'),
    during: mendAndRetry,
  },
  {
    name: 'recover-platform',
    workflow: 'recoverPlatform',
    input: { ...RECOVERY, target: 'scratch' },
    prepare: oneBackup,
  },
  {
    name: 'fail-over',
    workflow: 'failOver',
    input: { ...RECOVERY, movesNames: true, protect: [] },
    prepare: oneBackup,
  },
  {
    name: 'fail-over-undone',
    workflow: 'failOver',
    input: { ...RECOVERY, movesNames: true, protect: [] },
    prepare: broken(oneBackup, 'dns.moveDns'),
  },
  { name: 'fail-over-planned', workflow: 'failOverPlanned', input: HANDOVER, prepare: oneBackup },
  {
    name: 'fail-over-planned-undone',
    workflow: 'failOverPlanned',
    input: HANDOVER,
    prepare: broken(oneBackup, 'postgres.runRestoreStep:start'),
  },
  { name: 'fail-back', workflow: 'failBack', input: HANDOVER, prepare: afterFailover },
  { name: 'apply-retention', workflow: 'applyRetention', input: { ...CONTEXT, dryRun: false }, prepare: oneBackup },
  {
    name: 'change-hold',
    workflow: 'changeHold',
    input: { ...CONTEXT, backup: { system: 'postgres', backupId: 'b1' }, hold: true, reason: 'audit' },
    prepare: oneBackup,
  },
];
