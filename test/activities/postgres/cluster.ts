// What the tests of PostgreSQL share: servers with odd contents, and a system built on plain backups.
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { createPostgres } from '../../../activities/postgres/index.ts';
import type { ProtectedSystem, RestoreRequest } from '../../../domain/contracts/protected-system.ts';
import { backupIdFor, type TakenBackup } from '../../../domain/manifest.ts';
import { type RunningPostgres, startPostgres } from '../../../local/postgres.ts';
import { storeUser } from '../../../local/servers.ts';
import { createPlainBackups, type PlainBackups } from '../../support/plain-backups.ts';

export const ODD = 'odd "name"; \'x\'\n= 🐘 \\';

/** A name as SQL wants it. */
export const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

export interface Cluster {
  readonly folder: string;
  readonly workDirectory: string;
  readonly server: RunningPostgres;
  readonly backups: PlainBackups;
  readonly system: ProtectedSystem;
  /** The same system, told that its data folder is at `dataDirectory`. */
  systemAt(dataDirectory: string): ProtectedSystem;
  /** Rows of a statement in a database. */
  ask<T = Record<string, unknown>>(database: string, sql: string): Promise<T[]>;
  /** Takes and seals a backup. */
  backUp(kind: string): Promise<TakenBackup>;
  /** Ends the server and removes everything. */
  end(): Promise<void>;
}

/** A server with databases and schemas, filled by `statements` per database. */
export async function startCluster(databases: Readonly<Record<string, string>>): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'hf-'));
  await chmod(folder, 0o711);
  const server = await startPostgres({ directory: join(folder, 'server') });
  const workDirectory = join(folder, 'work');
  await mkdir(workDirectory, { mode: 0o711 });
  const backups = createPlainBackups(join(folder, 'backups'));
  const systemAt = (dataDirectory: string) =>
    createPostgres({
      platform: 'shop',
      site: 'here',
      configuration: { ...server.configuration, dataDirectory },
      workDirectory,
      scratchUser: storeUser(),
      writer: backups.writer,
      reader: backups.reader,
    });
  const system = systemAt(server.dataDirectory);
  const ask = async <T>(database: string, sql: string): Promise<T[]> => {
    const { port, password } = server;
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', password, database });
    await client.connect();
    try {
      return (await client.query(sql)).rows as T[];
    } finally {
      await client.end();
    }
  };
  for (const [database, sql] of Object.entries(databases)) {
    if (database !== 'postgres') await ask('postgres', `create database "${database.replaceAll('"', '""')}"`);
    await ask(database, sql);
  }
  const backUp = async (kind: string) => {
    const run = randomUUID();
    const backupId = backupIdFor(new Date().toISOString(), kind, run);
    const taken = await system.takeBackup({ site: 'here', backup: { system: 'postgres', backupId }, kind, run });
    await backups.sealTaken(taken);
    return taken;
  };
  const end = async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { folder, workDirectory, server, backups, system, systemAt, ask, backUp, end };
}

/** Order-free contents of a table, to compare before and after. */
export const contentsOf = (table: string) =>
  `select count(*)::int as rows, md5(string_agg(t::text, '|' order by t::text)) as sum from ${table} t`;

/** A restore of the whole backup into scratch, unless `changes` say otherwise. */
export const requestOf = (taken: TakenBackup, changes: Partial<RestoreRequest> = {}): RestoreRequest => ({
  run: randomUUID(),
  platform: 'shop',
  site: 'here',
  backup: { system: 'postgres', backupId: taken.facts.backupId },
  tier: null,
  scope: { kind: 'whole', names: {} },
  target: 'scratch',
  expectedIdentity: null,
  options: {},
  ...changes,
});
