// How many of a workload's markers are here.
import { MARKERS } from '../../domain/markers.ts';
import { withStore } from './client.ts';
import type { RedisDependencies } from './run-folder.ts';

/**
 * *Does*: walks over the markers' keys of database 0. *Repeat*: walks again. *Undo*: none, nothing is changed.
 * @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED.
 */
export async function countMarkers({ configuration }: RedisDependencies): Promise<number> {
  return withStore(configuration, async (redis) => {
    const found = new Set<string>();
    let cursor = '0';
    do {
      const [next, keys] = await redis.scan(cursor, 'MATCH', `${MARKERS.redis.prefix}*`, 'COUNT', 1000);
      for (const key of keys) found.add(key);
      cursor = next;
    } while (cursor !== '0');
    return found.size;
  });
}
