// The content of one key read in pieces, so that a key of any size passes through a bounded memory. A piece is a list of
// items; an item is a member, a field with its value, a member with its score, an element, or a stretch of a string.
import type { Redis } from 'ioredis';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { batch, type Command } from './commands.ts';

export type Item = readonly Buffer[];

/** Above this, by the server's own estimate, a key is read, copied and written down in pieces. */
export const LARGE_BYTES = 4 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;
const MOST_ITEMS = 10_000;

/** Types whose items have no order: two servers hand them out differently. */
export const hasNoOrder = (type: string): boolean => ['set', 'hash', 'vectorset'].includes(type);

/** True for the types that `piecesOf` can take apart; streams have their own way, module types none. */
export const isPlainType = (type: string): boolean => ['string', 'list', 'set', 'hash', 'zset'].includes(type);

/** Commands that read a small key at once. */
export function wholeReading(type: string, key: Buffer): readonly Command[] {
  const commands: Readonly<Record<string, Command>> = {
    string: ['GET', key],
    list: ['LRANGE', key, 0, -1],
    set: ['SMEMBERS', key],
    hash: ['HGETALL', key],
    zset: ['ZRANGE', key, 0, -1, 'WITHSCORES'],
  };
  return [commands[type] ?? ['DUMP', key]];
}

/** Items of what a command of `wholeReading` or one of a piece answered. */
export function itemsOf(type: string, answer: Buffer | readonly Buffer[]): readonly Item[] {
  if (Buffer.isBuffer(answer)) return [[answer]];
  const width = type === 'hash' || type === 'zset' ? 2 : 1;
  const items = Array.from({ length: answer.length / width }, (_, index) =>
    answer.slice(index * width, (index + 1) * width),
  );
  return type === 'zset' ? items.map(([member, score]) => [member as Buffer, shortest(score as Buffer)]) : items;
}

// Redis 7 writes 0.1 as 0.10000000000000001, Redis 8 as 0.1: the same number.
function shortest(score: Buffer): Buffer {
  const number = Number(score.toString());
  return Number.isFinite(number) ? Buffer.from(String(number)) : score;
}

/**
 * The items of a key of a plain type, a few at a time. A set or hash whose table shrinks meanwhile may show an item twice.
 * @param bytes the server's estimate of the key's size.
 */
export async function* piecesOf(
  redis: Redis,
  key: Buffer,
  type: string,
  bytes: number,
): AsyncGenerator<readonly Item[]> {
  if (type === 'string') return yield* stretches(redis, key);
  const items = Number(await redis.call(LENGTHS[type] as string, key));
  const atOnce = Math.min(MOST_ITEMS, Math.max(1, Math.floor((items * PIECE_BYTES) / Math.max(bytes, 1))));
  if (hasNoOrder(type)) return yield* scanned(redis, key, type, atOnce);
  for (let from = 0; from < items; from += atOnce) {
    throwIfCancelled();
    const range: Command = [key, from, from + atOnce - 1, ...(type === 'zset' ? ['WITHSCORES'] : [])];
    yield itemsOf(type, (await redis.callBuffer(type === 'zset' ? 'ZRANGE' : 'LRANGE', ...range)) as Buffer[]);
  }
}

const LENGTHS: Readonly<Record<string, string>> = { list: 'LLEN', zset: 'ZCARD', set: 'SCARD', hash: 'HLEN' };

async function* stretches(redis: Redis, key: Buffer): AsyncGenerator<readonly Item[]> {
  for (let from = 0; ; from += PIECE_BYTES) {
    throwIfCancelled();
    const stretch = (await redis.callBuffer('GETRANGE', key, from, from + PIECE_BYTES - 1)) as Buffer;
    if (stretch.length > 0) yield [[stretch]];
    if (stretch.length < PIECE_BYTES) return;
  }
}

async function* scanned(redis: Redis, key: Buffer, type: string, atOnce: number): AsyncGenerator<readonly Item[]> {
  let cursor = '0';
  do {
    throwIfCancelled();
    const [next, found] = (await redis.callBuffer(
      type === 'set' ? 'SSCAN' : 'HSCAN',
      key,
      cursor,
      'COUNT',
      atOnce,
    )) as [Buffer, Buffer[]];
    const items = itemsOf(type, found);
    if (items.length > 0) yield type === 'hash' ? await withFieldExpiry(redis, key, items) : items;
    cursor = next.toString();
  } while (cursor !== '0');
}

const NO_EXPIRY = -1;
const NO_FIELD = -2;

/** Adds the expiry of those fields that have one (Redis 7.4 and newer); a field that has just expired is left out. */
export async function withFieldExpiry(redis: Redis, key: Buffer, items: readonly Item[]): Promise<readonly Item[]> {
  if (items.length === 0 || !(await knowsFieldExpiry(redis))) return items;
  const times = (await batch(redis, [fieldExpiries(key, items)]))[0] as readonly (number | string)[] | null;
  return expiringItems(items, times);
}

/** The command that asks for the expiry of the items' fields. */
export function fieldExpiries(key: Buffer, items: readonly Item[]): Command {
  return ['HPEXPIRETIME', key, 'FIELDS', items.length, ...items.map(([field]) => field as Buffer)];
}

/** Items with what `fieldExpiries` answered. */
export function expiringItems(items: readonly Item[], times: readonly (number | string)[] | null): readonly Item[] {
  return items.flatMap((item, index) => {
    const expiresAtMs = Number(times?.[index] ?? NO_FIELD);
    if (expiresAtMs === NO_FIELD) return [];
    return [expiresAtMs === NO_EXPIRY ? item : [...item, Buffer.from(String(expiresAtMs))]];
  });
}

const known = new WeakMap<Redis, Promise<boolean>>();

/** True where fields of a hash can expire. Asked once a connection. */
export function knowsFieldExpiry(redis: Redis): Promise<boolean> {
  const before = known.get(redis);
  if (before !== undefined) return before;
  const answer = redis.call('COMMAND', 'INFO', 'hpexpiretime').then((found) => (found as unknown[])[0] !== null);
  known.set(redis, answer);
  return answer;
}
