// Which names of an archive may be written below a root. Archives are material from outside: a name that could lead out
// is refused before anything is written, whatever the file system would make of it.
import { Failure } from '../failures.ts';
import type { FileEntry } from './entry.ts';

/** Linux's own limits: PATH_MAX with its final NUL, NAME_MAX. */
const MAX_PATH_BYTES = 4095;
const MAX_NAME_BYTES = 255;
const ESCAPED_BYTE = /[\udc80-\udcff]/;

/** Bytes of a path on the disk: an escaped byte is one. */
export function pathBytes(path: string): number {
  let bytes = 0;
  for (const char of path) bytes += ESCAPED_BYTE.test(char) && char.length === 1 ? 1 : utf8Bytes(char);
  return bytes;
}

function utf8Bytes(char: string): number {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x80) return 1;
  if (code < 0x800) return 2;
  return code < 0x1_0000 ? 3 : 4;
}

/** Why `path` may not be written below a root, or null when it may. */
export function pathFault(path: string): string | null {
  if (path === '') return 'is empty';
  if (path.includes('\0')) return 'holds a NUL';
  if (path.startsWith('/')) return 'is absolute';
  if (/^[A-Za-z]:[\\/]|^\\\\/.test(path)) return 'is absolute';
  if (pathBytes(path) > MAX_PATH_BYTES) return `is longer than ${MAX_PATH_BYTES} bytes`;
  // A backslash is an ordinary letter here, and a separator where the archive may be opened next.
  if (path.split(/[\\/]/).includes('..')) return 'leads upwards';
  const parts = path.split('/');
  if (parts.includes('') || parts.includes('.')) return 'has an empty part';
  return parts.some((part) => pathBytes(part) > MAX_NAME_BYTES) ? `has a part over ${MAX_NAME_BYTES} bytes` : null;
}

/** Why a link at `path` may not point to `target` (text of the link) below `root`, or null when it may. */
export function linkFault(path: string, target: string, root: string): string | null {
  if (target === '') return 'points to nothing';
  if (target.includes('\0')) return 'holds a NUL';
  if (pathBytes(target) > MAX_PATH_BYTES) return `points to a name longer than ${MAX_PATH_BYTES} bytes`;
  const start = target.startsWith('/') ? belowRoot(target, root) : [...path.split('/').slice(0, -1), target].join('/');
  if (start === null || leavesRoot(start)) return 'points out of the root';
  return null;
}

function belowRoot(target: string, root: string): string | null {
  const prefix = root === '/' ? '/' : `${root.replace(/\/+$/, '')}/`;
  return `${target}/`.startsWith(prefix) ? target.slice(prefix.length) : null;
}

function leavesRoot(path: string): boolean {
  let depth = 0;
  for (const part of path.split('/')) {
    if (part === '..') depth -= 1;
    else if (part !== '' && part !== '.') depth += 1;
    if (depth < 0) return true;
  }
  return false;
}

/**
 * Refuses a list of entries that could write outside of `root`, twice to one name, or through one of its own links.
 * @throws {Failure} ARCHIVE_UNSAFE naming the first bad entry.
 */
export function requireSafeEntries(entries: readonly FileEntry[], root: string): void {
  const known = new Map<string, FileEntry>();
  for (const entry of entries) {
    const twice = known.has(entry.path) ? 'is there twice' : null;
    const fault = entryFault(entry, root) ?? twice ?? hardLinkFault(entry, known);
    if (fault !== null) throw unsafe(entry.path, fault);
    known.set(entry.path, entry);
  }
  for (const { path } of entries) {
    const through = ancestorsOf(path).find((parent) => (known.get(parent)?.kind ?? 'directory') !== 'directory');
    if (through !== undefined) throw unsafe(path, `lies below '${through}', which is no folder`);
  }
}

function entryFault(entry: FileEntry, root: string): string | null {
  return pathFault(entry.path) ?? (entry.target === null ? null : linkFault(entry.path, entry.target, root));
}

// A link to anything but a file of the same archive would give an outside file another name.
function hardLinkFault(entry: FileEntry, before: ReadonlyMap<string, FileEntry>): string | null {
  if (entry.linkedTo === null) return null;
  const head = before.get(entry.linkedTo);
  const isSame = head?.linkedTo === null && head.sha256 === entry.sha256 && head.bytes === entry.bytes;
  return isSame ? null : 'is the same file as a name that is no such file of this archive';
}

function unsafe(path: string, fault: string): Failure {
  return new Failure('ARCHIVE_UNSAFE', `the name ${JSON.stringify(path.slice(0, 200))} in the archive ${fault}`);
}

/** The folders above a path, from the top: `a/b/c` has `a` and `a/b`. */
export function ancestorsOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}
