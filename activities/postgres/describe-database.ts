// What makes a database itself: locale, owner, place, settings, grants, extensions, subscriptions.
import type { DatabaseLine } from '../../domain/systems/postgres-inventory.ts';
import { type Reach, type Session, withSession } from './connection.ts';

type SharedFacts = Omit<DatabaseLine, 'is' | 'index' | 'sizeBytes' | 'extensions' | 'subscriptions' | 'tablespaces'>;

/**
 * Describes the database that `session` is in. What the whole cluster shares is asked for in the first database: names of
 * roles and databases are bytes there, which a database of another encoding would read as other characters.
 */
export async function describeDatabase(
  reach: Reach,
  session: Session,
  database: string,
  index: number,
): Promise<DatabaseLine> {
  const { sizeBytes, ...shared } = await withSession(reach, reach.database, (first) => readShared(first, database));
  const own = await session.row<Pick<DatabaseLine, 'extensions' | 'subscriptions' | 'tablespaces'>>(OWN);
  return { is: 'database', index, ...shared, ...own, sizeBytes: Number(sizeBytes) };
}

function readShared(session: Session, database: string): Promise<SharedFacts & { readonly sizeBytes: string }> {
  return session.row(SHARED, [database]);
}

const SHARED = `
  select d.datname as database, pg_catalog.pg_get_userbyid(d.datdba) as owner,
    pg_catalog.pg_encoding_to_char(d.encoding) as encoding, d.datcollate as collate, d.datctype as ctype,
    coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') as provider,
    coalesce(to_jsonb(d) ->> 'daticulocale', to_jsonb(d) ->> 'datlocale') as "icuLocale",
    to_jsonb(d) ->> 'daticurules' as "icuRules", s.spcname as tablespace,
    d.datconnlimit as "connectionLimit", d.datistemplate as "isTemplate",
    pg_catalog.shobj_description(d.oid, 'pg_database') as comment, pg_catalog.pg_database_size(d.oid)::text as "sizeBytes",
    coalesce((select jsonb_agg(jsonb_build_object('role', r.rolname, 'name', split_part(o.entry, '=', 1),
        'value', substr(o.entry, strpos(o.entry, '=') + 1)))
      from pg_catalog.pg_db_role_setting s cross join unnest(s.setconfig) as o(entry)
        left join pg_catalog.pg_roles r on r.oid = s.setrole where s.setdatabase = d.oid), '[]') as settings,
    (select jsonb_agg(jsonb_build_object('grantee', r.rolname, 'privilege', a.privilege_type, 'grantable', a.is_grantable))
      from pg_catalog.aclexplode(d.datacl) a left join pg_catalog.pg_roles r on r.oid = a.grantee) as grants
  from pg_catalog.pg_database d join pg_catalog.pg_tablespace s on s.oid = d.dattablespace where d.datname = $1`;

// A relation without a tablespace of its own lies in the database's.
const OWN = `
  select coalesce((select jsonb_agg(jsonb_build_object('name', extname, 'version', extversion) order by extname)
      from pg_catalog.pg_extension), '[]') as extensions,
    coalesce((select jsonb_agg(subname order by subname) from pg_catalog.pg_subscription where subdbid =
      (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())), '[]') as subscriptions,
    coalesce((select jsonb_agg(distinct s.spcname) from pg_catalog.pg_class c
      join pg_catalog.pg_tablespace s on s.oid = c.reltablespace where s.spcname <> 'pg_global'), '[]') as tablespaces`;
