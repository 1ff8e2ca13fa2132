// `npm run demo -- --keep` leaves the platform running, and `npm run demo -- --stop FOLDER` ends it later: what that
// takes is in one file of the folder.
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { RunningPlatform } from '../platform.ts';
import type { RunningSite } from '../site.ts';

const run = promisify(execFile);
const FILE = 'running.json';
const STOP_WITHIN_MS = 20_000;

interface KeptProcess {
  readonly pid: number;
  /** When it started, by the kernel's clock: a number that was used again is another process. */
  readonly startedAt: string;
}

interface Kept {
  /** Ended before anything else, so that nothing works on stores that go away. */
  readonly first: readonly KeptProcess[];
  readonly processes: readonly KeptProcess[];
  /** Argument lists that stop the stores. */
  readonly stops: readonly (readonly string[])[];
}

/**
 * Writes what stopping the platform later takes.
 * @param workers what must end before the stores do. @param sites those whose stores run.
 */
export async function writeKept(
  platform: RunningPlatform,
  workers: readonly number[],
  sites: readonly RunningSite[] = [platform.site],
): Promise<void> {
  const { s3, ownTemporal } = platform;
  const pids = [s3.pid, ...(ownTemporal === null ? [] : [ownTemporal.pid])];
  const started = (all: readonly number[]) =>
    Promise.all(all.map(async (pid) => ({ pid, startedAt: (await startOf(pid)) ?? '' })));
  const [first, processes] = [await started(workers), await started(pids)];
  const services = sites.flatMap(({ postgres, redis, rabbitmq }) =>
    [postgres, redis, rabbitmq].map(({ configuration }) => configuration.service),
  );
  const kept: Kept = { first, processes, stops: services.flatMap((service) => (service ? [service.stop] : [])) };
  await writeFile(join(platform.directory, FILE), JSON.stringify(kept, null, 2), { mode: 0o600 });
}

/** Ends a platform that was kept and removes its folder. @throws when the folder is not one of ours. */
export async function stopKept(directory: string): Promise<void> {
  const kept = JSON.parse(await readFile(join(directory, FILE), 'utf8')) as Kept;
  await Promise.all(kept.first.map(end));
  await Promise.all([...kept.processes.map(end), ...kept.stops.map(([command = '', ...args]) => run(command, args))]);
  await rm(directory, { recursive: true, force: true });
}

async function end({ pid, startedAt }: KeptProcess): Promise<void> {
  const isThere = async () => (await startOf(pid)) === startedAt;
  if (!(await isThere())) return;
  process.kill(pid, 'SIGTERM');
  for (const deadline = Date.now() + STOP_WITHIN_MS; await isThere(); await wait(50))
    if (Date.now() > deadline) process.kill(pid, 'SIGKILL');
}

/** The 22nd field of /proc/PID/stat; undefined when there is no such process, or only its remains. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' ? undefined : fields[18];
}
