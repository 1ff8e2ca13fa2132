// Filling one database from its dump or its SQL, with what makes it that database: locale, owner, settings, grants.
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { StoredBackup } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import type { DatabaseLine } from '../../domain/systems/postgres-inventory.ts';
import { databaseConnection, quoteIdentifier, quoteLiteral } from '../../domain/systems/postgres-names.ts';
import { progressOf } from '../shared/activity-context.ts';
import { type Reach, type Session, withSession } from './connection.ts';
import { feed } from './feed.ts';
import { runQuietly, withoutTriggers } from './quiet-session.ts';
import { oneOf } from './read-stored.ts';
import { settingValue } from './roles.ts';
import { type Credentials, runPgRestore, startPgTool, type Tools } from './tools.ts';

/** A server that databases are loaded into, scratch or live. */
export interface LoadTarget {
  readonly reach: Reach;
  readonly tools: Tools;
  readonly credentials: Credentials;
  /** The run's folder: dumps are staged there. */
  readonly folder: string;
  /** Database to be connected to while others are made, dropped and renamed. */
  readonly maintenance: string;
}

export type Form = 'custom' | 'sql';

/** @throws {Failure} USAGE for any other word. */
export function formOf(options: Readonly<Record<string, string>>): Form {
  const form = options.form ?? 'custom';
  if (form !== 'custom' && form !== 'sql')
    throw new Failure('USAGE', `a restore has no form "${form}": it is custom or sql`);
  return form;
}

/** Makes database `name` anew and loads it. An earlier attempt's is dropped first, so repeating adds nothing. */
export async function loadDatabase(
  target: LoadTarget,
  backup: StoredBackup,
  line: DatabaseLine,
  name: string,
  form: Form,
): Promise<void> {
  await dropDatabase(target, name);
  await createDatabase(target, line, name);
  await (form === 'custom' ? loadDump(target, backup, line, name) : loadSql(target, backup, line, name));
  await withMaintenance(target, async (session) => {
    for (const sql of detailsOf(line, name)) await session.rows(sql);
  });
}

/** Ends its sessions and drops it, when it is there. */
export async function dropDatabase(target: LoadTarget, name: string): Promise<void> {
  await withMaintenance(target, async (session) => {
    const found = await session.rows('select from pg_database where datname = $1 and datistemplate', [name]);
    if (found.length > 0) await session.rows(`alter database ${quoteIdentifier(name)} is_template false`);
  });
  await dropSubscriptions(target, name);
  await withMaintenance(target, async (session) => {
    await session.rows(`drop database if exists ${quoteIdentifier(name)} with (force)`);
  });
}

// A database with a subscription cannot be dropped. Its slot belongs to the publisher's side and is left alone.
async function dropSubscriptions(target: LoadTarget, name: string): Promise<void> {
  const found = await withMaintenance(target, (session) =>
    session.rows<{ name: string }>(
      'select subname as name from pg_subscription s join pg_database d on d.oid = s.subdbid where datname = $1',
      [name],
    ),
  );
  for (const subscription of found) {
    const quoted = quoteIdentifier(subscription.name);
    for (const change of [
      `alter subscription ${quoted} disable`,
      `alter subscription ${quoted} set (slot_name = none)`,
    ])
      await runQuietly(target.reach, name, change);
    await runQuietly(target.reach, name, `drop subscription ${quoted}`);
  }
}

/** Tablespaces of the backup's database that the target lacks: what lies in them is put into the default one. */
export async function missingTablespaces(target: LoadTarget, line: DatabaseLine): Promise<string[]> {
  const rows = await withMaintenance(target, (session) =>
    session.rows<{ name: string }>('select spcname as name from pg_tablespace'),
  );
  const there = new Set(rows.map(({ name }) => name));
  return [...new Set([line.tablespace, ...line.tablespaces])].filter((name) => !there.has(name));
}

/** A session on the maintenance database without a time limit for statements. */
export function withMaintenance<T>(target: LoadTarget, work: (session: Session) => Promise<T>): Promise<T> {
  return withSession(target.reach, target.maintenance, async (session) => {
    await session.rows('set statement_timeout = 0');
    return work(session);
  });
}

