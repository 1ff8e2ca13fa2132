// Which process is a store of a site, told by its pid file.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunningSite } from '../../local/site.ts';

/** The process of a system's store; null when it has none, or none that runs now. */
export async function storePid(site: RunningSite, system: string): Promise<number | null> {
  const store = storeOf(site, system);
  const pid = store && (await pidIn(store.pidFile));
  return pid && isAlive(pid) ? pid : null;
}

/** Where a system's store tells its process, and what starts it; undefined for a system without a store. */
export function storeOf({ postgres, redis, rabbitmq }: RunningSite, system: string) {
  const stores: Readonly<Record<string, { readonly pidFile: string; readonly start: readonly string[] | undefined }>> =
    {
      postgres: {
        pidFile: join(postgres.dataDirectory, 'postmaster.pid'),
        start: postgres.configuration.service?.start,
      },
      redis: { pidFile: join(redis.dataDirectory, 'redis.pid'), start: redis.configuration.service?.start },
      rabbitmq: {
        pidFile: `${rabbitmq.configuration.dataDirectory}.pid`,
        start: rabbitmq.configuration.service?.start,
      },
    };
  return stores[system];
}

async function pidIn(file: string): Promise<number | null> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return Number.parseInt(text, 10) || null;
}

/** True of a process that runs: a zombie has no command line. */
export function isAlive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    return false;
  }
}
