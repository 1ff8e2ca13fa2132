// Places below one folder: the root of a configuration, or a scratch folder of a run.
import { mkdir } from 'node:fs/promises';
import type { FileCollection } from './collection.ts';
import { closeUnless, Folder, isAbsent, placeBelow } from './place.ts';

/** `withPlace` for paths below `root`. A missing root is made only where folders may be made. */
export function placesBelow(root: string, rootMode = 0o755): FileCollection['withPlace'] {
  return async (path, makeFolders, work) => {
    const folder = await openRoot(root, makeFolders, rootMode);
    if (folder === null) return work(null);
    try {
      const place = await placeBelow(folder, path, makeFolders);
      if (place === null) return await work(null);
      return await work(place).finally(() => closeUnless(place.folder, folder));
    } finally {
      await folder.close();
    }
  };
}

async function openRoot(root: string, makeFolders: boolean, mode: number): Promise<Folder | null> {
  if (makeFolders) await mkdir(root, { recursive: true, mode });
  return Folder.open(root).catch((error) => {
    if (isAbsent(error)) return null;
    throw error;
  });
}
