// faults 13: a base backup that stands still while the server writes, on a server whose disk is small.
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPostgres } from '../../../activities/postgres/index.ts';
import { roomIn } from '../../../activities/shared/room.ts';
import { type RunningPostgres, startPostgres } from '../../../local/postgres.ts';
import { storeUser } from '../../../local/servers.ts';
import { type LoopDisk, mountLoopDisk } from '../../support/loop-disk.ts';
import { createPlainBackups } from '../../support/plain-backups.ts';
import { gated } from './gate.ts';

const DISK_BYTES = 320 * 1024 * 1024;
const SEGMENT_BYTES = 16 * 1024 * 1024;
let folder: string;
let disk: LoopDisk;
let server: RunningPostgres;
let client: pg.Client;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hf-'));
  await chmod(folder, 0o711);
  disk = mountLoopDisk(join(folder, 'server'), String(DISK_BYTES));
  const settings = { max_wal_size: '48MB', min_wal_size: '32MB', wal_keep_size: '0' };
  server = await startPostgres({ directory: join(folder, 'server'), settings });
  const { port, password } = server;
  client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', password, database: 'postgres' });
  await client.connect();
});
afterAll(async () => {
  await client?.end();
  await server?.stop();
  disk?.remove();
  await rm(folder, { recursive: true, force: true });
});

const slots = async () => (await client.query('select slot_name from pg_replication_slots')).rows;

/** Fills a segment of WAL and begins the next one, without any data staying. */
const writeSegment = () =>
  client.query("select pg_logical_emit_message(false, 'load', repeat('x', 15000000)), pg_switch_wal()");

test('faults 13: the slot of a paused base backup is given up before it fills the disk, and the server writes on', {
  timeout: 300_000,
}, async () => {
  const backups = createPlainBackups(join(folder, 'backups'));
  const gate = gated(backups.writer, 'base.tar');
  const system = createPostgres({
    ...{ platform: 'shop', site: 'here', workDirectory: folder, scratchUser: storeUser() },
    // The limit alone would never be reached: the disk has less than that.
    configuration: { ...server.configuration, walKeepLimitBytes: 10 * DISK_BYTES },
    ...{ writer: gate.writer, reader: backups.reader },
  });
  const backup = { system: 'postgres' as const, backupId: '20261123t000000z-physical-small1' };
  const taking = system.takeBackup({ site: 'here', backup, kind: 'physical', run: randomUUID() });
  taking.catch(() => undefined);
  await gate.reached;
  expect(await slots()).toHaveLength(1);
  const data = join(folder, 'server');
  // Faster than the guard looks would be no test of it: each segment waits until the disk has room for two more.
  for (let written = 0; written < 2 * DISK_BYTES; written += SEGMENT_BYTES) {
    await writeSegment();
    // What no slot holds any more goes with the next checkpoint.
    const roomLeft = async () => {
      await client.query('checkpoint');
      return roomIn(data);
    };
    await expect.poll(roomLeft, { timeout: 60_000, interval: 50 }).toBeGreaterThan(2 * SEGMENT_BYTES);
  }
  expect(await slots()).toEqual([]);
  gate.open();
  // Its first WAL is gone by now: the backup fails and says why, and the server is well.
  await expect(taking).rejects.toMatchObject({
    code: 'STORE_UNFIT',
    message: expect.stringContaining('its disk has left'),
  });
  expect((await client.query('create table after_all as select 1 as one')).rowCount).toBe(1);
});
