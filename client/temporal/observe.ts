// What a run is doing now: its steps (a query), and how far its activities are (their heartbeats).
import {
  isGrpcServiceError,
  QueryNotRegisteredError,
  ServiceError,
  type WorkflowExecutionStatusName,
} from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import type { Progress } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { RunState } from '../../domain/run-state.ts';
import { runState } from '../../workflows/messages.ts';
import type { Temporal } from './connection.ts';

export interface ActivityFacts {
  /** `postgres.takeBackup` */
  readonly name: string;
  readonly attempt: number;
  readonly progress: Progress | null;
  /** First line of what went wrong the last time; null on a first attempt. */
  readonly lastFailure: string | null;
}

export interface Snapshot {
  readonly status: WorkflowExecutionStatusName;
  readonly type: string;
  /** Null when no worker answered the query in time, or the workflow has none. */
  readonly state: RunState | null;
  readonly activities: readonly ActivityFacts[];
}

type Description = Awaited<ReturnType<ReturnType<Temporal['client']['workflow']['getHandle']>['describe']>>;

/** One look at a run and the runs below it. @throws {Failure} NO_TEMPORAL, RUN_NOT_FOUND. */
export async function observe(temporal: Temporal, id: string, runId?: string): Promise<Snapshot> {
  const handle = temporal.client.workflow.getHandle(id, runId);
  const description = await temporal.ask(() => handle.describe());
  const isRunning = description.status.name === 'RUNNING';
  const [state, activities] = await Promise.all([
    stateOf(temporal, id, runId),
    isRunning ? activitiesBelow(temporal, description, 3) : [],
  ]);
  return { status: description.status.name, type: description.type, state, activities };
}

const QUERY_MS = 3000;

/** The run's own account; null when no worker answers, or the workflow keeps none. */
export async function stateOf(temporal: Temporal, id: string, runId?: string): Promise<RunState | null> {
  const handle = temporal.client.workflow.getHandle(id, runId);
  try {
    return await temporal.connection.withDeadline(Date.now() + QUERY_MS, () => handle.query(runState));
  } catch (error) {
    if (isSilence(error)) return null;
    throw error;
  }
}

// A query needs a worker. Without one it times out; a workflow without the handler refuses it; a run that has just begun
// has not registered it yet. None of these says anything about the run itself.
function isSilence(error: unknown): boolean {
  return isGrpcServiceError(error) || error instanceof ServiceError || error instanceof QueryNotRegisteredError;
}

async function activitiesBelow(temporal: Temporal, description: Description, depth: number): Promise<ActivityFacts[]> {
  const { pendingActivities, pendingChildren } = description.raw;
  const own = await Promise.all((pendingActivities ?? []).map((one) => activityFacts(temporal, one)));
  if (depth === 0) return own;
  const below = (pendingChildren ?? []).map(async ({ workflowId, runId }) => {
    const child = temporal.client.workflow.getHandle(workflowId ?? '', runId || undefined);
    const description = await temporal.ask(() => child.describe()).catch(nullWhenNotThere);
    return description === null ? [] : activitiesBelow(temporal, description, depth - 1);
  });
  return [...own, ...(await Promise.all(below)).flat()];
}

// A child that its parent has asked for is pending before it exists.
function nullWhenNotThere(error: unknown): null {
  if (error instanceof Failure && error.code === 'RUN_NOT_FOUND') return null;
  throw error;
}

type PendingActivity = NonNullable<Description['raw']['pendingActivities']>[number];

async function activityFacts(temporal: Temporal, pending: PendingActivity): Promise<ActivityFacts> {
  const { activityType, attempt, heartbeatDetails, lastFailure } = pending;
  const converter = temporal.client.options.loadedDataConverter;
  const [details] = await decodeArrayFromPayloads(converter, heartbeatDetails?.payloads ?? null);
  return {
    name: activityType?.name ?? 'activity',
    attempt: attempt ?? 1,
    progress: isProgress(details) ? details : null,
    lastFailure: lastFailure?.message?.split('\n', 1)[0] ?? null,
  };
}

function isProgress(value: unknown): value is Progress {
  return typeof value === 'object' && value !== null && 'what' in value && 'doneBytes' in value;
}
