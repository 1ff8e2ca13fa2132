// How a system of files is now, for `dr status`: what is there, what its content means, and when it changed last.
import type { StatusLine, SystemStatus } from '../../domain/contracts/system-status.ts';
import type { FileCollection } from './collection.ts';
import { isAbsent } from './place.ts';
import { countKinds, surveyFiles } from './survey.ts';

/**
 * Does: reads every file once.
 * Repeat: reads again. Undo: none needed, nothing is written.
 */
export async function observeFiles(collection: FileCollection): Promise<SystemStatus> {
  const { entries, paths, leftOut, findings, judged } = await surveyFiles(collection);
  const { files, directories, links } = countKinds(entries);
  const message = `${files} files, ${directories} folders, ${links} links can be read below ${collection.root}`;
  const found: StatusLine = { level: 'ok', subject: 'files', message, code: null };
  const changedAt = await newestChange(collection, paths);
  const facts = { files, directories, links, leftOut, root: collection.root };
  return { lines: [found, ...findings, ...judged], facts, changedAt };
}

// The time of change of the inode: a file that was put there with an old time of its own is seen too.
async function newestChange(collection: FileCollection, paths: readonly string[]): Promise<string | null> {
  let newest = 0n;
  for (const path of paths) {
    const at = await collection.withPlace(path, false, async (place) => {
      const stat = await place?.folder.lstat(place.name).catch((error) => {
        if (isAbsent(error)) return null;
        throw error;
      });
      return stat?.ctimeNs ?? 0n;
    });
    if (at > newest) newest = at;
  }
  return newest === 0n ? null : new Date(Number(newest / 1_000_000n)).toISOString();
}
