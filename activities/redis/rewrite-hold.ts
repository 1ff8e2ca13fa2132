// Keeps Redis from rewriting its append-only files while they are copied, and gives the setting back whatever happens.
// The original value is written down before it is changed, so that the attempt after a killed worker finds it.
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { Failure } from '../../domain/failures.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { addressOf, infoOf, settingsOf } from './client.ts';
import type { RedisDependencies } from './run-folder.ts';

const SETTING = 'auto-aof-rewrite-percentage';
const REWRITE_WAIT_MS = 10 * 60_000;

interface Hold {
  readonly address: string;
  readonly original: string;
}

/** Where the original value stands while it is changed: next to the runs, because it outlives them. */
export function holdRecordPath({ workDirectory, configuration }: RedisDependencies): string {
  const name = createHash('sha256').update(addressOf(configuration)).digest('hex').slice(0, 16);
  return join(workDirectory, `redis-aof-rewrite-${name}.json`);
}

/** Runs `work` with automatic rewrites off and no rewrite running. */
export async function withoutRewrites<T>(deps: RedisDependencies, redis: Redis, work: () => Promise<T>): Promise<T> {
  await giveBack(deps, redis);
  await writeHold(deps, await settingsOf(redis, SETTING).then((found) => found[SETTING] ?? '100'));
  try {
    await redis.call('CONFIG', 'SET', SETTING, '0');
    await waitForRewrite(redis);
    return await work();
  } finally {
    await giveBack(deps, redis);
  }
}

/** Puts the original value back when a record of it stands. A second call finds no record and does nothing. */
export async function giveBack(deps: RedisDependencies, redis: Redis): Promise<void> {
  const hold = await readHold(deps);
  if (hold === null) return;
  await redis.call('CONFIG', 'SET', SETTING, hold.original);
  await rm(holdRecordPath(deps), { force: true });
}

/** The value that a lost attempt left to be put back, or null. */
export async function readHold(deps: RedisDependencies): Promise<Hold | null> {
  try {
    return JSON.parse(await readFile(holdRecordPath(deps), 'utf8')) as Hold;
  } catch (error) {
    // A record cut short was never followed by the change: it is synced first.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return null;
    throw error;
  }
}

async function writeHold(deps: RedisDependencies, original: string): Promise<void> {
  await mkdir(deps.workDirectory, { recursive: true, mode: 0o711 });
  const hold: Hold = { address: addressOf(deps.configuration), original };
  const file = await open(holdRecordPath(deps), 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify(hold));
    await file.sync();
  } finally {
    await file.close();
  }
}

async function waitForRewrite(redis: Redis): Promise<void> {
  for (const deadline = Date.now() + REWRITE_WAIT_MS; ; await wait(100)) {
    throwIfCancelled();
    const info = await infoOf(redis, 'persistence');
    if (info.aof_rewrite_in_progress === '0' && info.aof_rewrite_scheduled === '0') return;
    if (Date.now() > deadline)
      throw new Failure('TOOL_FAILED', 'a rewrite of the append-only file did not end within ten minutes');
  }
}
