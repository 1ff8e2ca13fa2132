// Whether the server of a data folder runs, and whether that folder is the live server's: here and in a container.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../domain/failures.ts';
import type { ContainerAccess } from '../shared/container.ts';
import { runTool } from '../shared/run-tool.ts';

/** Device and number of a folder, here or as a container sees it: a folder on a volume has the same in both. */
export async function folderIdentity(folder: string, container?: ContainerAccess): Promise<string> {
  return (await runTool({ command: 'stat', args: ['-c', '%d:%i', folder], container })).trim();
}

/** True while the server of this data folder runs. @throws {Failure} when a container's engine cannot tell. */
export async function isRunning(data: string, container: ContainerAccess | undefined): Promise<boolean> {
  // The number in the pid file is one of the container's own.
  if (container !== undefined) return isRunningInside(data, container);
  const pid = Number.parseInt(await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => ''), 10);
  if (!(pid > 1)) return false;
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
  return name.startsWith('postgres');
}

// A paused container cannot be entered either: only a server that took its pid file away has stopped.
async function isRunningInside(data: string, container: ContainerAccess): Promise<boolean> {
  try {
    await runTool({ command: 'true', args: [], container });
    return true;
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'STORE_UNREACHABLE') throw error;
    if (!existsSync(join(data, 'postmaster.pid'))) return false;
    const what = 'the container cannot be entered, and its server did not stop cleanly: it may be paused or was killed';
    throw new Failure('COULD_NOT_VERIFY', what, { folder: data }, error);
  }
}
