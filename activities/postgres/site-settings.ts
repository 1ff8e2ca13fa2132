// A base backup brings the settings of the server that it was taken from. At another site they would be wrong: its port and
// addresses, its TLS files and who may connect belong to the site, not to the data.
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { giveTo } from './context.ts';
import type { RestoreContext } from './restore-context.ts';

/** Files of the data folder that say how a server serves, where a site keeps them there. */
export const SETTINGS_FILES = ['postgresql.conf', 'pg_hba.conf', 'pg_ident.conf', 'postgresql.auto.conf'] as const;

/** Whether the backup was taken at another site than it is restored to. */
export const isFromElsewhere = ({ backup, request }: RestoreContext): boolean => backup.manifest.site !== request.site;

/** Puts a server's own settings into the folder that will replace its data; what it does not have is left as it came. */
export async function keepSettings(folders: {
  readonly from: string;
  readonly to: string;
  readonly owner: string | undefined;
}): Promise<void> {
  for (const name of SETTINGS_FILES) {
    const [from, to] = [join(folders.from, name), join(folders.to, name)];
    if (!(await copied(from, to))) continue;
    await giveTo(folders.owner, to);
  }
}

async function copied(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
