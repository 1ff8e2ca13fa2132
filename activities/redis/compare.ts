// Is the live store what the scratch server is? Key by key, so that a difference can be named.
import type { Redis } from 'ioredis';
import { Failure } from '../../domain/failures.ts';
import { reportProgress } from '../shared/activity-context.ts';
import { databasesWithKeys, type KeyPrint, keysOf, printKeys } from './canonical.ts';
import { timeOf } from './client.ts';
import { DigestSum } from './content-digest.ts';

export interface KeySelection {
  /** Null means every database that holds keys. */
  readonly database: number | null;
  readonly pattern: string;
}

export interface ReadOut {
  readonly keys: number;
  readonly types: Readonly<Record<string, number>>;
  readonly sum: string;
}

/** Reads every selected key out and sums up its content: proof that each can be read. */
export async function readOut(redis: Redis, selection: KeySelection): Promise<ReadOut> {
  const sum = new DigestSum();
  const types: Record<string, number> = {};
  let keys = 0;
  for await (const { batch } of selected(redis, selection)) {
    for (const print of await printKeys(redis, batch)) {
      if (print === null) continue;
      keys += 1;
      types[print.type] = (types[print.type] ?? 0) + 1;
      sum.add(print.digest);
    }
    progress('reading keys', keys);
  }
  return { keys, types, sum: sum.toString() };
}

/** All selected keys of a server, with the database they are in. */
export async function* selected(
  redis: Redis,
  { database, pattern }: KeySelection,
): AsyncGenerator<{ readonly database: number; readonly batch: Buffer[] }> {
  const databases = database === null ? await databasesWithKeys(redis) : [database];
  for (const number of databases)
    for await (const batch of keysOf(redis, number, pattern)) yield { database: number, batch };
}

export interface Comparison {
  readonly equal: number;
  /** In the backup and in time gone from both by its expiry. */
  readonly expired: number;
  readonly different: number;
  /** Keys that the live store has and the backup has not. */
  readonly surplus: number;
  readonly sum: string;
  readonly examples: readonly string[];
}

const EXAMPLES = 5;

/** Compares every selected key of the scratch server with the live one. Counts what differs; does not judge. */
export async function compareStores(scratch: Redis, live: Redis, selection: KeySelection): Promise<Comparison> {
  const sum = new DigestSum();
  const counts = { equal: 0, expired: 0, different: 0 };
  const examples: string[] = [];
  for await (const { database, batch } of selected(scratch, selection)) {
    await live.select(database);
    for (const { key, outcome, print } of await compareBatch(scratch, live, batch)) {
      counts[outcome] += 1;
      if (outcome === 'equal') sum.add((print as KeyPrint).digest);
      if (outcome === 'different' && examples.length < EXAMPLES)
        examples.push(`${nameOf(key)} in database ${database}`);
    }
    progress('comparing keys', counts.equal);
  }
  const inBackup = counts.equal + counts.different;
  return { ...counts, surplus: (await countKeys(live, selection)) - inBackup, sum: sum.toString(), examples };
}

type Outcome = 'equal' | 'expired' | 'different';

interface Judged {
  readonly key: Buffer;
  readonly outcome: Outcome;
  readonly print: KeyPrint | null;
}

// Fields of a hash can expire between the two readings: what seems different is looked at once more.
async function compareBatch(scratch: Redis, live: Redis, keys: readonly Buffer[]): Promise<Judged[]> {
  const first = await judgeBatch(scratch, live, keys);
  const doubtful = first.filter(({ outcome }) => outcome === 'different');
  if (doubtful.length === 0) return first;
  const again = await judgeBatch(
    scratch,
    live,
    doubtful.map(({ key }) => key),
  );
  return [...first.filter(({ outcome }) => outcome !== 'different'), ...again];
}

async function judgeBatch(scratch: Redis, live: Redis, keys: readonly Buffer[]): Promise<Judged[]> {
  const [wanted, found] = [await printKeys(scratch, keys), await printKeys(live, keys)];
  const nowMs = await timeOf(live);
  return keys.map((key, index) => {
    const print = found[index] ?? null;
    return { key, outcome: judge(wanted[index] ?? null, print, nowMs), print };
  });
}

function judge(wanted: KeyPrint | null, found: KeyPrint | null, nowMs: number): Outcome {
  if (wanted !== null && found !== null && wanted.digest.equals(found.digest)) return 'equal';
  const hasEnded = (print: KeyPrint | null) => print === null || (print.expiresAtMs >= 0 && print.expiresAtMs <= nowMs);
  return hasEnded(wanted) && hasEnded(found) ? 'expired' : 'different';
}

/** How many selected keys a server has. */
export async function countKeys(redis: Redis, selection: KeySelection): Promise<number> {
  let keys = 0;
  for await (const { batch } of selected(redis, selection)) keys += batch.length;
  return keys;
}

/** @throws {Failure} RESTORE_MISMATCH when a key of the backup is missing or another. */
export function requireEqual({ different, equal, examples }: Comparison): void {
  if (different === 0) return;
  const names = examples.join(', ');
  throw new Failure('RESTORE_MISMATCH', `${different} of ${different + equal} keys differ from the backup: ${names}`);
}

/** A key's name for a person: printable, and cut. */
export function nameOf(key: Buffer): string {
  return JSON.stringify(key.toString('latin1').slice(0, 60));
}

function progress(what: string, keys: number): void {
  reportProgress({ what: `${what} (${keys} keys)`, doneBytes: 0, totalBytes: null, bytesPerSecond: 0 });
}
