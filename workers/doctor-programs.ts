// Where the programs of this machine are. None of them is run.
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';

/** The folders of PATH. */
export const pathFolders = (): readonly string[] =>
  (process.env.PATH ?? '').split(':').filter((folder) => folder !== '');

/** The first of the folders that holds the program; null when none does. */
export async function firstWith(folders: readonly string[], name: string): Promise<string | null> {
  for (const folder of folders) {
    const path = join(folder, name);
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return null;
}
