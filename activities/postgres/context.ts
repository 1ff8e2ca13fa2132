// What every activity of PostgreSQL works with, and the folder that a run's files live in.
import { chmod, chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SystemConfiguration } from '../../domain/configuration/schema.ts';
import { Failure } from '../../domain/failures.ts';
import { isSafeName } from '../../domain/manifest.ts';
import { requireCurrentAttempt } from '../shared/activity-context.ts';
import { removeRunFolder as removeFolder, withFreshFolder } from '../shared/run-folder.ts';
import { runTool } from '../shared/run-tool.ts';
import type { SystemDependencies } from '../shared/system-dependencies.ts';
import { liveReach, type Reach, withSession } from './connection.ts';
import { type Tools, toolsOfLive } from './tools.ts';

export type Dependencies = SystemDependencies<SystemConfiguration<'postgres'>>;

export interface Live {
  readonly reach: Reach;
  readonly tools: Tools;
  /** `server_version_num`, for example 150018. */
  readonly versionNumber: number;
}

/** Reaches the live server and finds the tools of its version. */
export async function reachLive({ configuration }: Dependencies): Promise<Live> {
  const reach = liveReach(configuration);
  const { version } = await withSession(reach, reach.database, (session) =>
    session.row<{ version: string }>(`select current_setting('server_version_num') as version`),
  );
  const versionNumber = Number(version);
  return {
    reach,
    versionNumber,
    tools: await toolsOfLive(configuration, Math.floor(versionNumber / 10_000)),
  };
}

/** One run may do several things: each has a folder of its own below the run's. */
export type Purpose = 'restore' | `take-${string}` | `check-${string}`;

/** Path of the folder of a run, which may not exist yet. Ids become a path, so they are checked. */
export function runFolder({ workDirectory }: Dependencies, run: string, purpose: Purpose): string {
  const name = `postgres-${purpose}`;
  if (!isSafeName(run.toLowerCase()) || !isSafeName(name))
    throw new Failure('BUG', `these ids cannot name a folder: '${run}', '${purpose}'`);
  return join(workDirectory, run, name);
}

/** Makes the folder of a run: 0700, owned by the user of scratch servers, who may pass through its parent. */
export async function makeRunFolder(deps: Dependencies, run: string, purpose: Purpose): Promise<string> {
  requireCurrentAttempt();
  const folder = runFolder(deps, run, purpose);
  const parent = join(deps.workDirectory, run);
  await mkdir(parent, { recursive: true, mode: 0o711 });
  await chmod(parent, 0o711);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  await giveTo(deps.scratchUser, folder);
  return folder;
}

/** Gives `work` a folder that holds nothing of an earlier attempt and goes with the work. */
export function withRunFolder<T>(
  deps: Dependencies,
  run: string,
  purpose: Purpose,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const make = () => makeRunFolder(deps, run, purpose);
  const remove = () => removeRunFolder(deps, run, purpose);
  return withFreshFolder({ make, remove }, work);
}

/** Makes `path` belong to a system user, when the worker is root. */
export async function giveTo(user: string | undefined, path: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  if (user === undefined)
    throw new Failure(
      'CONFIG_INVALID',
      'the worker is root and the site names no scratchUser, but PostgreSQL refuses root',
    );
  await chown(path, await numericId('-u', user), await numericId('-g', user));
}

// The user of a store in a container is told by number: it may have no name on this machine.
async function numericId(flag: '-u' | '-g', user: string): Promise<number> {
  if (/^\d+$/.test(user)) return Number(user);
  return Number(await runTool({ command: 'id', args: [flag, '--', user] }));
}

/** Removes the folder of a run, and its parent when nothing else is in it. */
export async function removeRunFolder(deps: Dependencies, run: string, purpose: Purpose): Promise<void> {
  await removeFolder(runFolder(deps, run, purpose));
}
