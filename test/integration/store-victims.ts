// Killing a store where it stands, and starting it again as its service manager would.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { vi } from 'vitest';
import type { RunningSite } from '../../local/site.ts';
import { isAlive, storeOf, storePid } from '../support/store-process.ts';

const run = promisify(execFile);

/** @returns false when the system has no store, or its store does not run now: then nothing was touched. */
export async function killStore(site: RunningSite, system: string): Promise<boolean> {
  const store = storeOf(site, system);
  const pid = await storePid(site, system);
  if (!store?.start || pid === null) return false;
  process.kill(pid, 'SIGKILL');
  await vi.waitUntil(() => !isAlive(pid), { timeout: 60_000 });
  const [command = '', ...args] = store.start;
  // What the dead one left may be in the way for a moment: PostgreSQL's children, a port.
  await vi.waitFor(() => run(command, args, { cwd: '/' }), { timeout: 120_000, interval: 500 });
  return true;
}
