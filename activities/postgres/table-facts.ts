// What a table is, read from the catalogues of a live or a scratch server.
import type { TableFacts } from '../../domain/systems/postgres-table.ts';
import type { Session } from './connection.ts';

export interface TableName {
  readonly database: string;
  readonly schema: string;
  readonly table: string;
}

const FACTS = `
  select c.oid::text as oid, c.relkind::text as kind,
    (select coalesce(jsonb_agg(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
        'notNull', a.attnotnull, 'generated', a.attgenerated, 'identity', a.attidentity) order by a.attname collate "C"), '[]')
      from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
    (select jsonb_agg(a.attname order by k.position) from pg_index i
        cross join unnest(i.indkey::int2[]) with ordinality k(attnum, position)
        join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
      where i.indrelid = c.oid and i.indisprimary) as key,
    (select coalesce(jsonb_agg(t.tgname order by t.tgname), '[]') from pg_trigger t
      where t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled <> 'D') as triggers,
    (select coalesce(jsonb_agg(r.rulename order by r.rulename), '[]') from pg_rewrite r where r.ev_class = c.oid) as rules,
    exists (select from pg_inherits i where i.inhparent = c.oid) as "hasChildren",
    (select coalesce(jsonb_agg(jsonb_build_object('name', f.conname, 'schema', fn.nspname, 'table', fc.relname,
        'columns', (select jsonb_agg(a.attname order by k.position) from unnest(f.conkey) with ordinality k(n, position)
          join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.n),
        'referenced', (select jsonb_agg(a.attname order by k.position) from unnest(f.confkey) with ordinality k(n, position)
          join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.n)) order by f.conname), '[]')
      from pg_constraint f join pg_class fc on fc.oid = f.conrelid join pg_namespace fn on fn.oid = fc.relnamespace
      where f.contype = 'f' and f.confrelid = c.oid and f.conrelid <> c.oid
        and not exists (select from pg_constraint up where up.oid = f.conparentid and up.confrelid = c.oid)) as "referencedBy",
    (select coalesce(jsonb_agg(jsonb_build_object('schema', sn.nspname, 'name', s.relname, 'column', a.attname)), '[]')
      from pg_depend d join pg_class s on s.oid = d.objid and s.relkind = 'S' join pg_namespace sn on sn.oid = s.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum = d.refobjsubid
      where d.refobjid = c.oid and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_class'::regclass
        and d.deptype in ('a', 'i')) as sequences
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p', 'f', 'm', 'v')`;

/** The table's facts, or null when there is none of that name. */
export async function readTable(session: Session, { schema, table }: TableName): Promise<TableFacts | null> {
  // Types are written with their schema or without, depending on the search path: always with.
  await session.rows("select set_config('search_path', '', false)");
  const [facts] = await session.rows<TableFacts>(FACTS, [schema, table]);
  return facts ?? null;
}

/** Views and foreign keys that need the table: what a dropped table took along and its return does not bring back. */
export async function readDependents(session: Session, { schema, table }: TableName): Promise<string[]> {
  const rows = await session.rows<{ what: string }>(
    `with target as (select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = $1 and c.relname = $2)
     select distinct 'view ' || v.oid::regclass::text as what from pg_depend d join pg_rewrite r on r.oid = d.objid
         join pg_class v on v.oid = r.ev_class, target
       where d.refobjid = target.oid and d.classid = 'pg_rewrite'::regclass and v.oid <> target.oid
     union select 'foreign key ' || quote_ident(f.conname) || ' of ' || f.conrelid::regclass::text
       from pg_constraint f, target where f.confrelid = target.oid and f.conrelid <> target.oid and f.conparentid = 0
     order by 1`,
    [schema, table],
  );
  return rows.map(({ what }) => what);
}
