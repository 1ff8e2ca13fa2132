// A large key as the commands that make it again, a few at a time: what Redis itself does when it rewrites an append-only
// file. `DUMP` would be one reply of the key's whole size, and no server takes more than 512 MB back at once.
import type { Redis } from 'ioredis';
import { Failure } from '../../domain/failures.ts';
import { type Item, isPlainType, piecesOf } from './key-content.ts';
import { entriesOf, type PendingEntry, pendingOf, type StreamState, streamState } from './stream-content.ts';

/** One command; null stands where the name of the key goes. */
export type Template = readonly (string | Buffer | null)[];

/** True for keys that can be taken apart. */
export const canBeRebuilt = (type: string): boolean => isPlainType(type) || type === 'stream';

/** The commands in order, in pieces. @param bytes the server's estimate of the key's size. */
export async function* rebuildCommands(
  redis: Redis,
  key: Buffer,
  type: string,
  bytes: number,
): AsyncGenerator<readonly Template[]> {
  if (type === 'stream') return yield* streamCommands(redis, key, bytes);
  if (!isPlainType(type)) throw new Failure('BUG', `a key of the type '${type}' cannot be taken apart`);
  for await (const items of piecesOf(redis, key, type, bytes)) yield commandsFor(type, items);
}

function commandsFor(type: string, items: readonly Item[]): readonly Template[] {
  switch (type) {
    case 'string':
      return items.map(([stretch]) => ['APPEND', null, stretch as Buffer]);
    case 'list':
      return [['RPUSH', null, ...items.flat()]];
    case 'set':
      return [['SADD', null, ...items.flat()]];
    case 'zset':
      return [['ZADD', null, ...items.flatMap(([member, score]) => [score as Buffer, member as Buffer])]];
    default:
      return [
        ['HSET', null, ...items.flatMap(([field, value]) => [field as Buffer, value as Buffer])],
        ...expiries(items),
      ];
  }
}

const expiries = (items: readonly Item[]): Template[] =>
  items.flatMap(([field, , expiresAtMs]) =>
    expiresAtMs === undefined ? [] : [['HPEXPIREAT', null, expiresAtMs, 'FIELDS', '1', field as Buffer]],
  );

// A pending entry whose message was deleted can only be claimed while the message is there: it is added and deleted again.
async function* streamCommands(redis: Redis, key: Buffer, bytes: number): AsyncGenerator<readonly Template[]> {
  const state = await streamState(redis, key);
  const deleted = await deletedPending(redis, key, state);
  const missing = [...deleted];
  for await (const entries of entriesOf(redis, key, bytes)) {
    const before = missing.splice(0, countUpTo(missing, String(entries.at(-1)?.[0])));
    yield merged(entries, before).map(([id, ...fields]) => ['XADD', null, id as Buffer, ...fields]);
  }
  if (missing.length > 0) yield missing.map((id) => ['XADD', null, id, 'deleted', '']);
  for (const group of state.groups) yield* groupCommands(redis, key, group);
  yield [...(await removals(redis, key, state, deleted)), lastNumbers(state)];
}

// Trimming leaves no trace in the stream's own numbers, deleting does; XSETID cannot take that trace away.
async function removals(
  redis: Redis,
  key: Buffer,
  state: StreamState,
  deleted: readonly string[],
): Promise<Template[]> {
  if (deleted.length === 0) return [];
  if (state.maxDeletedId !== '0-0') return deleted.map((id) => ['XDEL', null, id]);
  const [first] = await redis.xrange(key, '-', '+', 'COUNT', 1);
  return [first === undefined ? ['XTRIM', null, 'MAXLEN', '0'] : ['XTRIM', null, 'MINID', first[0]]];
}

const lastNumbers = ({ lastId, entriesAdded, maxDeletedId }: StreamState): Template => [
  'XSETID',
  null,
  lastId,
  'ENTRIESADDED',
  String(entriesAdded),
  'MAXDELETEDID',
  maxDeletedId,
];

async function* groupCommands(
  redis: Redis,
  key: Buffer,
  { name, lastId, entriesRead, consumers }: StreamState['groups'][number],
): AsyncGenerator<readonly Template[]> {
  const read = entriesRead === null ? [] : ['ENTRIESREAD', String(entriesRead)];
  yield [
    ['XGROUP', 'CREATE', null, name, lastId, ...read],
    ...consumers.map((consumer): Template => ['XGROUP', 'CREATECONSUMER', null, name, consumer]),
  ];
  for await (const page of pendingOf(redis, key, name)) yield page.map((entry) => claim(name, entry));
}

const claim = (group: Buffer, { id, consumer, deliveredAtMs, deliveries }: PendingEntry): Template => [
  ...['XCLAIM', null, group, consumer, '0', id],
  ...['TIME', String(deliveredAtMs), 'RETRYCOUNT', String(deliveries), 'JUSTID', 'FORCE'],
];

// Ids of pending entries that are no longer in the stream, in order and each once.
async function deletedPending(redis: Redis, key: Buffer, { groups }: StreamState): Promise<string[]> {
  const ids = new Set<string>();
  for (const { name, pendingCount } of groups) {
    if (pendingCount === 0) continue;
    for await (const page of pendingOf(redis, key, name)) {
      const found = await Promise.all(page.map(({ id }) => redis.xrange(key, id, id)));
      for (const [index, { id }] of page.entries()) if (found[index]?.length === 0) ids.add(id);
    }
  }
  return [...ids].sort(byId);
}

function byId(a: string, b: string): number {
  const [[aTime = 0n, aNumber = 0n], [bTime = 0n, bNumber = 0n]] = [parts(a), parts(b)];
  const difference = aTime === bTime ? aNumber - bNumber : aTime - bTime;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

const parts = (id: string) => id.split('-').map(BigInt);

const countUpTo = (ids: readonly string[], last: string) => ids.filter((id) => byId(id, last) < 0).length;

function merged(entries: readonly Item[], missing: readonly string[]): readonly Item[] {
  const added = missing.map((id): Item => [Buffer.from(id), Buffer.from('deleted'), Buffer.alloc(0)]);
  return [...entries, ...added].sort((a, b) => byId(String(a[0]), String(b[0])));
}
