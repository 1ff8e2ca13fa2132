// A whole platform and its worker as processes of their own, so that each can be killed; and an eye for what a run may
// not leave behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { type PlatformSpec, type RunningPlatform, startPlatform } from '../../local/platform.ts';
import { descendantsOf, processes } from '../../local/processes.ts';
import { CONTROL_QUEUE, siteQueue } from '../../workflows/messages.ts';

const WORKER = fileURLToPath(new URL('../../workers/main.ts', import.meta.url));
/** As `dr worker` has it. */
const COMPILED = fileURLToPath(new URL('../../node_modules/.cache/holdfast/compiled', import.meta.url));
const SERVED_WITHIN_MS = 180_000;
const FAULTY_WORKER = fileURLToPath(new URL('./faulty-worker.ts', import.meta.url));
const ACTIVITY_QUEUE = 2; // temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY

export interface Harness {
  readonly platform: RunningPlatform;
  readonly client: Client;
  readonly context: {
    readonly platform: string;
    readonly site: string;
    readonly tiers: readonly string[];
    readonly requestedBy: string;
  };
  readonly workerLog: string;
  workerPid(): number;
  startWorker(): Promise<void>;
  endWorker(signal: NodeJS.Signals): Promise<void>;
  /** Kills the worker, starts another one, and lets it take over at once what the dead one did for a run. */
  replaceWorker(workflowId: string): Promise<void>;
  /** Stops the worker's process as it stands and starts another one. */
  freezeWorker(): Promise<FrozenWorker>;
  start(type: string, workflowId: string, input: object): Promise<WorkflowHandle>;
  /** Files, processes and objects that no sealed backup and no running run accounts for. */
  leftovers(): Promise<string[]>;
  close(): Promise<void>;
}

export interface FrozenWorker {
  /** Lets it go on; it takes new work too. */
  thaw(): void;
  kill(): void;
}

interface HarnessSpec extends Pick<PlatformSpec, 'directory' | 'site' | 'standby' | 'approvers'> {
  /** Where the worker's activities ask whether they may go on; without it, a worker as in production. */
  readonly directorUrl?: string;
}

export async function startHarness({ directorUrl, ...spec }: HarnessSpec = {}): Promise<Harness> {
  const platform = await startPlatform(spec);
  const connection = await Connection.connect({ address: platform.temporal.address });
  const client = new Client({ connection });
  const workerLog = join(platform.directory, 'worker.log');
  const context = {
    platform: platform.name,
    site: platform.site.name,
    tiers: Object.keys(platform.configuration.repository.tiers),
    requestedBy: 'test',
  };
  let worker: ChildProcess | undefined;
  const frozen: ChildProcess[] = [];
  let ended: Promise<unknown> = Promise.resolve();
  const endWorker = async (signal: NodeJS.Signals) => {
    worker?.kill(signal);
    await ended;
  };
  const served = [platform.site.name, ...(platform.standby === null ? [] : [platform.standby.name])];
  const faulty = [...['--director', directorUrl ?? ''], ...served.flatMap((site) => ['--site', site])];
  const program = directorUrl === undefined ? [WORKER] : [FAULTY_WORKER, ...faulty];
  const startWorker = async () => {
    const log = openSync(workerLog, 'a', 0o600);
    worker = spawn(process.execPath, [...program, '--config', platform.configurationFile], {
      stdio: ['ignore', log, log],
      detached: true,
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILED },
    });
    closeSync(log);
    const running = worker;
    ended = new Promise((resolve) => running.once('exit', resolve));
    await untilServed(connection, served, running.pid ?? -1);
  };
  return {
    ...{ platform, client, context, workerLog, startWorker, endWorker },
    workerPid: () => worker?.pid ?? -1,
    freezeWorker: async () => {
      const first = worker;
      first?.kill('SIGSTOP');
      if (first) frozen.push(first);
      await startWorker();
      return { thaw: () => void first?.kill('SIGCONT'), kill: () => void first?.kill('SIGKILL') };
    },
    replaceWorker: async (workflowId) => {
      const dead = worker?.pid ?? -1;
      await endWorker('SIGKILL');
      await startWorker();
      await giveUpAttempts(client, workflowId, dead);
    },
    start: (type, workflowId, input) =>
      client.workflow.start(type, { workflowId, taskQueue: CONTROL_QUEUE, args: [{ ...context, ...input }] }),
    leftovers: () => leftovers(platform, worker?.pid),
    close: async () => {
      await endWorker('SIGKILL');
      for (const one of frozen) one.kill('SIGKILL');
      await connection.close();
      await platform.remove();
    },
  };
}

