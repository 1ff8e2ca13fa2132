// What Temporal tells for `dr status`: schedules and workers. Its absence is told, and stops nothing else.
import type { Look, QueueStatus, ScheduleStatus, TemporalSeen } from '../../domain/contracts/status.ts';
import { Failure } from '../../domain/failures.ts';
import { CONTROL_QUEUE, siteQueue } from '../../workflows/messages.ts';
import type { Loaded } from '../configuration-file.ts';
import { wantedSchedules } from '../wanted-schedules.ts';
import { connectTemporal, type Temporal } from './connection.ts';
import { listSchedules, watcherRuns } from './schedules.ts';
import { pollersOf } from './workers.ts';

/** How long connecting, and each question, may take. */
const DEADLINE_MS = 3000;

/** Asks for schedules and workers, side by side. Never throws for Temporal's absence. */
export async function lookAtTemporal(loaded: Loaded): Promise<TemporalSeen> {
  const connected = await look(() => connectTemporal(loaded.configuration, DEADLINE_MS));
  if ('unseen' in connected) return { schedules: connected, queues: connected };
  const temporal = connected.seen;
  try {
    const [schedules, queues] = await Promise.all([
      look(() => schedulesOf(temporal, loaded)),
      look(() => queuesOf(temporal, loaded.site)),
    ]);
    return { schedules, queues };
  } finally {
    await temporal.close();
  }
}

/** What was seen, or why nothing was. Never throws. */
export async function look<T>(work: () => Promise<T>): Promise<Look<T>> {
  try {
    return { seen: await work() };
  } catch (error) {
    const { code, message } = error instanceof Failure ? error : new Failure('NO_TEMPORAL', String(error), {}, error);
    return { unseen: { code, message, silent: false } };
  }
}

async function schedulesOf(temporal: Temporal, loaded: Loaded): Promise<readonly ScheduleStatus[]> {
  const { configuration, site } = loaded;
  const lines = await listSchedules(temporal, configuration.platform, wantedSchedules(loaded));
  const schedules = lines.map(({ every: _, ...schedule }) => ({ ...schedule, watches: false }));
  if (configuration.sites[site]?.tls === undefined) return schedules;
  return [...schedules, await watcherOf(temporal, configuration.platform)];
}

// Certificates have no schedule: a run that never ends watches them.
async function watcherOf(temporal: Temporal, platform: string): Promise<ScheduleStatus> {
  const { id, running } = await watcherRuns(temporal, platform);
  const differs = running ? null : 'certificates are not watched';
  return { id, watches: true, nextAt: null, lastAt: null, paused: false, note: '', missed: 0, differs };
}

async function queuesOf(temporal: Temporal, site: string): Promise<readonly QueueStatus[]> {
  const queues = [CONTROL_QUEUE, siteQueue(site)];
  const facts = await Promise.all(queues.map((queue) => pollersOf(temporal, queue)));
  return facts.map(({ queue, builds }) => ({ queue, workers: builds }));
}
