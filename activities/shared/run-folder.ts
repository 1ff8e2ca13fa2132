// A run keeps its files in `<workDirectory>/<run>/<system>…`. Where the last of them goes, the run's own folder goes too.
import { rm, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { requireCurrentAttempt } from './activity-context.ts';

// Another part of the run is still there, or the folder is gone already.
const FINE = ['ENOTEMPTY', 'EEXIST', 'ENOENT'];

/** Removes a system's folder of a run with all in it, and the run's folder when nothing else is in it. */
export async function removeRunFolder(folder: string): Promise<void> {
  requireCurrentAttempt(); // The attempt that has taken over works in a folder of the same name.
  await rm(folder, { recursive: true, force: true });
  await rmdir(dirname(folder)).catch((error: NodeJS.ErrnoException) => {
    if (!FINE.includes(error.code ?? '')) throw error;
  });
}

/** Gives `work` a folder that holds nothing of an earlier attempt and goes with the work. */
export async function withFreshFolder<T>(
  { make, remove }: { readonly make: () => Promise<string>; readonly remove: () => Promise<void> },
  work: (folder: string) => Promise<T>,
): Promise<T> {
  requireCurrentAttempt();
  await remove();
  const folder = await make();
  try {
    return await work(folder);
  } finally {
    await remove();
  }
}
