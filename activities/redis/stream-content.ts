// A stream read in pages: its entries, its own numbers, and its groups with their consumers and pending entries.
import type { Redis } from 'ioredis';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { batch } from './commands.ts';
import type { Item } from './key-content.ts';

const PAGE_BYTES = 2 * 1024 * 1024;
const MOST_ENTRIES = 5000;
const PAGE_PENDING = 200;

/** What a stream knows besides its entries. Ids are `milliseconds-sequence`. */
export interface StreamState {
  readonly length: number;
  readonly lastId: string;
  readonly maxDeletedId: string;
  readonly entriesAdded: number;
  readonly groups: readonly StreamGroup[];
}

export interface StreamGroup {
  readonly name: Buffer;
  readonly lastId: string;
  /** An estimate that append-only files do not carry: restored where it is known, never compared. */
  readonly entriesRead: number | null;
  readonly consumers: readonly Buffer[];
  readonly pendingCount: number;
}

export interface PendingEntry {
  readonly id: string;
  readonly consumer: Buffer;
  /** Unix milliseconds. */
  readonly deliveredAtMs: number;
  readonly deliveries: number;
}

/** The stream's own numbers and its groups, sorted by name, without their pending entries. */
export async function streamState(redis: Redis, key: Buffer): Promise<StreamState> {
  const [info, list] = await batch(redis, [
    ['XINFO', 'STREAM', key],
    ['XINFO', 'GROUPS', key],
  ]);
  const facts = fieldsOf(info);
  return {
    length: Number(facts.length),
    lastId: String(facts['last-generated-id']),
    maxDeletedId: String(facts['max-deleted-entry-id'] ?? '0-0'),
    entriesAdded: Number(facts['entries-added'] ?? facts.length),
    groups: (await Promise.all((list as unknown[]).map((one) => groupOf(redis, key, fieldsOf(one))))).sort(byName),
  };
}

async function groupOf(redis: Redis, key: Buffer, facts: Readonly<Record<string, unknown>>): Promise<StreamGroup> {
  const name = facts.name as Buffer;
  const consumers = (await redis.callBuffer('XINFO', 'CONSUMERS', key, name)) as unknown[];
  const read = facts['entries-read'];
  return {
    name,
    lastId: String(facts['last-delivered-id']),
    entriesRead: read === null || read === undefined ? null : Number(read),
    consumers: consumers.map((one) => fieldsOf(one).name as Buffer).sort(Buffer.compare),
    pendingCount: Number(facts.pending),
  };
}

const byName = (a: StreamGroup, b: StreamGroup) => Buffer.compare(a.name, b.name);

/** Entries in their order, each as its id, fields and values. @param bytes the server's estimate of the key's size. */
export async function* entriesOf(redis: Redis, key: Buffer, bytes: number): AsyncGenerator<readonly Item[]> {
  const length = Number(await redis.call('XLEN', key));
  const atOnce = Math.min(MOST_ENTRIES, Math.max(1, Math.floor((length * PAGE_BYTES) / Math.max(bytes, 1))));
  for (let from = '-'; ; ) {
    throwIfCancelled();
    const page = (await redis.callBuffer('XRANGE', key, from, '+', 'COUNT', atOnce)) as [Buffer, Buffer[]][];
    if (page.length > 0) yield page.map(([id, fields]) => [id, ...fields]);
    if (page.length < atOnce) return;
    from = `(${String(page.at(-1)?.[0])}`;
  }
}

/** Pending entries of a group in the order of their ids. */
export async function* pendingOf(redis: Redis, key: Buffer, group: Buffer): AsyncGenerator<readonly PendingEntry[]> {
  for (let from = '-'; ; ) {
    throwIfCancelled();
    const page = await pendingPage(redis, key, group, from);
    if (page.length > 0) yield page;
    if (page.length < PAGE_PENDING) return;
    from = `(${page.at(-1)?.id}`;
  }
}

// The server tells how long ago an entry was delivered, not when. Between two readings of its clock in one millisecond
// that is the same; XINFO STREAM FULL tells the time, but reads every entry of the stream with it.
async function pendingPage(redis: Redis, key: Buffer, group: Buffer, from: string): Promise<readonly PendingEntry[]> {
  for (let tries = 0; ; tries += 1) {
    const [before, found, after] = await batch(redis, [
      ['TIME'],
      ['XPENDING', key, group, from, '+', PAGE_PENDING],
      ['TIME'],
    ]);
    const nowMs = milliseconds(before);
    if (nowMs !== milliseconds(after) && tries < 1000) continue;
    return (found as [Buffer, Buffer, unknown, unknown][]).map(([id, consumer, idle, deliveries]) => ({
      id: String(id),
      consumer,
      deliveredAtMs: nowMs - Number(idle),
      deliveries: Number(deliveries),
    }));
  }
}

const milliseconds = (time: unknown) => {
  const [seconds, micros] = time as [Buffer, Buffer];
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
};

function fieldsOf(flat: unknown): Readonly<Record<string, unknown>> {
  const items = flat as unknown[];
  return Object.fromEntries(
    Array.from({ length: items.length / 2 }, (_, index) => [String(items[index * 2]), items[index * 2 + 1]]),
  );
}
