// What an agent platform keeps in Redis: sessions with time to live, and every data type, in two databases.
import { Redis } from 'ioredis';
import { counter, type DatasetSize, type OnProgress, scaled } from './progress.ts';

export interface RedisAccess {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
}

type Command = readonly [name: string, ...args: (string | number)[]];

interface KeyData {
  readonly database: number;
  readonly keys: number;
  /** The commands that make key number `n`. */
  readonly commands: (n: number, seed: number) => Command[];
}

const HOUR_MS = 3_600_000;
const BATCH_KEYS = 1000;

const KEYS: readonly KeyData[] = [
  { database: 0, keys: 90_000, commands: session },
  {
    database: 0,
    keys: 30_000,
    commands: (n, seed) => [['SET', `cache:{${n}}`, `${seed}-${'x'.repeat(n % 200)}-${n}`]],
  },
  {
    database: 0,
    keys: 20_000,
    commands: (n, seed) => [['RPUSH', `inbox:${n}`, `first-${seed}`, `second-${n}`, 'third']],
  },
  { database: 0, keys: 20_000, commands: (n) => [['SADD', `tags:${n}`, 'all', `tag-${n % 17}`, `tag-${n % 31}`]] },
  { database: 1, keys: 20_000, commands: (n, seed) => [['ZADD', `score:${n}`, n, 'a', seed, 'b', n / 3, 'c']] },
  {
    database: 1,
    keys: 14_000,
    commands: (n, seed) => [['HSET', `agent:${n}`, 'state', `s${n % 9}`, 'seed', seed, 'näme', `ø${n}`]],
  },
  { database: 1, keys: 2000, commands: stream },
  { database: 1, keys: 2000, commands: (n) => [['PFADD', `visitors:${n}`, `a${n}`, `b${n % 7}`, `c${n % 11}`]] },
  { database: 1, keys: 1000, commands: (n) => [['SETBIT', `days:${n}`, n % 365, 1]] },
  {
    database: 1,
    keys: 1000,
    commands: (n) => [['GEOADD', `places:${n}`, n % 180, n % 80, 'home', -(n % 180), 1, 'work']],
  },
];

const FUNCTION =
  "#!lua name=platform\nredis.register_function('next_turn', function(keys) return redis.call('INCR', keys[1]) end)";

// A day and more: nothing of the dataset ends while somebody looks at it.
function session(n: number, seed: number): Command[] {
  const body = JSON.stringify({ user: n, agent: n % 2000, token: `${seed}-${n}` });
  return [['SET', `session:${n}`, body, 'PX', 24 * HOUR_MS + n * 1000]];
}

function stream(n: number, seed: number): Command[] {
  const key = `events:${n}`;
  const entries = [1, 2, 3].map((id): Command => ['XADD', key, `${n}-${id}`, 'kind', `k${id}`, 'seed', seed]);
  return [
    ...entries,
    ['XGROUP', 'CREATE', key, 'workers', '0'],
    ['XREADGROUP', 'GROUP', 'workers', 'w1', 'COUNT', 1, 'STREAMS', key, '>'],
  ];
}

/** Writes all keys, pipelined; also a function and a user, which a backup must hold too. */
export async function loadRedis(access: RedisAccess, size: DatasetSize, onProgress: OnProgress): Promise<void> {
  const sized = KEYS.map((data) => ({ ...data, keys: scaled(data.keys, size) }));
  const total = sized.reduce((sum, { keys }) => sum + keys, 0);
  const onKeys = counter(total, onProgress);
  await withRedis(access, async (redis) => {
    await redis.call('FUNCTION', 'LOAD', 'REPLACE', FUNCTION);
    await redis.call('ACL', 'SETUSER', 'agent-reader', 'on', '>not-the-real-one', '~session:*', '+@read');
    for (const data of sized) await loadKeys(redis, data, size.seed, onKeys);
  });
}

async function loadKeys(
  redis: Redis,
  { database, keys, commands }: KeyData,
  seed: number,
  onKeys: (keys: number) => void,
) {
  await redis.select(database);
  for (let first = 1; first <= keys; first += BATCH_KEYS) {
    const last = Math.min(keys, first + BATCH_KEYS - 1);
    const pipeline = redis.pipeline();
    for (let n = first; n <= last; n += 1)
      for (const [name, ...args] of commands(n, seed)) pipeline.call(name, ...args);
    requireDone(await pipeline.exec());
    onKeys(last - first + 1);
  }
}

/** The values of a pipeline. @throws the first error among them. */
export function requireDone(results: readonly (readonly [Error | null, unknown])[] | null): unknown[] {
  if (results === null) throw new Error('the pipeline was given up');
  return results.map(([error, value]) => {
    if (error) throw error;
    return value;
  });
}

/** Connects for the length of `use`. */
export async function withRedis<T>(access: RedisAccess, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({ ...access, lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 1 });
  await redis.connect();
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}
