// Room on a disk: asked for before work begins, and watched while a server of ours works, which may stand still without a
// word instead of ending when its disk is full.
import { statfs } from 'node:fs/promises';
import { Failure } from '../../domain/failures.ts';
import { formatBytes } from '../../domain/quantities.ts';
import { withFurtherSignal } from './activity-context.ts';

const LOOK_EVERY_MS = 250;

/** Bytes that may be written below an existing folder. */
export async function roomIn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** @throws {Failure} NO_SPACE with the bytes that are missing when `folder` has no room for `needBytes`. */
export async function requireRoom(folder: string, needBytes: number, what: string): Promise<void> {
  const free = await roomIn(folder);
  if (free >= needBytes) return;
  const words = `${what} needs about ${formatBytes(needBytes)}, and '${folder}' has ${formatBytes(free)} free`;
  throw new Failure('NO_SPACE', words, { path: folder, needBytes: needBytes - free });
}

/**
 * Runs `work`, and cancels it as soon as less than `leastBytes` are free below `folder`.
 * @throws {Failure} NO_SPACE in that case; else what `work` throws.
 */
export async function whileThereIsRoom<T>(folder: string, leastBytes: number, work: () => Promise<T>): Promise<T> {
  const full = new AbortController();
  const look = async () => {
    const free = await roomIn(folder);
    if (free >= leastBytes) return;
    const what = `the disk ran full below '${folder}': ${formatBytes(free)} are free`;
    full.abort(new Failure('NO_SPACE', what, { path: folder, needBytes: 'more' }));
  };
  const timer = setInterval(() => void look().catch((error) => full.abort(error)), LOOK_EVERY_MS);
  try {
    return await withFurtherSignal(full.signal, work);
  } catch (error) {
    // Whatever broke because it was cancelled, the full disk is why.
    throw full.signal.aborted ? full.signal.reason : error;
  } finally {
    clearInterval(timer);
  }
}
