// Keys of every type in several databases, with expiry times, odd names and functions.
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';

export const LIBRARY = "#!lua name=dr_test\nredis.register_function('answer', function() return 42 end)";
export const BINARY_KEY = Buffer.from([0, 255, 10, 13, 42, 63, 91, 92, 0x24, 0x80]);

/** Fills databases 0, 3 and 9; returns how many keys there are then. */
export async function fillRedis(redis: Redis, sessions = 300): Promise<number> {
  await redis.call('FUNCTION', 'LOAD', 'REPLACE', LIBRARY);
  await fillTypes(redis);
  const pipeline = redis.pipeline();
  pipeline.select(3);
  for (let index = 0; index < sessions; index += 1)
    pipeline.set(`session:${index}`, `user ${index}`.repeat(5), 'PX', 3_600_000 + index);
  pipeline.select(9);
  for (let index = 0; index < 50; index += 1)
    pipeline.zadd(`board:${index}`, index, 'a', index * 1.5, 'b', -index, 'c');
  pipeline.select(0);
  await pipeline.exec();
  return sessions + 50 + (await redis.dbsize());
}

async function fillTypes(redis: Redis): Promise<void> {
  const numbers = (count: number) => Array.from({ length: count }, (_, index) => `member-${index}`);
  await redis.set('string', 'text');
  await redis.set('number', 12345);
  await redis.set('large', randomBytes(400_000));
  await redis.set(BINARY_KEY, Buffer.from([0, 1, 2, 255, 254]));
  await redis.set('', 'the empty name is a name');
  await redis.set('key with "quotes" and\nnewline *?[a]\\', 'odd');
  await redis.rpush('list', ...numbers(1000));
  await redis.rpush('short list', 'b', 'a');
  await redis.sadd('set', ...numbers(1000));
  await redis.sadd('integers', 3, 1, 2);
  await redis.sadd('small set', 'b', 'a');
  await redis.hset('hash', Object.fromEntries(numbers(700).map((name, index) => [name, `${index}`])));
  await redis.hset('small hash', { b: '1', a: '2' });
  await redis.zadd('zset', ...numbers(500).flatMap((name, index) => [Math.sqrt(index), name]));
  await redis.zadd('infinite', '-inf', 'low', '+inf', 'high', 0.1, 'small');
  await redis.geoadd('geo', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania');
  await redis.pfadd('loglog', ...numbers(2000));
  await redis.setbit('bits', 100_003, 1);
  for (const index of numbers(120)) await redis.xadd('stream', '*', 'field', index);
  await redis.xgroup('CREATE', 'stream', 'workers', '0');
  await redis.xreadgroup('GROUP', 'workers', 'one', 'COUNT', 10, 'STREAMS', 'stream', '>');
  await redis.xgroup('CREATE', 'stream', 'idle', '$');
  await redis.xadd('emptied', '*', 'a', 'b');
  await redis.xtrim('emptied', 'MAXLEN', 0);
  await redis.set('soon', 'gone', 'EX', 5000);
}
