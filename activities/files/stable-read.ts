// Reads a file so that the bytes are those of one moment: a file that is written to meanwhile is read again, and one
// that never holds still is told, not torn.

import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { isAbsent, type Place } from './place.ts';

const TRIES = 5;
const PAUSE_MS = 40;
const CHUNK_BYTES = 1024 * 1024;
/** Times of files move in steps (up to 10 ms): a later write within the step of an earlier one leaves no trace. */
const TIME_STEP_MS = 20;

/** Where the bytes of one file wait between being read and being archived. */
export interface Holding {
  /** Empties it for another try. */
  reset(): Promise<void>;
  write(chunk: Buffer): Promise<void>;
}

export type StableRead =
  | { readonly outcome: 'whole'; readonly stat: BigIntStats; readonly bytes: number; readonly sha256: string }
  | { readonly outcome: 'vanished' }
  | { readonly outcome: 'unstable' }
  | { readonly outcome: 'not a file' };

/** Reads the file at `place` into `holding`, up to five times, until nothing changed while it was read. */
export async function readStable(place: Place, holding: Holding): Promise<StableRead> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    throwIfCancelled();
    if (attempt > 0) await wait(PAUSE_MS * attempt);
    await holding.reset();
    const read = await readOnce(place, holding);
    if (read.outcome !== 'unstable') return read;
  }
  return { outcome: 'unstable' };
}

async function readOnce({ folder, name }: Place, holding: Holding): Promise<StableRead> {
  const file = await folder.openToRead(name).catch((error) => {
    if (isAbsent(error)) return null;
    throw error;
  });
  if (file === null) return { outcome: 'vanished' };
  try {
    const before = await file.stat({ bigint: true });
    if (!before.isFile()) return { outcome: 'not a file' };
    const { bytes, sha256 } = await copy(file, Number(before.size), holding);
    const after = await file.stat({ bigint: true });
    const isWhole = BigInt(bytes) === after.size && isSame(before, after) && !isFresh(after);
    return isWhole ? { outcome: 'whole', stat: after, bytes, sha256 } : { outcome: 'unstable' };
  } finally {
    await file.close();
  }
}

async function copy(file: FileHandle, size: number, holding: Holding): Promise<{ bytes: number; sha256: string }> {
  const chunkBytes = Math.min(size + 1, CHUNK_BYTES);
  const hash = createHash('sha256');
  let bytes = 0;
  for (;;) {
    throwIfCancelled();
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, bytes);
    // One byte more than there was is enough to know: a file that grows faster than it is read would never end.
    if (bytesRead === 0 || bytes > size) return { bytes, sha256: hash.digest('hex') };
    const chunk = buffer.subarray(0, bytesRead);
    hash.update(chunk);
    await holding.write(chunk);
    bytes += bytesRead;
  }
}

const isFresh = ({ ctimeMs }: BigIntStats): boolean => Math.abs(Date.now() - Number(ctimeMs)) < TIME_STEP_MS;

const isSame = (a: BigIntStats, b: BigIntStats): boolean =>
  a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.ino === b.ino;
