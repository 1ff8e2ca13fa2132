// How many of a workload's markers are here.
import { MARKERS } from '../../domain/markers.ts';
import { IS_OPEN, IS_PLATFORM_DATABASE, quoteLiteral, quoteQualified } from '../../domain/systems/postgres-names.ts';
import { inEachDatabase, liveReach } from './connection.ts';
import type { Dependencies } from './context.ts';

const { schema, table } = MARKERS.postgres;
const NAME = quoteQualified(schema, table);

/**
 * Does: counts the rows of the markers' table in every database that has one.
 * Repeat: counts again. Undo: none needed, nothing is changed.
 * @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED.
 */
export async function countMarkers({ configuration }: Dependencies): Promise<number> {
  const reach = liveReach(configuration);
  const counts = await inEachDatabase(reach, `${IS_PLATFORM_DATABASE} and ${IS_OPEN}`, async (session) => {
    const { there } = await session.row<{ there: boolean }>(
      `select to_regclass(${quoteLiteral(NAME)}) is not null as there`,
    );
    if (!there) return 0;
    return (await session.row<{ count: number }>(`select count(*)::float8 as count from ${NAME}`)).count;
  });
  return counts.reduce((sum, count) => sum + count, 0);
}
