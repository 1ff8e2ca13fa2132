// Temporal's schedules: made and changed so that repeating it changes nothing, and a paused one stays paused.
import { createHash } from 'node:crypto';
import {
  ScheduleAlreadyRunning,
  type ScheduleDescription,
  ScheduleNotFoundError,
  type ScheduleOptions,
  ScheduleOverlapPolicy,
  WorkflowExecutionAlreadyStartedError,
} from '@temporalio/client';
import { durationText } from '../../domain/duration.ts';
import { Failure } from '../../domain/failures.ts';
import { canonicalJson } from '../../domain/json.ts';
import { CONTROL_QUEUE } from '../../workflows/messages.ts';
import type { WantedSchedule } from '../wanted-schedules.ts';
import type { Temporal } from './connection.ts';
import { type Platform, runContext } from './platform.ts';
import { attributesOf, startOptions } from './start.ts';

export interface ScheduleLine {
  readonly id: string;
  readonly every: string;
  readonly nextAt: string | null;
  readonly lastAt: string | null;
  readonly paused: boolean;
  readonly note: string;
  /** Runs that were never started because their time had passed, since the schedule was made. */
  readonly missed: number;
  /** Runs that were never started because the one before them still ran, since the schedule was made. */
  readonly overlapped: number;
  /** How it differs from the configuration; null when it does not. */
  readonly differs: 'not in the configuration' | 'missing' | 'changed' | null;
}

export interface Applied {
  readonly id: string;
  readonly act: 'created' | 'updated' | 'unchanged' | 'removed' | 'started';
}

/** Makes the platform's schedules what is wanted; others of the platform are removed. */
export async function applySchedules(
  temporal: Temporal,
  platform: string,
  wanted: readonly WantedSchedule[],
): Promise<Applied[]> {
  const present = await idsOf(temporal, platform);
  const done: Applied[] = [];
  for (const one of wanted) done.push({ id: one.id, act: await applyOne(temporal, one) });
  for (const id of present.filter((known) => !wanted.some((one) => one.id === known))) {
    await temporal.ask(() => temporal.client.schedule.getHandle(id).delete());
    done.push({ id, act: 'removed' });
  }
  return done;
}

async function applyOne(temporal: Temporal, wanted: WantedSchedule): Promise<Applied['act']> {
  const definition = definitionOf(wanted);
  try {
    await temporal.ask(() => temporal.client.schedule.create(definition));
    return 'created';
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
  }
  const handle = temporal.client.schedule.getHandle(wanted.id);
  if (digestOf(await temporal.ask(() => handle.describe())) === wanted.digest) return 'unchanged';
  const { spec, action, policies } = definition;
  // The state is handed back as it was: without it a paused schedule would start to run.
  await temporal.ask(() => handle.update(({ state }) => ({ spec, action, policies: policies ?? {}, state })));
  return 'updated';
}

function definitionOf(wanted: WantedSchedule): ScheduleOptions {
  const { id, everyMs, offsetMs, workflow, workflowId, input, system, summary, digest } = wanted;
  return {
    scheduleId: id,
    spec: { intervals: [{ every: everyMs, offset: offsetMs }] },
    action: {
      type: 'startWorkflow',
      workflowType: workflow,
      workflowId,
      taskQueue: CONTROL_QUEUE,
      args: [input],
      staticSummary: summary,
      memo: { digest, requestedBy: input.requestedBy },
      typedSearchAttributes: attributesOf({ input, ...(system === null ? {} : { system }) }),
    },
    // After a long outage one missed run is made up for, not all of them.
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: everyMs, pauseOnFailure: false },
  };
}

const digestOf = ({ action }: ScheduleDescription): unknown => action.memo?.digest;

async function idsOf(temporal: Temporal, platform: string): Promise<string[]> {
  const ids: string[] = [];
  await temporal.ask(async () => {
    for await (const { scheduleId } of temporal.client.schedule.list()) {
      if (scheduleId.startsWith(`dr/${platform}/`)) ids.push(scheduleId);
    }
  });
  return ids.sort();
}

