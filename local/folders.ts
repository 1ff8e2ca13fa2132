// Folders of a local platform. Stores and scratch servers may run as another user than ours, who must be able to walk
// through the parents of their folders, and no more.
import { chmod, mkdir } from 'node:fs/promises';
import { storeUser } from './servers.ts';

/** Makes a folder that others may pass through when a store runs as another user, and that is closed otherwise. */
export async function makePassage(directory: string): Promise<string> {
  const mode = storeUser() === undefined ? 0o700 : 0o711;
  await mkdir(directory, { recursive: true, mode });
  await chmod(directory, mode); // The umask took bits away, or the folder was there before.
  return directory;
}

/** Makes a folder for us alone. */
export async function makePrivate(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await chmod(directory, 0o700);
  return directory;
}
