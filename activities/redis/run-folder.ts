// Private folders of a run below the work directory, and who may enter them.
import { createHash } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isSafeName } from '../../domain/manifest.ts';
import { requireCurrentAttempt } from '../shared/activity-context.ts';
import { removeRunFolder as removeFolder, withFreshFolder } from '../shared/run-folder.ts';
import { runTool } from '../shared/run-tool.ts';
import type { SystemDependencies } from '../shared/system-dependencies.ts';
import type { RedisConfiguration } from './client.ts';

export type RedisDependencies = SystemDependencies<RedisConfiguration>;

/** User of scratch servers: the configured one, or nobody when the worker is root and none is named. */
export function scratchUserOf({ scratchUser }: RedisDependencies): string | undefined {
  return scratchUser ?? (process.getuid?.() === 0 ? 'nobody' : undefined);
}

/** A run's id as one folder name; ids that are no plain name are cut and told apart by their hash. */
export function runName(run: string): string {
  if (isSafeName(run)) return run;
  const readable = run
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 60);
  return `run-${readable}-${createHash('sha256').update(run).digest('hex').slice(0, 12)}`;
}

/** Path of the folder of one purpose of a run. */
export function runFolder({ workDirectory }: RedisDependencies, run: string, purpose: string): string {
  return join(workDirectory, runName(run), `redis-${runName(purpose)}`);
}

/** Makes the folder (0700, owned by the scratch servers' user, who may pass through its parent). */
export async function makeRunFolder(deps: RedisDependencies, run: string, purpose: string): Promise<string> {
  requireCurrentAttempt();
  const folder = runFolder(deps, run, purpose);
  const parent = join(deps.workDirectory, runName(run));
  await mkdir(parent, { recursive: true, mode: 0o711 });
  await chmod(parent, 0o711);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  await giveToScratchUser(deps, folder);
  return folder;
}

/** Removes the folder, and the run's when nothing else is in it. */
export async function removeRunFolder(deps: RedisDependencies, run: string, purpose: string): Promise<void> {
  await removeFolder(runFolder(deps, run, purpose));
}

/** Gives `work` a folder that holds nothing of an earlier attempt and goes with the work. */
export function withRunFolder<T>(
  deps: RedisDependencies,
  run: string,
  purpose: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const make = () => makeRunFolder(deps, run, purpose);
  const remove = () => removeRunFolder(deps, run, purpose);
  return withFreshFolder({ make, remove }, work);
}

/** Makes `path` and all below it belong to the user of scratch servers, when the worker is root. */
export async function giveToScratchUser(deps: RedisDependencies, path: string): Promise<void> {
  const user = scratchUserOf(deps);
  if (user === undefined || process.getuid?.() !== 0) return;
  await runTool({ command: 'chown', args: ['-R', '--no-dereference', `${user}:`, '--', path] });
}
