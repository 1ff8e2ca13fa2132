// What a server holds, told without Holdfast: its own dumps of globals and definitions, and sums of every row.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Cluster } from './cluster.ts';

const run = promisify(execFile);

/** Lines that two dumps of equal things do not share. */
const PASSING = /^(--.*|\\(un)?restrict .*|)$/;

/**
 * Text of everything in the cluster, one entry a database and one of its globals. Portraits that are to be compared are
 * written by the same programs: another version words its dumps otherwise.
 */
export async function portraitOf(
  cluster: Cluster,
  programs = cluster.server.binDirectory,
): Promise<Record<string, string>> {
  const dump = dumper(cluster, programs);
  const globals = await dump('pg_dumpall', ['--globals-only']);
  const databases = await cluster.ask<{ name: string }>(
    'postgres',
    `select datname as name from pg_database where datallowconn and datconnlimit <> -2 and datname not like '%\\_\\_kept%'
       and datname not in ('template0', 'template1') order by 1`,
  );
  const portrait: Record<string, string> = { globals, common: JSON.stringify(await cluster.ask('postgres', COMMON)) };
  for (const { name } of databases) {
    const connection = `dbname='${name.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
    const definitions = await dump('pg_dump', ['--schema-only', `--dbname=${connection}`]);
    const facts = await cluster.ask('postgres', DATABASE(name));
    portrait[name] = [JSON.stringify(facts), definitions, ...(await sumsOf(cluster, name))].join('\n');
  }
  return portrait;
}

const dumper =
  ({ server }: Cluster, programs: string) =>
  async (tool: string, args: string[]): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), 'hf-portrait-'));
    const PGPASSFILE = join(folder, 'pgpass');
    await writeFile(PGPASSFILE, `*:*:*:*:${server.password}\n`, { mode: 0o600 });
    const PGPORT = String(server.port);
    const env = { ...process.env, PGPASSFILE, PGHOST: '127.0.0.1', PGPORT, PGUSER: 'postgres' };
    const options = { env, encoding: 'latin1' as const, maxBuffer: 64 * 1024 * 1024 };
    const { stdout } = await run(join(programs, tool), args, options).finally(() =>
      rm(folder, { recursive: true, force: true }),
    );
    return stdout
      .split('\n')
      .filter((line) => !PASSING.test(line))
      .join('\n');
  };

const DATABASE = (name: string) => `
  select jsonb_strip_nulls(to_jsonb(d) - array['oid', 'datdba', 'dattablespace', 'datfrozenxid', 'datminmxid', 'datlastsysoid',
      'datacl', 'daticulocale', 'datlocale', 'dathasloginevt']) as facts,
    coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') as locale,
    pg_get_userbyid(datdba) as owner, (select spcname from pg_tablespace where oid = dattablespace) as space,
    shobj_description(oid, 'pg_database') as comment,
    (select array_agg(a::text order by a::text) from unnest(datacl) a) as acl,
    (select array_agg((coalesce(r.rolname, '*'), s.setconfig)::text order by 1) from pg_db_role_setting s
      left join pg_roles r on r.oid = setrole where setdatabase = d.oid) as settings
  from pg_database d where datname = '${name.replaceAll("'", "''")}'`;

// Of all roles: pg_dumpall leaves these out.
const COMMON = 'select setconfig from pg_db_role_setting where setdatabase = 0 and setrole = 0';

const RELATIONS = `
  select format('%I.%I', n.nspname, c.relname) as name, c.relkind = 'S' as "isSequence" from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'm', 'S') and n.nspname not in ('pg_catalog', 'information_schema')
    and n.nspname !~ '^pg_(toast|temp)' and (c.relkind <> 'm' or c.relispopulated) order by 1`;

const ROWS = (name: string) =>
  `select count(*) as n, md5(coalesce(string_agg(t::text, e'\\n' order by t::text collate "C"), '')) as sum from only ${name} t`;
const SEQUENCE = (name: string) => `select last_value, is_called from ${name}`;

const LARGE_OBJECTS = `
  select oid, pg_get_userbyid(lomowner) as owner, lomacl::text as acl, md5(lo_get(oid)) as content,
    obj_description(oid, 'pg_largeobject') as comment from pg_largeobject_metadata order by oid`;

async function sumsOf(cluster: Cluster, database: string): Promise<string[]> {
  const lines: string[] = [];
  for (const { name, isSequence } of await cluster.ask<{ name: string; isSequence: boolean }>(database, RELATIONS)) {
    const [facts] = await cluster.ask(database, isSequence ? SEQUENCE(name) : ROWS(name));
    lines.push(`${name} ${JSON.stringify(facts)}`);
  }
  const objects = await cluster.ask(database, LARGE_OBJECTS);
  return [...lines, ...objects.map((object) => JSON.stringify(object))];
}
