// Reads what lies at a place as an inventory entry, its content into a holding.
import type { BigIntStats } from 'node:fs';
import type { FileEntry } from '../../domain/files/entry.ts';
import type { Accounts } from './accounts.ts';
import { sharedInode } from './hard-links.ts';
import { textOfName } from './names.ts';
import { isAbsent, type Place } from './place.ts';
import { type Holding, readStable } from './stable-read.ts';

export type Described =
  /** `inode` is told of a file that has several names (see `HardLinks`). */
  | { readonly outcome: 'whole'; readonly entry: FileEntry; readonly inode: string | null }
  | { readonly outcome: 'absent' | 'unstable' | 'not a file' };

/** Forgets the content: only its length and hash are wanted. */
export const NO_HOLDING: Holding = { reset: async () => undefined, write: async () => undefined };

/** What lies at `place`, described under the name `path`. */
export async function describe(
  place: Place | null,
  path: string,
  accounts: Accounts,
  holding: Holding = NO_HOLDING,
): Promise<Described> {
  if (place === null) return { outcome: 'absent' };
  const stat = await place.folder.lstat(place.name).catch((error) => {
    if (isAbsent(error)) return null;
    throw error;
  });
  if (stat === null) return { outcome: 'absent' };
  if (stat.isDirectory()) return whole(path, 'directory', stat, accounts);
  if (stat.isSymbolicLink()) return describeLink(place, path, stat, accounts);
  return stat.isFile() ? describeFile(place, path, accounts, holding) : { outcome: 'not a file' };
}

async function describeLink(place: Place, path: string, stat: BigIntStats, accounts: Accounts): Promise<Described> {
  const target = await place.folder.readLink(place.name).catch((error) => {
    if (isAbsent(error)) return null;
    throw error;
  });
  if (target === null) return { outcome: 'absent' };
  return whole(path, 'link', stat, accounts, { target: textOfName(target) });
}

async function describeFile(place: Place, path: string, accounts: Accounts, holding: Holding): Promise<Described> {
  const read = await readStable(place, holding);
  if (read.outcome === 'vanished') return { outcome: 'absent' };
  if (read.outcome !== 'whole') return { outcome: read.outcome };
  const { stat, bytes, sha256 } = read;
  return whole(path, 'file', stat, accounts, { bytes, sha256, sparse: hasHoles(stat) });
}

const UNIT_BYTES = 512n; // Of st_blocks, whatever the file system.
const SMALLEST_HOLE = 4096n;

const hasHoles = ({ size, blocks }: BigIntStats): boolean => size - blocks * UNIT_BYTES >= SMALLEST_HOLE;

function whole(
  path: string,
  kind: FileEntry['kind'],
  stat: BigIntStats,
  accounts: Accounts,
  content: Partial<FileEntry> = {},
): Described {
  const entry: FileEntry = {
    path,
    kind,
    mode: kind === 'link' ? 0o777 : Number(stat.mode) & 0o7777,
    owner: accounts.ownerOf(Number(stat.uid), Number(stat.gid)),
    bytes: 0,
    sha256: null,
    target: null,
    modifiedNs: String(stat.mtimeNs),
    linkedTo: null,
    sparse: false,
    ...content,
  };
  return { outcome: 'whole', entry, inode: kind === 'file' ? sharedInode(stat) : null };
}
