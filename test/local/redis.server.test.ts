import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { passwordOf, startRedis } from '../../local/redis.ts';

const run = promisify(execFile);

it('startRedis gives a server with a password that its service commands stop and start again with its data', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-redis-'));
  const redis = await startRedis({ directory });
  try {
    const password = await passwordOf(redis);
    const ask = async (work: (client: Redis) => Promise<unknown>) => {
      const client = new Redis({ port: redis.port, username: 'holdfast', password });
      try {
        return await work(client);
      } finally {
        client.disconnect();
      }
    };
    await ask((client) => client.set('a', '1'));
    for (let round = 0; round < 2; round += 1) {
      const [program, ...args] = redis.configuration.service?.stop ?? [];
      await run(program as string, args);
      const [again, ...rest] = redis.configuration.service?.start ?? [];
      await run(again as string, rest);
    }
    expect(await ask((client) => client.get('a'))).toBe('1');
    expect((await stat(redis.passwordFile)).mode & 0o777).toBe(0o600);
    const refused = new Redis({ port: redis.port, retryStrategy: () => null, lazyConnect: true });
    refused.on('error', () => undefined);
    await expect(refused.get('a')).rejects.toThrow('NOAUTH');
    refused.disconnect();
  } finally {
    await redis.stop();
    await redis.stop();
    await rm(directory, { recursive: true });
  }
});
