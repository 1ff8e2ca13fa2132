// A replication slot keeps the WAL that a base backup fetches at its end. It must never fill the source's disk: it goes
// with our session, and it is given up when it holds back too much.
import { setTimeout as wait } from 'node:timers/promises';
import { Failure } from '../../domain/failures.ts';
import { runMark } from '../../domain/systems/postgres-names.ts';
import { roomIn } from '../shared/room.ts';
import type { Session } from './connection.ts';

const LOOK_EVERY_MS = 1000;

export interface SlotSpec {
  readonly run: string;
  /** WAL held back at the source, in bytes, above which the slot is given up. */
  readonly limitBytes: number;
  /** Where the server writes its WAL, when this worker sees that disk: the slot never holds more than is left free there. */
  readonly walFolder: string | null;
}

export interface Guarded<T> {
  readonly result: T;
  /** The slot held back too much and was given up, yet the work succeeded. */
  readonly slotGivenUp: boolean;
}

/**
 * Does the work while a temporary slot of the session keeps WAL from now on.
 * @throws {Failure} STORE_UNFIT when the work failed after the slot was given up; else what the work throws.
 */
export async function withSlot<T>(session: Session, spec: SlotSpec, work: () => Promise<T>): Promise<Guarded<T>> {
  const slot = `holdfast_${runMark(spec.run)}_${process.pid}`;
  await session.rows('select pg_create_physical_replication_slot($1, true, true)', [slot]);
  const over = new AbortController();
  const watching = watch(session, slot, spec, over.signal);
  watching.catch(() => undefined);
  try {
    const result = await work();
    over.abort();
    return { result, slotGivenUp: await watching.catch(() => false) };
  } catch (error) {
    over.abort();
    throw (await watching.catch(() => false)) ? givenUp(spec, error) : error;
  } finally {
    over.abort();
    await watching.catch(() => undefined); // A session that broke took its slot along.
  }
}

// True when the slot was dropped. The backup goes on: the WAL may still be there at its end.
async function watch(
  session: Session,
  slot: string,
  { limitBytes, walFolder }: SlotSpec,
  over: AbortSignal,
): Promise<boolean> {
  while (!over.aborted) {
    const { held } = await session.row<{ held: string }>(HELD, [slot]);
    if (Number(held) > Math.min(limitBytes, await freeIn(walFolder))) {
      await session.rows('select pg_drop_replication_slot($1)', [slot]);
      return true;
    }
    await wait(LOOK_EVERY_MS, undefined, { signal: over }).catch(() => undefined);
  }
  return false;
}

// The disk of a server that is elsewhere is not seen from here: then the limit alone counts.
async function freeIn(folder: string | null): Promise<number> {
  if (folder === null) return Number.POSITIVE_INFINITY;
  return roomIn(folder).catch(() => Number.POSITIVE_INFINITY);
}

const HELD = `select coalesce(max(pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
    else pg_current_wal_lsn() end, restart_lsn)), 0)::text as held from pg_replication_slots where slot_name = $1`;

function givenUp({ limitBytes }: SlotSpec, cause: unknown): Failure {
  return new Failure(
    'STORE_UNFIT',
    `the base backup held back more WAL at the source than ${limitBytes} bytes (postgres.walKeepLimitBytes) or than its disk has left, so its slot was given up, and then it failed: ${cause instanceof Error ? cause.message : cause}`,
    {},
    cause,
  );
}
