// How a PostgreSQL server is reached, and queries on it. The live server and scratch servers are reached the same way.
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import type { SystemConfiguration } from '../../domain/configuration/schema.ts';
import { durationMs } from '../../domain/configuration/schema.ts';
import { failureOfQuery } from '../../domain/systems/postgres-errors.ts';
import { currentSignal, requireCurrentAttempt } from '../shared/activity-context.ts';
import { resolveSecret } from '../shared/secrets.ts';

type Configuration = SystemConfiguration<'postgres'>;

export interface Reach {
  /** A host name, or a folder (starting with `/`) that holds the server's socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Reference to the password; null where the socket's folder is the protection. */
  readonly password: string | null;
  /** The database to connect to first. */
  readonly database: string;
  readonly tlsMode: Configuration['tlsMode'];
  readonly tlsRootFile: string | null;
  /** Limit of a catalogue query. */
  readonly statementTimeoutMs: number;
  /** The container that the server runs in: command-line tools reach it from inside. */
  readonly container?: Configuration['container'];
}

/** A database's own settings (ALTER DATABASE … SET) hold for applications: our work must go on under them. */
export const OUR_SETTINGS: readonly string[] = ['default_transaction_read_only=off', 'lock_timeout=0'];

export type Row = Record<string, unknown>;

export interface Session {
  /** Rows of one statement. Values arrive as text, null, boolean or number as `pg` gives them. */
  rows<T = Row>(sql: string, values?: readonly unknown[]): Promise<T[]>;
  /** Ends the session at once; a statement that runs or waits fails. */
  end(): void;
  /** The only row. */
  row<T = Row>(sql: string, values?: readonly unknown[]): Promise<T>;
}

/** The configured live server. */
export function liveReach(configuration: Configuration): Reach {
  return {
    host: configuration.host,
    port: configuration.port,
    user: configuration.user,
    password: configuration.password ?? null,
    database: configuration.database,
    tlsMode: configuration.tlsMode,
    tlsRootFile: configuration.tlsRootFile ?? null,
    statementTimeoutMs: durationMs(configuration.statementTimeout),
    container: configuration.container,
  };
}

/**
 * Opens a session for the length of `work`; cancelling the activity ends it in the middle of a statement.
 * @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED, or what the statement's error means.
 */
export async function withSession<T>(
  reach: Reach,
  database: string,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const client = await connect(reach, database);
  const signal = currentSignal();
  const leave = () => void client.end().catch(() => undefined);
  signal?.addEventListener('abort', leave, { once: true });
  try {
    return await work(sessionOf(client, database));
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', leave);
    await client.end().catch(() => undefined);
  }
}

/** Runs `work` in a session of each database that `which` (a condition on pg_database) names, one after the other. */
export async function inEachDatabase<T>(
  reach: Reach,
  which: string,
  work: (session: Session) => Promise<T>,
): Promise<readonly T[]> {
  const databases = await withSession(reach, reach.database, (session) =>
    session.rows<{ name: string }>(`select datname as name from pg_database where ${which} order by 1`),
  );
  const results: T[] = [];
  for (const { name } of databases) results.push(await withSession(reach, name, work));
  return results;
}

function sessionOf(client: pg.Client, database: string): Session {
  const rows = async <T>(sql: string, values: readonly unknown[] = []): Promise<T[]> => {
    requireCurrentAttempt();
    try {
      return (await client.query(sql, [...values])).rows as T[];
    } catch (error) {
      throw failureOfQuery(error, `PostgreSQL refused a statement in database "${database}"`);
    }
  };
  const row = async <T>(sql: string, values: readonly unknown[] = []): Promise<T> =>
    (await rows<T>(sql, values))[0] as T;
  const end = () => void client.end().catch(() => undefined);
  return { rows, row, end };
}

async function connect(reach: Reach, database: string): Promise<pg.Client> {
  const password = reach.password === null ? undefined : await resolveSecret(reach.password);
  const open = async (ssl: pg.ClientConfig['ssl']) => {
    const client = new pg.Client({
      host: reach.host,
      port: reach.port,
      user: reach.user,
      database,
      application_name: 'holdfast',
      connectionTimeoutMillis: 15_000,
      keepAlive: true,
      statement_timeout: reach.statementTimeoutMs,
      idle_in_transaction_session_timeout: 0,
      options: OUR_SETTINGS.map((setting) => `-c ${setting}`).join(' '),
      ...(password === undefined ? {} : { password }),
      ...(ssl === undefined ? {} : { ssl }),
    });
    client.on('error', () => undefined); // A broken connection fails the statement that uses it; that one tells.
    await client.connect().catch(async (error) => {
      await client.end().catch(() => undefined);
      throw error;
    });
    return client;
  };
  try {
    return await openWithTls(reach, open);
  } catch (error) {
    throw failureOfQuery(error, `cannot connect to PostgreSQL at ${reach.host} port ${reach.port} as "${reach.user}"`);
  }
}

type Open = (ssl: pg.ClientConfig['ssl']) => Promise<pg.Client>;

async function openWithTls(reach: Reach, open: Open): Promise<pg.Client> {
  if (reach.host.startsWith('/') || reach.tlsMode === 'disable') return open(false);
  if (reach.tlsMode !== 'prefer') return open(await tlsOptions(reach));
  return open({ rejectUnauthorized: false }).catch((error) => {
    if (/does not support SSL/.test(String(error))) return open(false);
    throw error;
  });
}

async function tlsOptions(reach: Reach): Promise<pg.ClientConfig['ssl']> {
  if (reach.tlsMode === 'require') return { rejectUnauthorized: false };
  const ca = reach.tlsRootFile === null ? {} : { ca: await readFile(reach.tlsRootFile, 'utf8') };
  return reach.tlsMode === 'verify-ca' ? { ...ca, checkServerIdentity: () => undefined } : ca;
}
