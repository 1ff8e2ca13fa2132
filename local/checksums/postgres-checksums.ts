// Counts and checksums of PostgreSQL, by its own SQL: every row of every table takes part, in any order.
import { type PostgresAccess, withDatabase } from '../dataset/postgres-data.ts';

export interface TableChecksum {
  readonly rows: number;
  /** Sum of a 64-bit hash of each row's text. */
  readonly hash: string;
}

// What a restore replaced is kept as a database that takes no connections.
const DATABASES =
  "select datname from pg_database where not datistemplate and datallowconn and datname <> 'postgres' order by datname";
const TABLES = `select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'dr') and n.nspname not like 'pg_%'
  order by 1`;

/** By `database/schema.table`, materialized views included. */
export async function postgresChecksums(access: PostgresAccess): Promise<Record<string, TableChecksum>> {
  const names = await withDatabase(access, 'postgres', async (client) => {
    const { rows } = await client.query<{ datname: string }>(DATABASES);
    return rows.map(({ datname }) => datname);
  });
  const parts = await Promise.all(names.map((name) => databaseChecksums(access, name)));
  return Object.assign({}, ...parts);
}

function databaseChecksums(access: PostgresAccess, database: string): Promise<Record<string, TableChecksum>> {
  return withDatabase(access, database, async (client) => {
    const found: Record<string, TableChecksum> = {};
    const { rows: tables } = await client.query<{ name: string }>(TABLES);
    for (const { name } of tables) {
      const { rows } = await client.query<{ rows: string; hash: string }>(
        `select count(*) as rows, coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text as hash from ${name} t`,
      );
      found[`${database}/${name}`] = { rows: Number(rows[0]?.rows), hash: String(rows[0]?.hash) };
    }
    return found;
  });
}
