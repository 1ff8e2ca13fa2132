// One million keys, beside what Redis' own tool needs for the same copy.
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { backUpWorkflowId } from '../../domain/run-names.ts';
import { withRedis } from '../../local/dataset/redis-data.ts';
import { passwordOf } from '../../local/redis.ts';
import type { BackUpSystemResult } from '../../workflows/messages.ts';
import { makeKeys } from '../dataset.ts';
import { type Bench, inRounds } from '../measurement.ts';
import { quoted, timedShell } from '../shell.ts';
import type { Stage } from '../stage.ts';
import { secondsAlone, secondsOf } from '../timeline.ts';

export async function measureRedisSpeed(bench: Bench): Promise<void> {
  const { stage, samples, say } = bench;
  say('making the keys');
  await makeKeys(bench);
  await withRedis(stage.platform.site.access.redis, (redis) =>
    redis.call('CONFIG', 'SET', 'repl-diskless-sync-delay', 0),
  );
  await inRounds(bench, { holdfast: () => backUp(bench), rdb: await ownTool(stage) }, ({ holdfast, rdb }) => {
    samples.add('redis-vs-rdb', holdfast / rdb);
    samples.tell('Redis backup: taking, s', holdfast);
    samples.tell('redis-cli --rdb | zstd, s', rdb);
  });
}

// Both read the same bytes from the server, compress them and write one file; ours is encrypted, hashed, flushed and
// counted too. What comes after that (two tiers, reading back, the seal) is shown apart.
async function backUp({ stage, samples }: Bench): Promise<number> {
  const { milliseconds } = await stage.dr('backup', 'redis', '--kind', 'rdb');
  const { report } = await stage.resultOf<BackUpSystemResult>(backUpWorkflowId(stage.platform.name, 'redis', 'rdb'));
  const readingBack = secondsAlone(report, (step) => step.startsWith('read-back-'));
  samples.tell('Redis backup: whole command without reading back, s', milliseconds / 1000 - readingBack);
  return secondsOf(report, 'take');
}

async function ownTool(stage: Stage): Promise<() => Promise<number>> {
  const { redis } = stage.platform.site;
  const file = join(stage.directory, 'redis-contender.rdb.zst');
  const env = { REDISCLI_AUTH: await passwordOf(redis) };
  const user = redis.configuration.user ?? 'default';
  const client = `redis-cli -h 127.0.0.1 -p ${redis.port} --user ${quoted(user)} --rdb -`;
  const script = `${client} | zstd -3 --quiet --stdout > ${quoted(file)}`;
  return async () => {
    const seconds = await timedShell({ script, env });
    if ((await readFile(file)).length === 0) throw new Error('redis-cli wrote nothing');
    await rm(file);
    return seconds;
  };
}
