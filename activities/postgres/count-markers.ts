// How many of a workload's markers are here.
import { MARKERS } from '../../domain/markers.ts';
import { IS_OPEN, IS_PLATFORM_DATABASE, quoteLiteral, quoteQualified } from '../../domain/systems/postgres-names.ts';
import { liveReach, withSession } from './connection.ts';
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
  const databases = await withSession(reach, reach.database, (session) =>
    session.rows<{ name: string }>(
      `select datname as name from pg_database where ${IS_PLATFORM_DATABASE} and ${IS_OPEN} order by 1`,
    ),
  );
  const counts = await Promise.all(
    databases.map(({ name }) =>
      withSession(reach, name, async (session) => {
        const { there } = await session.row<{ there: boolean }>(
          `select to_regclass(${quoteLiteral(NAME)}) is not null as there`,
        );
        if (!there) return 0;
        return (await session.row<{ count: number }>(`select count(*)::float8 as count from ${NAME}`)).count;
      }),
    ),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
