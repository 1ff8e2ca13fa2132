import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningPostgres, startPostgres } from '../../local/postgres.ts';

const run = promisify(execFile);

describe('startPostgres', () => {
  let folder: string;
  let server: RunningPostgres;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-pg-'));
    await chmod(folder, 0o711);
    server = await startPostgres({ directory: join(folder, 'server'), settings: { work_mem: '5MB' } });
  });
  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const ask = async (sql: string, password = server.password) => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: server.port,
      user: 'postgres',
      password,
      database: 'postgres',
    });
    await client.connect();
    try {
      return (await client.query(sql)).rows[0];
    } finally {
      await client.end();
    }
  };
  const command = ([program = '', ...args]: readonly string[]) => run(program, args);

  it('answers to the password in a file that only its owner reads', async () => {
    expect(await ask('show work_mem')).toEqual({ work_mem: '5MB' });
    await expect(ask('select 1', 'wrong')).rejects.toThrow(/password authentication failed/);
    const file = server.configuration.password?.slice('${file:'.length, -1) ?? '';
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('is stopped and started again by its service commands, and ended by stop() afterwards', async () => {
    const { service } = server.configuration;
    if (!service) throw new Error('no service commands');
    for (const _ of [1, 2]) {
      await command(service.stop);
      await expect(ask('select 1')).rejects.toThrow(/ECONNREFUSED/);
      await command(service.start);
      expect(await ask('select 1 as one')).toEqual({ one: 1 });
    }
    await server.stop();
    await server.stop();
    expect(existsSync(join(server.dataDirectory, 'postmaster.pid'))).toBe(false);
  });
});