const STARTED = 2; // temporal.api.enums.v1.PendingActivityState.PENDING_ACTIVITY_STATE_STARTED

// What the server does by itself when heartbeats have been missing for 20 s, and workflow tasks for 10 s.
async function giveUpAttempts(client: Client, workflowId: string, pid: number): Promise<void> {
  const { raw } = await client.workflow.getHandle(workflowId).describe();
  const execution = { workflowId, runId: raw.workflowExecutionInfo?.execution?.runId ?? '' };
  await client.workflowService.resetStickyTaskQueue({ namespace: 'default', execution });
  for (const { activityId, state, lastWorkerIdentity } of raw.pendingActivities ?? []) {
    if (state !== STARTED || !activityId || !lastWorkerIdentity?.startsWith(`${pid}@`)) continue;
    await client.activity.fail({ ...execution, activityId }, new Error(`its worker ${pid} was killed`));
  }
}

// The soak uses this too, so it waits by itself and not by the test runner.
async function untilServed(connection: Connection, sites: readonly string[], pid: number): Promise<void> {
  for (const deadline = Date.now() + SERVED_WITHIN_MS; ; await wait(200)) {
    try {
      return await requireServed(connection, sites, pid);
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

// Pollers of a killed worker stay listed for a while; ours are told apart by the process id in their identity.
async function requireServed(connection: Connection, sites: readonly string[], pid: number): Promise<void> {
  const served = await Promise.all(
    [CONTROL_QUEUE, ...sites.map(siteQueue)].map(async (name) => {
      const { pollers } = await connection.workflowService.describeTaskQueue({
        namespace: 'default',
        taskQueue: { name },
        taskQueueType: ACTIVITY_QUEUE,
      });
      return (pollers ?? []).some(({ identity }) => identity?.startsWith(`${pid}@`));
    }),
  );
  if (!served.every(Boolean)) throw new Error(`worker ${pid} takes no work yet`);
}

async function leftovers(platform: RunningPlatform, workerPid: number | undefined): Promise<string[]> {
  const below = (part: string) => join(platform.directory, part);
  const work = platform.configuration.sites[platform.site.name]?.workDirectory ?? '';
  return [
    ...(await filesBelow(below('spool'))).map((name) => `spool: ${name}`),
    ...(await readdir(work)).filter((name) => name !== 'kept').map((name) => `work: ${name}`),
    ...(await unsealed(below('repository'))).map((name) => `tier: ${name}`),
    ...childrenOf(workerPid).map((command) => `process: ${command}`),
    ...processesUsing(work).map((command) => `process: ${command}`),
  ];
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** Files of backups that have no manifest. */
async function unsealed(repository: string): Promise<string[]> {
  const files = await filesBelow(join(repository, 'backups'));
  const sealed = new Set(files.filter((file) => file.endsWith('/manifest.json')).map((file) => join(file, '..')));
  return files.filter((file) => !sealed.has(join(file, '..')));
}

function childrenOf(pid: number | undefined): string[] {
  return processes()
    .filter(({ parent }) => parent === pid)
    .map(({ command }) => command);
}

/** Processes whose command line or working folder lies in `folder`: scratch servers and clones that outlived their run. */
function processesUsing(folder: string): string[] {
  return processes()
    .filter(({ command, cwd }) => command.includes(folder) || cwd.startsWith(folder))
    .map(({ command }) => command);
}

/** Every environment and command line of the processes that descend from `pid`. */
export function exposedBy(pid: number): string {
  return descendantsOf(pid)
    .map((one) => `${read(`/proc/${one}/cmdline`)}\n${read(`/proc/${one}/environ`)}`)
    .join('\n');
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Contents of every file below `folder`, as bytes. */
export async function contentsBelow(folder: string): Promise<{ readonly file: string; readonly bytes: Buffer }[]> {
  return Promise.all((await filesBelow(folder)).map(async (file) => ({ file, bytes: await readFile(file) })));
}
