// Roles of a cluster, as their own artifact (it holds password hashes): restored only where they are missing.
import { quoteIdentifier, quoteLiteral } from '../../domain/systems/postgres-names.ts';
import type { Session } from './connection.ts';

export interface RoleLine {
  readonly role: string;
  readonly attributes: readonly string[];
  readonly connectionLimit: number;
  readonly validUntil: string | null;
  /** The stored hash, never a password; null when there is none or it could not be read. */
  readonly passwordHash: string | null;
  readonly memberOf: readonly Membership[];
  readonly settings: readonly { readonly name: string; readonly value: string }[];
  /** Absent in backups of earlier versions, as the next. */
  readonly comment?: string | null;
  /** Rights on settings (GRANT SET ON PARAMETER). */
  readonly parameters?: readonly { readonly name: string; readonly privilege: string; readonly grantable: boolean }[];
}

interface Membership {
  readonly role: string;
  readonly admin: boolean;
  /** Null or absent where the server is older than 16 and does not know these. */
  readonly inherit?: boolean | null;
  readonly set?: boolean | null;
}

const READ = (catalogue: string, hash: string, parameters: string) => `
  select r.rolname as role, r.rolconnlimit as "connectionLimit", r.rolvaliduntil::text as "validUntil",
    ${hash} as "passwordHash",
    array_remove(array[case when rolsuper then 'SUPERUSER' end, case when rolcreaterole then 'CREATEROLE' end,
      case when rolcreatedb then 'CREATEDB' end, case when rolcanlogin then 'LOGIN' end,
      case when rolreplication then 'REPLICATION' end, case when rolbypassrls then 'BYPASSRLS' end,
      case when not rolinherit then 'NOINHERIT' end], null) as attributes,
    shobj_description(r.oid, 'pg_authid') as comment, ${parameters} as parameters,
    coalesce((select jsonb_agg(distinct jsonb_build_object('role', g.rolname, 'admin', m.admin_option,
        'inherit', to_jsonb(m) -> 'inherit_option', 'set', to_jsonb(m) -> 'set_option'))
      from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid), '[]') as "memberOf",
    coalesce((select jsonb_agg(jsonb_build_object('name', split_part(o.entry, '=', 1),
        'value', substr(o.entry, strpos(o.entry, '=') + 1)))
      from pg_db_role_setting s cross join unnest(s.setconfig) as o(entry)
      where s.setdatabase = 0 and s.setrole = r.oid), '[]') as settings
  from ${catalogue} r where r.rolname !~ '^pg_' order by r.rolname`;

const PARAMETERS = `coalesce((select jsonb_agg(jsonb_build_object('name', p.parname, 'privilege', a.privilege_type,
  'grantable', a.is_grantable)) from pg_parameter_acl p cross join aclexplode(p.paracl) a where a.grantee = r.oid), '[]')`;

/** Every role that is not PostgreSQL's own; hashes only where `withHashes` (a superuser). */
export function readRoles(session: Session, withHashes: boolean, versionNumber: number): Promise<RoleLine[]> {
  const parameters = versionNumber < 150_000 ? "'[]'::jsonb" : PARAMETERS;
  const [catalogue, hash] = withHashes ? ['pg_authid', 'r.rolpassword'] : ['pg_roles', 'null::text'];
  return session.rows<RoleLine>(READ(catalogue, hash, parameters));
}

/** An artifact's text: JSON, one a line. */
export function writeLines(entries: readonly object[]): string {
  return entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
}

/** Reads what `writeLines` wrote. */
export function parseLines<T>(text: string): T[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

/**
 * Creates the roles that are missing, with their attributes, hashes, settings, rights and memberships. A role that
 * exists is left as it is, its password included; but it becomes again a member of the roles that are created.
 * @returns names of the roles created.
 */
export async function createMissingRoles(session: Session, roles: readonly RoleLine[]): Promise<string[]> {
  const there = new Set(
    (await session.rows<{ name: string }>('select rolname as name from pg_roles')).map(({ name }) => name),
  );
  const missing = roles.filter(({ role }) => !there.has(role));
  await session.rows('begin');
  // The statements hold hashes: keep them out of the server's log.
  await session.rows(`select set_config('log_statement', 'none', true), set_config('log_min_error_statement', 'panic', true)
    from pg_roles where rolname = current_user and rolsuper`);
  for (const role of missing) await session.rows(createRole(role));
  const created = new Set(missing.map(({ role }) => role));
  for (const sql of [...missing.flatMap(roleDetails), ...memberships(roles, created)]) await session.rows(sql);
  await session.rows('commit');
  return missing.map(({ role }) => role);
}

function createRole(role: RoleLine): string {
  const options = [
    ...role.attributes,
    `CONNECTION LIMIT ${role.connectionLimit}`,
    ...(role.passwordHash === null ? [] : [`PASSWORD ${quoteLiteral(role.passwordHash)}`]),
    ...(role.validUntil === null ? [] : [`VALID UNTIL ${quoteLiteral(role.validUntil)}`]),
  ];
  return `CREATE ROLE ${quoteIdentifier(role.role)} WITH ${options.join(' ')}`;
}

function roleDetails({ role, settings, comment = null, parameters = [] }: RoleLine): string[] {
  const name = quoteIdentifier(role);
  return [
    ...settings.map((one) => `ALTER ROLE ${name} SET ${quoteIdentifier(one.name)} TO ${settingValue(one)}`),
    ...(comment === null ? [] : [`COMMENT ON ROLE ${name} IS ${quoteLiteral(comment)}`]),
    ...parameters.map(
      (one) =>
        `GRANT ${one.privilege === 'SET' ? 'SET' : 'ALTER SYSTEM'} ON PARAMETER ${quoteIdentifier(one.name)} TO ${name}` +
        (one.grantable ? ' WITH GRANT OPTION' : ''),
    ),
  ];
}

// A role that was dropped took its memberships along, also those of roles that are still there.
function memberships(roles: readonly RoleLine[], created: ReadonlySet<string>): string[] {
  return roles.flatMap(({ role, memberOf }) =>
    memberOf
      .filter((group) => created.has(role) || created.has(group.role))
      .map((group) => `GRANT ${quoteIdentifier(group.role)} TO ${quoteIdentifier(role)}${membershipOptions(group)}`),
  );
}

function membershipOptions({ admin, inherit, set }: Membership): string {
  if (typeof inherit !== 'boolean' || typeof set !== 'boolean') return admin ? ' WITH ADMIN OPTION' : '';
  return ` WITH ADMIN ${admin}, INHERIT ${inherit}, SET ${set}`;
}

// Settings that are lists are stored as quoted lists already (pg_dumpall does the same with these names).
const LISTS = new Set(['search_path', 'temp_tablespaces', 'session_preload_libraries', 'local_preload_libraries']);

/** A setting's value as `SET name TO` wants it. */
export function settingValue({ name, value }: { readonly name: string; readonly value: string }): string {
  if (!LISTS.has(name)) return quoteLiteral(value);
  const parts = value.match(/"(?:[^"]|"")*"|[^,\s]+/g) ?? [''];
  return parts
    .map((part) => quoteLiteral(part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part))
    .join(', ');
}
