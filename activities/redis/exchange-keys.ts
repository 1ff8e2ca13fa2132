// One batch of keys of the live store exchanged while its clients go on: what stands there is written down, and the
// exchange happens only when nobody has written to these keys since. Otherwise it is made again with what is there now.
import type { Redis } from 'ioredis';
import { Failure } from '../../domain/failures.ts';
import type { KeyPrint } from './canonical.ts';
import { infoOf } from './client.ts';
import { batch, transaction } from './commands.ts';
import type { Journal, JournalEntry } from './journal.ts';
import { LARGE_BYTES } from './key-content.ts';
import { grow, placing, removeGrowing, restoring } from './put-back.ts';
import { canBeRebuilt, rebuildCommands } from './rebuild-commands.ts';

/** A key of the live store and what it shall become; `wanted` null removes it. */
export interface Exchange {
  readonly key: Buffer;
  readonly wanted: KeyPrint | null;
  /** As it was when it was looked at. */
  readonly present: KeyPrint | null;
}

/** Both connections have the database selected. */
export interface Place {
  readonly live: Redis;
  readonly database: number;
  readonly journal: Journal;
  readonly from: Redis;
}

/** Against a key that is written all the time, nobody wins by trying for ever. */
const TRIES = 50;

/**
 * Exchanges the keys.
 * @throws {Failure} TARGET_UNSAFE when clients write to a key without a pause, or the server throws keys away to make room.
 */
export async function exchangeKeys(place: Place, exchanges: readonly Exchange[]): Promise<void> {
  if (exchanges.length === 0) return;
  const evictedBefore = await evictedKeys(place.live);
  for (const group of grouped(exchanges))
    await exchangeGroup(place, group).catch((error: unknown) => {
      throw writeFailure(error);
    });
  await requireNoneEvicted(place.live, evictedBefore);
}

function grouped(exchanges: readonly Exchange[]): Exchange[][] {
  const groups: Exchange[][] = [];
  let room = 0;
  for (const exchange of exchanges) {
    const bytes = (exchange.wanted?.bytes ?? 0) + (exchange.present?.bytes ?? 0);
    if (groups.length === 0 || bytes > room) {
      groups.push([]);
      room = LARGE_BYTES;
    }
    groups.at(-1)?.push(exchange);
    room -= bytes;
  }
  return groups;
}

// Some key of the group changed while it was written down: the halves are tried apart, down to the one that changes.
async function exchangeGroup(place: Place, group: readonly Exchange[]): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    if (await tryExchange(place, group)) return;
    if (group.length > 1) {
      const middle = group.length >> 1;
      await exchangeGroup(place, group.slice(0, middle));
      return await exchangeGroup(place, group.slice(middle));
    }
    if (tries === TRIES) throw restless(group[0]?.key as Buffer);
  }
}

const restless = (key: Buffer) =>
  new Failure(
    'TARGET_UNSAFE',
    `clients write to the key ${JSON.stringify(key.toString('latin1').slice(0, 60))} all the time, so it cannot be replaced`,
    { mend: 'stop the applications that write to it, then retry the step' },
  );

async function tryExchange(place: Place, group: readonly Exchange[]): Promise<boolean> {
  const { live, database, journal, from } = place;
  const grown = group.find(({ wanted }) => isInPieces(wanted));
  try {
    if (grown !== undefined) await grow(live, piecesOf(from, grown.key, grown.wanted as KeyPrint));
    const wanted = await asEntries(
      from,
      database,
      group.filter((one) => one !== grown && one.wanted !== null),
    );
    await batch(live, [['WATCH', ...group.map(({ key }) => key)]]);
    await journal.write(await presentEntries(place, group));
    const done = await transaction(live, [
      // What has expired in the scratch server meanwhile leaves the live key alone.
      ...wanted.filter(({ payload }) => payload !== null).map(restoring),
      ...group.filter((one) => one.wanted === null).map(({ key }) => ['UNLINK', key]),
      ...(grown === undefined ? [] : placing(grown.key, (grown.wanted as KeyPrint).expiresAtMs)),
    ]);
    if (!done) await journal.withdraw();
    return done;
  } finally {
    await live.call('UNWATCH');
    if (grown !== undefined) await removeGrowing(live);
  }
}

function isInPieces(print: KeyPrint | null): boolean {
  return print !== null && print.bytes > LARGE_BYTES && canBeRebuilt(print.type);
}

const piecesOf = (redis: Redis, key: Buffer, { type, bytes }: KeyPrint) => rebuildCommands(redis, key, type, bytes);

// What a group holds is small, or it is one key; what clients made of a key meanwhile is looked at again.
async function presentEntries({ live, database, journal }: Place, group: readonly Exchange[]): Promise<JournalEntry[]> {
  const sizes = await batch(
    live,
    group.flatMap(({ key }) => [
      ['TYPE', key],
      ['MEMORY', 'USAGE', key],
    ]),
  );
  const isLarge = (index: number) =>
    Number(sizes[index * 2 + 1] ?? 0) > LARGE_BYTES && canBeRebuilt(String(sizes[index * 2]));
  const entries = await asEntries(
    live,
    database,
    group.filter((_, index) => !isLarge(index)),
  );
  for (const [index, { key }] of group.entries()) {
    if (!isLarge(index)) continue;
    const expiresAtMs = Number(await live.call('PEXPIRETIME', key));
    const pieces = rebuildCommands(live, key, String(sizes[index * 2]), Number(sizes[index * 2 + 1]));
    entries.push({ database, key, payload: null, expiresAtMs, piecesPath: await journal.writeLarge(pieces) });
  }
  return entries;
}

async function asEntries(redis: Redis, database: number, group: readonly Exchange[]): Promise<JournalEntry[]> {
  const answers = await batch(
    redis,
    group.flatMap(({ key }) => [
      ['PEXPIRETIME', key],
      ['DUMP', key],
    ]),
  );
  return group.map(({ key }, index) => ({
    database,
    key,
    payload: answers[index * 2 + 1] as Buffer | null,
    expiresAtMs: Number(answers[index * 2]),
  }));
}

async function evictedKeys(live: Redis): Promise<number> {
  return Number((await infoOf(live, 'stats')).evicted_keys ?? 0);
}

async function requireNoneEvicted(live: Redis, before: number): Promise<void> {
  const evicted = (await evictedKeys(live)) - before;
  if (evicted > 0)
    throw new Failure(
      'TARGET_UNSAFE',
      `the live server has reached its maxmemory and threw ${evicted} keys away while keys were written`,
      {
        mend: 'raise maxmemory, then undo the restore or retry the step: keys that the server threw away are not kept',
      },
    );
}

function writeFailure(error: unknown): unknown {
  const message = error instanceof Error ? error.message : '';
  if (/DUMP payload version/.test(message))
    return new Failure(
      'VERSION_UNFIT',
      'the live server is older than the tools here',
      { need: 'a newer live server' },
      error,
    );
  if (/^OOM|OOM command not allowed/.test(message))
    return new Failure(
      'TARGET_UNSAFE',
      'the live server has reached its maxmemory',
      { mend: 'raise maxmemory, then retry the step' },
      error,
    );
  return error;
}
