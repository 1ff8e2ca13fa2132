// Names of one and the same file. The first name in the archive's order carries the content; the others point to it.
import type { BigIntStats } from 'node:fs';
import type { FileEntry } from '../../domain/files/entry.ts';

/** What tells a file with several names from every other, also from one that got its number later; null for one name. */
export function sharedInode({ nlink, dev, ino, birthtimeNs }: BigIntStats): string | null {
  return nlink > 1n ? `${dev}:${ino}:${birthtimeNs}` : null;
}

/** Recognises further names of a file, as its entries pass by in order. */
export class HardLinks {
  readonly #heads = new Map<string, FileEntry>();

  /** `entry`; or, when an earlier one is the same file, that one's facts under this name. */
  named(entry: FileEntry, inode: string | null): FileEntry {
    if (inode === null) return entry;
    const head = this.#heads.get(inode);
    if (head !== undefined) return { ...head, path: entry.path, linkedTo: head.path };
    this.#heads.set(inode, entry);
    return entry;
  }
}

/** Some entries of an archive, each linked to the first of them that is the same file. */
export function relinked(entries: readonly FileEntry[]): readonly FileEntry[] {
  const firsts = new Map<string, string>();
  return entries.map((entry) => {
    const head = entry.linkedTo ?? entry.path;
    const first = firsts.get(head);
    if (first === undefined) firsts.set(head, entry.path);
    return { ...entry, linkedTo: first ?? null };
  });
}
