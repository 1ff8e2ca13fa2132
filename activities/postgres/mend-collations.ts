// Indexes on text rest on the order that a locale library gives. A base backup that is started beside another version of
// the library has indexes that are sorted by the old one: they are built anew before anything is believed.
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { IS_OPEN, quoteIdentifier } from '../../domain/systems/postgres-names.ts';
import { type Reach, type Session, withSession } from './connection.ts';

interface OtherVersion {
  readonly name: string;
  readonly recorded: string;
  readonly actual: string;
}

/**
 * Rebuilds the indexes of every database whose collations were recorded with another version than the library here has,
 * and records the new one. Repeat: finds only those that are not done. @returns one warning for each database rebuilt.
 */
export async function mendCollations(reach: Reach): Promise<Finding[]> {
  const databases = await withSession(reach, 'template1', readDatabases);
  const findings: Finding[] = [];
  for (const database of databases) findings.push(...(await mendDatabase(reach, database)));
  return findings;
}

type Known = Omit<OtherVersion, 'recorded' | 'actual'> & {
  readonly recorded: string | null;
  readonly actual: string | null;
};

// Before 15 a database records no version of its own.
function readDatabases(session: Session): Promise<Known[]> {
  return session.rows(`select d.datname as name, to_jsonb(d) ->> 'datcollversion' as recorded,
      case when current_setting('server_version_num')::int >= 150000 and to_jsonb(d) ->> 'datcollversion' is not null
        then pg_database_collation_actual_version(d.oid) end as actual
    from pg_database d where ${IS_OPEN} order by 1`);
}

function mendDatabase(reach: Reach, { name, recorded, actual }: Known): Promise<Finding[]> {
  return withSession(reach, name, async (session) => {
    const collations = await session.rows<OtherVersion>(COLLATIONS);
    const isOther = recorded !== null && actual !== null && recorded !== actual;
    if (!isOther && collations.length === 0) return [];
    await session.rows('set statement_timeout = 0');
    await session.rows(`reindex database ${quoteIdentifier(name)}`);
    for (const collation of collations) await session.rows(`alter collation ${collation.name} refresh version`);
    if (isOther) await session.rows(`alter database ${quoteIdentifier(name)} refresh collation version`);
    const versions = isOther ? [{ recorded, actual }, ...collations] : collations;
    return [warning(name, versions[0] as { recorded: string; actual: string })];
  });
}

const COLLATIONS = `
  select quote_ident(n.nspname) || '.' || quote_ident(c.collname) as name, c.collversion as recorded,
    pg_collation_actual_version(c.oid) as actual
  from pg_collation c join pg_namespace n on n.oid = c.collnamespace
  where c.collversion is distinct from pg_collation_actual_version(c.oid) and c.collversion is not null
    and exists (select from pg_depend d where d.refclassid = 'pg_collation'::regclass and d.refobjid = c.oid)
  order by 1`;

function warning(database: string, { recorded, actual }: { recorded: string; actual: string }): Finding {
  return {
    level: 'warning',
    subject: `database "${database}"`,
    message: `its text was sorted by version ${recorded} of a locale library and here is ${actual}: its indexes were built anew; look at unique keys and partitions on text`,
    code: null,
  };
}
