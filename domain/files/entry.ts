// One file, folder or link of a file backup: one JSON line of its inventory.
import { Failure } from '../failures.ts';

export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
  /** Names on the machine the backup was taken on; null when it has none for the number. */
  readonly user: string | null;
  readonly group: string | null;
}

export interface FileEntry {
  /** Below the root, parts joined by `/`. Bytes that are not UTF-8 stand as U+DC80 to U+DCFF (as in PEP 383). */
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'link';
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  readonly owner: FileOwner;
  /** Length of the content; 0 for folders and links. */
  readonly bytes: number;
  /** Lower-case hex SHA-256 of the content: its address. Null for folders and links. */
  readonly sha256: string | null;
  /** What a link points to, as it is written in the link. */
  readonly target: string | null;
  /** Decimal nanoseconds since 1970. */
  readonly modifiedNs: string;
  /** Path of the entry before this one that is the very same file (a hard link); null for a file of its own. */
  readonly linkedTo: string | null;
  /** True when parts of the file were holes: zeros that take no room on the disk. */
  readonly sparse: boolean;
}

/** The inventory's line for `entry`, with its newline. */
export function formatEntry(entry: FileEntry): string {
  return `${JSON.stringify(entry)}\n`;
}

/** Reads one line of an inventory. @throws {Failure} ARTIFACT_DAMAGED when it is not such a line. */
export function parseEntry(line: string): FileEntry {
  const value = withDefaults(parseJson(line));
  if (!isEntry(value)) throw new Failure('ARTIFACT_DAMAGED', 'the inventory has a line that is not a file entry');
  return value;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new Failure('ARTIFACT_DAMAGED', 'the inventory has a line that is not JSON', {}, cause);
  }
}

// Inventories of before told neither.
const withDefaults = (value: unknown): unknown =>
  typeof value === 'object' && value !== null ? { linkedTo: null, sparse: false, ...value } : value;

const isText = (value: unknown): value is string => typeof value === 'string';
const isTextOrNull = (value: unknown): boolean => value === null || isText(value);
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
const isHash = (value: unknown): boolean => isText(value) && /^[0-9a-f]{64}$/.test(value);

const CONTENT: Record<string, (entry: Record<string, unknown>) => boolean> = {
  file: ({ sha256, target }) => isHash(sha256) && target === null,
  directory: ({ sha256, target, bytes, linkedTo }) =>
    sha256 === null && target === null && bytes === 0 && linkedTo === null,
  link: ({ sha256, target, bytes, linkedTo }) => sha256 === null && isText(target) && bytes === 0 && linkedTo === null,
};

function isEntry(value: unknown): value is FileEntry {
  if (typeof value !== 'object' || value === null) return false;
  const entry = value as Record<string, unknown>;
  const rules = isText(entry.kind) && Object.hasOwn(CONTENT, entry.kind) ? CONTENT[entry.kind] : undefined;
  return (
    rules?.(entry) === true &&
    isText(entry.path) &&
    isCount(entry.mode) &&
    Number(entry.mode) <= 0o7777 &&
    isCount(entry.bytes) &&
    isText(entry.modifiedNs) &&
    /^-?\d{1,19}$/.test(entry.modifiedNs) &&
    isTextOrNull(entry.linkedTo) &&
    typeof entry.sparse === 'boolean' &&
    isOwner(entry.owner)
  );
}

function isOwner(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { uid, gid, user, group } = value as Record<string, unknown>;
  return isCount(uid) && isCount(gid) && isTextOrNull(user) && isTextOrNull(group);
}