/** Creates it empty, in the recorded locale. Nobody but superusers may enter until it is complete. */
export async function createDatabase(target: LoadTarget, line: DatabaseLine, name: string): Promise<void> {
  const missing = await missingTablespaces(target, line);
  const place = missing.includes(line.tablespace) ? '' : ` tablespace ${quoteIdentifier(line.tablespace)}`;
  await withMaintenance(target, (session) =>
    session.rows(
      `create database ${quoteIdentifier(name)} owner ${quoteIdentifier(line.owner)} template template0
       encoding ${quoteLiteral(line.encoding)} lc_collate ${quoteLiteral(line.collate)}
       lc_ctype ${quoteLiteral(line.ctype)}${providerOf(line)}${place} connection limit 0`,
    ),
  );
}

function providerOf({ provider, icuLocale, icuRules }: DatabaseLine): string {
  const locale = quoteLiteral(icuLocale ?? '');
  if (provider === 'b') return ` locale_provider builtin builtin_locale ${locale}`;
  if (provider !== 'i') return '';
  return ` locale_provider icu icu_locale ${locale}${icuRules === null ? '' : ` icu_rules ${quoteLiteral(icuRules)}`}`;
}

async function loadDump(target: LoadTarget, backup: StoredBackup, line: DatabaseLine, name: string): Promise<void> {
  const credentials = await withoutTriggers(target.reach, name, target.credentials);
  const missing = await missingTablespaces(target, line);
  await withStagedDump(target.folder, backup, line, (file) =>
    runPgRestore(
      target.tools,
      credentials,
      [
        '--exit-on-error',
        '--no-password',
        ...(missing.length > 0 ? ['--no-tablespaces'] : []),
        `--dbname=${databaseConnection(name)}`,
      ],
      { file, jobs: Math.min(availableParallelism(), 4) },
    ),
  );
}

/** Gives `work` the dump of a database as a file, and removes it afterwards. */
export async function withStagedDump<T>(
  folder: string,
  backup: StoredBackup,
  line: DatabaseLine,
  work: (file: string) => Promise<T>,
): Promise<T> {
  const file = join(folder, `${String(line.index).padStart(4, '0')}.dump`);
  await rm(file, { force: true });
  try {
    await backup.save(oneOf(backup, 'dump', line.database).name, file);
    return await work(file);
  } finally {
    await rm(file, { force: true });
  }
}

async function loadSql(target: LoadTarget, backup: StoredBackup, line: DatabaseLine, name: string): Promise<void> {
  const artifact = oneOf(backup, 'sql', line.database);
  const credentials = await withoutTriggers(target.reach, name, target.credentials);
  const tool = startPgTool(target.tools, credentials, 'psql', [
    '--no-psqlrc',
    '--quiet',
    '--no-password',
    '--set=ON_ERROR_STOP=1',
    '--output=/dev/null',
    `--dbname=${databaseConnection(name)}`,
    '--file=-',
  ]);
  const progress = progressOf(`loading "${line.database}"`, artifact.plainBytes);
  async function* source() {
    for await (const chunk of backup.read(artifact.name)) {
      progress(chunk.byteLength);
      yield chunk;
    }
  }
  await feed(source(), tool);
}

function detailsOf(line: DatabaseLine, name: string): string[] {
  const database = quoteIdentifier(name);
  const settings = line.settings.map(({ role, ...setting }) => {
    const whose =
      role === null ? `alter database ${database}` : `alter role ${quoteIdentifier(role)} in database ${database}`;
    return `${whose} set ${quoteIdentifier(setting.name)} to ${settingValue(setting)}`;
  });
  return [
    ...settings,
    ...grantsOf(line, database),
    ...(line.comment === null ? [] : [`comment on database ${database} is ${quoteLiteral(line.comment)}`]),
    ...(line.isTemplate ? [`alter database ${database} is_template true`] : []),
  ];
}

function grantsOf({ grants }: DatabaseLine, database: string): string[] {
  if (grants === null) return [];
  return [
    `revoke all on database ${database} from public`,
    ...grants.map(({ grantee, privilege, grantable }) => {
      const to = grantee === null ? 'public' : quoteIdentifier(grantee);
      return `grant ${PRIVILEGES[privilege] ?? 'connect'} on database ${database} to ${to}${grantable ? ' with grant option' : ''}`;
    }),
  ];
}

const PRIVILEGES: Readonly<Record<string, string>> = { CREATE: 'create', TEMPORARY: 'temporary', CONNECT: 'connect' };