/** The platform's schedules compared with what is wanted. */
export async function listSchedules(
  temporal: Temporal,
  platform: string,
  wanted: readonly WantedSchedule[],
): Promise<ScheduleLine[]> {
  const ids = await idsOf(temporal, platform);
  const present = await Promise.all(ids.map((id) => describeOne(temporal, id, wanted)));
  const missing = wanted
    .filter(({ id }) => !ids.includes(id))
    .map((one): ScheduleLine => ({ ...nothingOf(one), differs: 'missing' }));
  return [...present, ...missing];
}

const nothingOf = ({ id, everyMs }: WantedSchedule) => ({
  id,
  every: durationText(everyMs),
  nextAt: null,
  lastAt: null,
  paused: false,
  note: '',
  missed: 0,
  overlapped: 0,
});

async function describeOne(temporal: Temporal, id: string, wanted: readonly WantedSchedule[]): Promise<ScheduleLine> {
  const description = await temporal.ask(() => temporal.client.schedule.getHandle(id).describe());
  const { info, state, spec } = description;
  const match = wanted.find((one) => one.id === id);
  const same = match !== undefined && digestOf(description) === match.digest;
  return {
    id,
    every: durationText(Number(spec.intervals?.[0]?.every ?? 0)),
    nextAt: info.nextActionTimes[0]?.toISOString() ?? null,
    lastAt: info.recentActions.at(-1)?.takenAt.toISOString() ?? null,
    paused: state.paused,
    note: state.note ?? '',
    missed: info.numActionsMissedCatchupWindow,
    overlapped: info.numActionsSkippedOverlap,
    differs: match === undefined ? 'not in the configuration' : same ? null : 'changed',
  };
}

/** Pauses, resumes or triggers one schedule. @throws {Failure} RUN_NOT_FOUND when there is no such schedule. */
export async function steerSchedule(
  temporal: Temporal,
  id: string,
  act: 'pause' | 'resume' | 'trigger',
  reason: string,
): Promise<void> {
  const handle = temporal.client.schedule.getHandle(id);
  const ACTS = {
    pause: () => handle.pause(reason || 'paused by a person'),
    resume: () => handle.unpause(reason || 'resumed by a person'),
    // The SDK's own default would let it run beside one that runs.
    trigger: () => handle.trigger(ScheduleOverlapPolicy.SKIP),
  };
  try {
    await temporal.ask(ACTS[act]);
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
    throw new Failure('RUN_NOT_FOUND', `there is no schedule '${id}'; see 'dr schedule list'`, { run: id }, error);
  }
}

/**
 * Starts the watcher that backs certificates up when they change; null when the site has none. One that was started with
 * another configuration, for example other tiers, is replaced; the new one begins with a backup.
 */
export async function startWatcher(platform: Platform): Promise<Applied | null> {
  const { configuration, site, temporal } = platform;
  if (configuration.sites[site]?.tls === undefined) return null;
  const context = { ...runContext(platform), requestedBy: 'schedule', scheduled: true, knownDigest: null };
  const digest = createHash('sha256').update(canonicalJson(context)).digest('hex');
  const id = watcherId(context.platform);
  const summary = 'Back up certificates when they change';
  const options = startOptions({
    id,
    input: context,
    summary,
    system: 'tls',
    workflow: 'watchCertificates',
    queues: [],
  });
  const start = (workflowIdConflictPolicy: 'FAIL' | 'TERMINATE_EXISTING') =>
    temporal.ask(() =>
      temporal.client.workflow.start('watchCertificates', {
        ...options,
        memo: { ...options.memo, digest },
        workflowIdConflictPolicy,
      }),
    );
  try {
    await start('FAIL');
    return { id, act: 'started' };
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
  const running = await temporal.ask(() => temporal.client.workflow.getHandle(id).describe());
  if (running.memo?.digest === digest) return { id, act: 'unchanged' };
  await start('TERMINATE_EXISTING');
  return { id, act: 'updated' };
}

const watcherId = (platform: string): string => `watch/${platform}/tls`;

/** Whether the watcher of certificates runs. */
export async function watcherRuns(temporal: Temporal, platform: string): Promise<{ id: string; running: boolean }> {
  const id = watcherId(platform);
  try {
    const { status } = await temporal.ask(() => temporal.client.workflow.getHandle(id).describe());
    return { id, running: status.name === 'RUNNING' };
  } catch (error) {
    if (error instanceof Failure && error.code === 'RUN_NOT_FOUND') return { id, running: false };
    throw error;
  }
}
