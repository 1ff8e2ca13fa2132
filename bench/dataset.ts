// The data that is measured with. A hundredth of it with --small.

import { join } from 'node:path';
import { Client } from 'pg';
import { withRedis } from '../local/dataset/redis-data.ts';
import { postgresEnvironment } from './contenders/postgres-pipes.ts';
import type { Bench } from './measurement.ts';
import { quoted, timedShell } from './shell.ts';
import type { Stage } from './stage.ts';

/** Makes a database with pgbench's tables, 15 MB for each unit of `scale`. */
export async function makePgbench(stage: Stage, name: string, scale: number): Promise<void> {
  await query(stage, 'postgres', `create database ${name}`);
  const pgbench = quoted(join(stage.platform.site.postgres.binDirectory, 'pgbench'));
  const script = `${pgbench} --initialize --init-steps=dtgvp --scale=${scale} --quiet ${name}`;
  await timedShell({ script, env: await postgresEnvironment(stage) });
}

export const dropDatabase = (stage: Stage, name: string) => query(stage, 'postgres', `drop database ${name}`);

/** The benchmark's database: a cluster of about 1.4 GB. */
export async function makeBenchDatabase({ stage, small }: Pick<Bench, 'stage' | 'small'>): Promise<void> {
  await makePgbench(stage, 'bench', small ? 1 : 60);
  await query(
    stage,
    'bench',
    `create table docs as select g id, md5(g::text)||repeat(md5((g%1000)::text),4) body,
       now()-g*interval '1 s' ts, jsonb_build_object('a',g,'b',md5((g%77)::text)) j
     from generate_series(1,${small ? 15_000 : 1_500_000}) g`,
  );
  await query(stage, 'bench', 'vacuum analyze');
  await query(stage, 'bench', 'checkpoint');
}

async function query({ platform }: Stage, database: string, sql: string): Promise<void> {
  const client = new Client({ ...platform.site.access.postgres, database });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

const KEYS_A_CALL = 10_000;
// Sessions of about 100 bytes that do not compress to nothing, half of them with a time to live.
const SESSIONS = `for i = ARGV[1], ARGV[2] do
  local body = redis.sha1hex(i) .. redis.sha1hex('x' .. i) .. ':' .. i
  if i % 2 == 0 then redis.call('SET', 'session:' .. i, body, 'PX', 864000000 + i) else redis.call('SET', 'session:' .. i, body) end
end`;

/** One million keys. */
export async function makeKeys({ stage, small }: Pick<Bench, 'stage' | 'small'>): Promise<void> {
  const keys = small ? KEYS_A_CALL : 1_000_000;
  await withRedis(stage.platform.site.access.redis, async (redis) => {
    for (let first = 1; first <= keys; first += KEYS_A_CALL)
      await redis.call('EVAL', SESSIONS, 0, first, first + KEYS_A_CALL - 1);
  });
}
