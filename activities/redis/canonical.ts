// A hash of a key's content that is the same on every server and in every encoding. DUMP's bytes are not: the order of
// a set in them depends on the history of its table.
import type { Redis } from 'ioredis';
import { Failure } from '../../domain/failures.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { batch, type Command } from './commands.ts';
import { ContentDigest } from './content-digest.ts';
import {
  expiringItems,
  fieldExpiries,
  hasNoOrder,
  isPlainType,
  itemsOf,
  knowsFieldExpiry,
  LARGE_BYTES,
  piecesOf,
  wholeReading,
} from './key-content.ts';
import { entriesOf, pendingOf, streamState } from './stream-content.ts';
import { vectorSetNature, vectorsOf } from './vector-content.ts';

const BATCH = 500;
/** How much content one exchange with the server may carry. */
const BATCH_BYTES = LARGE_BYTES;
const TRIES = 5;

export interface KeyPrint {
  readonly type: string;
  /** Unix milliseconds; -1 without an expiry. */
  readonly expiresAtMs: number;
  /** The server's own estimate of what the key takes. */
  readonly bytes: number;
  /** SHA-256 over name, type, expiry and content. */
  readonly digest: Buffer;
}

/** Names of the keys of one database that match, in batches; selects the database on this connection. */
export async function* keysOf(redis: Redis, database: number, pattern: string): AsyncGenerator<Buffer[]> {
  await redis.select(database);
  let cursor = '0';
  do {
    throwIfCancelled();
    const answer = await redis.callBuffer('SCAN', cursor, 'MATCH', Buffer.from(pattern), 'COUNT', BATCH);
    const [next, keys] = answer as [Buffer, Buffer[]];
    if (keys.length > 0) yield distinct(keys);
    cursor = next.toString();
  } while (cursor !== '0');
}

/** What is known of a key before its content is read. */
interface Head {
  readonly key: Buffer;
  readonly type: string;
  readonly expiresAtMs: number;
  readonly bytes: number;
}

/**
 * Prints of keys of the selected database, in their order; null for a key that is not there. However large the keys
 * are, a bounded part of them is held at once. A key that changes its type meanwhile is read again.
 */
export async function printKeys(redis: Redis, keys: readonly Buffer[]): Promise<(KeyPrint | null)[]> {
  for (let tries = 1; ; tries += 1) {
    try {
      const prints: (KeyPrint | null)[] = [];
      for (const group of grouped(await headsOf(redis, keys))) prints.push(...(await printGroup(redis, group)));
      return prints;
    } catch (error) {
      if (tries === TRIES || !(error instanceof Error && /^WRONGTYPE|no such key|No such key/.test(error.message)))
        throw error;
    }
  }
}

async function headsOf(redis: Redis, keys: readonly Buffer[]): Promise<Head[]> {
  const answers = await batch(
    redis,
    keys.flatMap((key) => [
      ['TYPE', key],
      ['PEXPIRETIME', key],
      ['MEMORY', 'USAGE', key],
    ]),
  );
  return keys.map((key, index) => ({
    key,
    type: String(answers[index * 3]),
    expiresAtMs: Number(answers[index * 3 + 1]),
    bytes: Number(answers[index * 3 + 2] ?? 0),
  }));
}

// Consecutive keys that may be read together; a large one stands alone.
function grouped(heads: readonly Head[]): Head[][] {
  const groups: Head[][] = [];
  let room = 0;
  for (const head of heads) {
    if (groups.length === 0 || head.bytes > room) {
      groups.push([]);
      room = BATCH_BYTES;
    }
    groups.at(-1)?.push(head);
    room -= head.bytes;
  }
  return groups;
}

async function printGroup(redis: Redis, heads: readonly Head[]): Promise<(KeyPrint | null)[]> {
  const [first] = heads;
  if (heads.length === 1 && first !== undefined && first.bytes > LARGE_BYTES && isPlainType(first.type))
    return [await printInPieces(redis, first)];
  const whole = heads.filter(({ type }) => OWN_WAY[type] === undefined && type !== 'none');
  const answers = await batch(
    redis,
    whole.flatMap(({ type, key }) => wholeReading(type, key)),
  );
  const contents = new Map(whole.map((head, index) => [head, answers[index] as Buffer | Buffer[] | null]));
  const fieldTimes = await fieldTimesOf(redis, contents);
  const prints: (KeyPrint | null)[] = [];
  for (const head of heads) {
    const ownWay = OWN_WAY[head.type];
    if (ownWay !== undefined) prints.push(head.expiresAtMs === -2 ? null : await ownWay(redis, head));
    else prints.push(printWhole(head, contents.get(head) ?? null, fieldTimes.get(head)));
  }
  return prints;
}

