// How the server is now, for `dr status`.
import type { SystemStatus } from '../../domain/contracts/system-status.ts';
import { judgeRedis, redisFigures } from '../../domain/systems/redis-status.ts';
import { infoOf, withStore } from './client.ts';
import type { RedisDependencies } from './run-folder.ts';

/**
 * *Does*: reads `INFO`. *Repeat*: reads again. *Undo*: none, nothing is changed.
 * @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED.
 */
export async function observe({ configuration }: RedisDependencies): Promise<SystemStatus> {
  const figures = redisFigures(await withStore(configuration, (redis) => infoOf(redis)));
  return { lines: judgeRedis(figures), facts: { ...figures } as unknown as SystemStatus['facts'], changedAt: null };
}
