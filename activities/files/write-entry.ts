// Writes one entry to its place: under a temporary name beside it, complete with owner, mode and time, then by rename, so
// that whoever reads the name sees the old file or the new one and nothing between.
import type { FileHandle } from 'node:fs/promises';
import { lchown, lutimes } from 'node:fs/promises';
import type { ByteSource } from '../../domain/contracts/backup-content.ts';
import type { FileEntry } from '../../domain/files/entry.ts';
import type { Accounts } from './accounts.ts';
import { bytesOfName } from './names.ts';
import { isAbsent, isTaken, type Place } from './place.ts';
import { writeContent } from './write-content.ts';

export interface WriteRules {
  readonly accounts: Accounts;
  /** Name for the file while it is written; the same in each attempt, so that leftovers are found. */
  readonly temporaryName: string;
  /** The content of a file, by the entry that names it. */
  readonly content: (entry: FileEntry) => ByteSource;
}

/** Only root may give files away; without it they stay with the worker's user. */
export const canSetOwner = (): boolean => process.geteuid?.() === 0;

/**
 * Puts `entry` at `place`, replacing a file or a link there. A folder is made; `finishFolder` gives it its mode.
 * The content is on the disk afterwards; the name is when its folder was synced.
 */
export async function writeEntry(place: Place, entry: FileEntry, rules: WriteRules): Promise<void> {
  if (entry.kind === 'directory') return makeFolder(place);
  await removeIfThere(place.folder, rules.temporaryName);
  if (entry.kind === 'link') await writeLink(place, entry, rules);
  else await writeFile(place, entry, rules);
  await place.folder.rename(rules.temporaryName, place.name);
}

/** Gives the file at `head` the name of `place` too, replacing what is there. */
export async function writeHardLink({ folder, name }: Place, head: Place, temporaryName: string): Promise<void> {
  await removeIfThere(folder, temporaryName);
  await folder.makeHardLink(temporaryName, head);
  await folder.rename(temporaryName, name);
  await removeIfThere(folder, temporaryName); // A rename between two names of one file leaves both.
}

async function makeFolder({ folder, name }: Place): Promise<void> {
  await folder.makeFolder(name).catch((error) => {
    if (!isTaken(error)) throw error;
  });
}

async function writeLink({ folder }: Place, entry: FileEntry, { temporaryName, accounts }: WriteRules): Promise<void> {
  await folder.makeLink(temporaryName, bytesOfName(entry.target ?? ''));
  const { uid, gid } = accounts.numbersOf(entry.owner);
  if (canSetOwner()) await lchown(folder.pathOf(temporaryName), uid, gid);
  const seconds = secondsOf(entry);
  await lutimes(folder.pathOf(temporaryName), seconds, seconds);
}

async function writeFile({ folder }: Place, entry: FileEntry, rules: WriteRules): Promise<void> {
  const file = await folder.create(rules.temporaryName);
  try {
    await writeContent(file, rules.content(entry), entry.sparse);
    await setAttributes(file, entry, rules.accounts);
    await file.sync();
  } catch (error) {
    await folder.remove(rules.temporaryName);
    throw error;
  } finally {
    await file.close();
  }
}

/** Gives a folder its owner, mode and time, after everything in it was written. */
export async function finishFolder({ folder, name }: Place, entry: FileEntry, accounts: Accounts): Promise<void> {
  const inner = await folder.openFolder(name);
  try {
    await setAttributes(inner.handle, entry, accounts);
    await inner.sync();
  } finally {
    await inner.close();
  }
}

const secondsOf = ({ modifiedNs }: FileEntry): number => Number(modifiedNs) / 1e9;

// The owner first: giving a file away clears its setuid bits.
async function setAttributes(handle: FileHandle, entry: FileEntry, accounts: Accounts): Promise<void> {
  const { uid, gid } = accounts.numbersOf(entry.owner);
  if (canSetOwner()) await handle.chown(uid, gid);
  await handle.chmod(entry.mode);
  const seconds = secondsOf(entry);
  await handle.utimes(seconds, seconds);
}

/** Removes what lies at `name`; its absence is fine. */
export async function removeIfThere(folder: Place['folder'], name: string): Promise<void> {
  await folder.remove(name).catch((error) => {
    if (!isAbsent(error)) throw error;
  });
}