type Times = readonly (number | string)[] | null;

async function fieldTimesOf(
  redis: Redis,
  contents: ReadonlyMap<Head, Buffer | Buffer[] | null>,
): Promise<ReadonlyMap<Head, Times>> {
  const hashes = [...contents].filter(([{ type }, found]) => type === 'hash' && (found?.length ?? 0) > 0);
  if (hashes.length === 0 || !(await knowsFieldExpiry(redis))) return new Map();
  const commands: Command[] = hashes.map(([{ key }, found]) => fieldExpiries(key, itemsOf('hash', found as Buffer[])));
  const answers = await batch(redis, commands);
  return new Map(hashes.map(([head], index) => [head, answers[index] as Times]));
}

// A key may have expired, or been removed, between the two readings.
function printWhole(head: Head, content: Buffer | Buffer[] | null, times: Times | undefined): KeyPrint | null {
  const isGone = content === null || (Array.isArray(content) && content.length === 0);
  if (head.expiresAtMs === -2 || isGone) return null;
  const read = itemsOf(head.type, content);
  const digest = new ContentDigest(head);
  const items = times === undefined ? read : expiringItems(read, times);
  digest.add(items);
  return printOf(head, digest);
}

// A table that shrinks while it is scanned shows items twice, and then there are more than the key says: read again. On
// a server whose clients write into the key it may never agree; the print is then simply another one.
async function printInPieces(redis: Redis, head: Head): Promise<KeyPrint | null> {
  for (let tries = 1; ; tries += 1) {
    const digest = new ContentDigest(head);
    for await (const items of piecesOf(redis, head.key, head.type, head.bytes)) digest.add(items);
    if (digest.items === 0) return null;
    if (!hasNoOrder(head.type) || tries === TRIES) return printOf(head, digest);
    const items = Number(await redis.call(head.type === 'set' ? 'SCARD' : 'HLEN', head.key));
    if (digest.items <= items) return printOf(head, digest);
  }
}

async function printStream(redis: Redis, head: Head): Promise<KeyPrint> {
  const { key } = head;
  const digest = new ContentDigest(head);
  const { groups, length, lastId, maxDeletedId, entriesAdded } = await streamState(redis, key);
  for await (const entries of entriesOf(redis, key, head.bytes)) digest.add(entries);
  digest.add([[length, lastId, maxDeletedId, entriesAdded, groups.length].map(bytesOf)]);
  for (const { name, lastId: delivered, pendingCount, consumers } of groups) {
    digest.add([[name, ...[delivered, pendingCount].map(bytesOf)], consumers]);
    if (pendingCount === 0) continue;
    for await (const page of pendingOf(redis, key, name))
      digest.add(
        page.map(({ id, consumer, deliveredAtMs, deliveries }) => [
          bytesOf(id),
          consumer,
          bytesOf(deliveredAtMs),
          bytesOf(deliveries),
        ]),
      );
  }
  return printOf(head, digest);
}

async function printVectors(redis: Redis, head: Head): Promise<KeyPrint> {
  const digest = new ContentDigest(head);
  digest.add([await vectorSetNature(redis, head.key)]);
  for await (const elements of vectorsOf(redis, head.key)) digest.add(elements);
  return printOf(head, digest);
}

/** Types that are read by several commands. */
const OWN_WAY: Readonly<Record<string, (redis: Redis, head: Head) => Promise<KeyPrint>>> = {
  stream: printStream,
  vectorset: printVectors,
};

const bytesOf = (value: string | number) => Buffer.from(String(value));

const printOf = ({ type, expiresAtMs, bytes }: Head, digest: ContentDigest): KeyPrint => ({
  type,
  expiresAtMs,
  bytes,
  digest: digest.finish(),
});

function distinct(keys: readonly Buffer[]): Buffer[] {
  const seen = new Set<string>();
  return keys.filter((key) => {
    const name = key.toString('latin1');
    if (seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}

/** Numbers of the databases that hold keys. @throws {Failure} BUG when the server does not tell. */
export async function databasesWithKeys(redis: Redis): Promise<number[]> {
  const text = String(await redis.call('INFO', 'keyspace'));
  if (!text.includes('# Keyspace')) throw new Failure('BUG', 'the server does not tell its databases');
  return [...text.matchAll(/^db(\d+):/gm)].map(([, number]) => Number(number)).sort((a, b) => a - b);
}
