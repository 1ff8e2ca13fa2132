import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { judgeClocks } from '../../domain/clocks.ts';
import { type RunningPostgres, startPostgres } from '../../local/postgres.ts';
import { type LocalRedis, startRedis } from '../../local/redis.ts';
import { checkClock, clocksOf } from '../../workers/store-clocks.ts';

let directory: string;
let postgres: RunningPostgres;
let redis: LocalRedis;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-clocks-'));
  await chmod(directory, 0o755);
  await Promise.all(['postgres', 'redis'].map((name) => mkdir(join(directory, name))));
  [postgres, redis] = await Promise.all([
    startPostgres({ directory: join(directory, 'postgres') }),
    startRedis({ directory: join(directory, 'redis') }),
  ]);
});

afterAll(async () => {
  await Promise.all([postgres?.stop(), redis?.stop()]);
  await rm(directory, { recursive: true, force: true });
});

describe('checkClock', () => {
  it('asks PostgreSQL and Redis with their passwords, by no program of this machine, and finds its own clock', async () => {
    vi.stubEnv('PATH', '/nowhere');
    const site = { workDirectory: directory, postgres: postgres.configuration, redis: redis.configuration };
    for (const system of ['postgres', 'redis'] as const) {
      const [finding] = await checkClock(site, system);
      expect(finding).toMatchObject({ level: 'ok', subject: 'clock', code: null });
      expect(finding?.message).toMatch(/^-?[01]\.\d s from this machine's$/);
    }
    expect(await checkClock(site, 'config')).toEqual([]);
    vi.unstubAllEnvs();
  });

  it('compares the clocks of all stores of a site, without the one that does not answer', async () => {
    const site = { workDirectory: directory, postgres: postgres.configuration, redis: redis.configuration };
    const skews = await clocksOf(site);
    expect(skews.map(({ source }) => source)).toEqual(['PostgreSQL', 'Redis']);
    expect(judgeClocks(skews)).toEqual([]);
    const gone = { ...redis.configuration, port: 1 };
    expect((await clocksOf({ ...site, redis: gone })).map(({ source }) => source)).toEqual(['PostgreSQL']);
  });

  it('tells a wrong password instead of passing the clock over', async () => {
    const wrong = { ...redis.configuration, password: '${env:PATH}' };
    await expect(checkClock({ workDirectory: directory, redis: wrong }, 'redis')).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
    });
  });

  it.each([
    [-90_000, 'failed'],
    [10_000, 'warning'],
  ])('judges a broker whose clock is %d ms away as %s', async (skewMs, level) => {
    const server = createServer((_, response) => {
      response.setHeader('Date', new Date(Date.now() + skewMs).toUTCString()).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const management = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const rabbitmq = {
      host: '127.0.0.1',
      port: 5672,
      management,
      user: 'u',
      password: '${env:P}',
      tls: false,
    } as never;
    const [finding] = await checkClock({ workDirectory: directory, rabbitmq }, 'rabbitmq');
    server.close();
    expect(finding).toMatchObject({ level, code: 'CLOCK_SKEWED', mend: 'timedatectl set-ntp true' });
  });
});
