// A real Redis, a place for backups and the activities over both, for one test file.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createRedis } from '../../../activities/redis/index.ts';
import type { RedisDependencies } from '../../../activities/redis/run-folder.ts';
import type { BackupRef, TakenBackup } from '../../../domain/manifest.ts';
import { type LocalRedis, passwordOf, startRedis } from '../../../local/redis.ts';
import { storeUser } from '../../../local/servers.ts';
import { createPlainBackups, type PlainBackups } from '../../support/plain-backups.ts';

export type RedisPlatform = Awaited<ReturnType<typeof startPlatform>>;

export async function startPlatform(settings: Readonly<Record<string, string>> = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-redis-'));
  await mkdir(join(directory, 'store'), { mode: 0o755 });
  await (await import('node:fs/promises')).chmod(directory, 0o711);
  const server = await startRedis({ directory: join(directory, 'store'), settings });
  const backups = createPlainBackups(join(directory, 'backups'));
  const deps = dependenciesOf(directory, server, backups);
  const open: Redis[] = [];
  let taken = 0;
  const client = async () => {
    const redis = new Redis({
      protocol: 2,
      port: server.port,
      username: 'holdfast',
      password: await passwordOf(server),
    });
    redis.on('error', () => undefined);
    open.push(redis);
    return redis;
  };
  const take = async (kind: string, dependencies = deps): Promise<TakenBackup> => {
    taken += 1;
    const backup: BackupRef = {
      system: 'redis',
      backupId: `20261123t0600${String(taken).padStart(2, '0')}z-${kind}-abc123`,
    };
    const result = await createRedis(dependencies).takeBackup({ site: 'west', backup, kind, run: `run-${taken}` });
    await backups.sealTaken(result);
    return result;
  };
  const stop = async () => {
    for (const redis of open) redis.disconnect();
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  };
  return { directory, server, backups, deps, client, take, stop };
}

export function dependenciesOf(directory: string, server: LocalRedis, backups: PlainBackups): RedisDependencies {
  return {
    platform: 'shop',
    site: 'west',
    configuration: server.configuration,
    workDirectory: join(directory, 'work'),
    scratchUser: storeUser(),
    writer: backups.writer,
    reader: backups.reader,
  };
}
