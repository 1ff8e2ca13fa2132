// What the product costs where there is nothing to back up.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { withRedis } from '../../local/dataset/redis-data.ts';
import type { Bench } from '../measurement.ts';
import type { Stage } from '../stage.ts';

const REDIS_OWN_DELAY = 5;

/** `dr backup --all` as the stores come, and without what waits: broker messages and Redis' delay. */
export async function measureEmptyPlatform({ stage, samples, runs, say }: Bench): Promise<void> {
  const quick = await withoutMessages(stage);
  for (let round = 1; round <= runs; round++) {
    await setDelay(stage, REDIS_OWN_DELAY);
    const whole = (await stage.dr('backup', '--all')).milliseconds / 1000;
    await setDelay(stage, 0);
    const short = await quick();
    say(`round ${round}: ${whole.toFixed(2)} s, ${short.toFixed(2)} s`);
    samples.add('empty-platform', whole);
    samples.add('empty-platform-quick', short);
  }
}

const setDelay = ({ platform }: Stage, seconds: number) =>
  withRedis(platform.site.access.redis, (redis) => redis.call('CONFIG', 'SET', 'repl-diskless-sync-delay', seconds));

async function withoutMessages({ directory, platform, product }: Stage): Promise<() => Promise<number>> {
  const file = join(directory, 'without-messages.yaml');
  const configuration = parse(await readFile(platform.configurationFile, 'utf8'));
  const schedules = { rabbitmq: { kinds: ['definitions'] } };
  await writeFile(file, stringify({ ...configuration, schedules }), { mode: 0o600 });
  return async () => (await product.dr(['backup', '--all'], file)).milliseconds / 1000;
}
