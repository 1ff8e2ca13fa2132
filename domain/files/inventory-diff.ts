// What changed between two inventories, or between an inventory and what lies on the disk now.
import type { FileEntry } from './entry.ts';

export type ChangedPart = 'kind' | 'content' | 'target' | 'hard link' | 'mode' | 'owner';

export interface FileChange {
  readonly path: string;
  readonly change: 'added' | 'removed' | 'changed';
  /** What differs; empty when added or removed. */
  readonly parts: readonly ChangedPart[];
}

export interface InventoryDiff {
  readonly changes: readonly FileChange[];
  readonly unchanged: number;
}

/** Compares two inventories by path. The time of modification alone is no change. Ordered by path. */
export function diffInventories(from: readonly FileEntry[], to: readonly FileEntry[]): InventoryDiff {
  const before = new Map(from.map((entry) => [entry.path, entry]));
  const after = new Map(to.map((entry) => [entry.path, entry]));
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  const changes = paths.flatMap((path) => changeOf(path, before.get(path), after.get(path)));
  return { changes, unchanged: paths.length - changes.length };
}

function changeOf(path: string, before: FileEntry | undefined, after: FileEntry | undefined): FileChange[] {
  if (before === undefined) return [{ path, change: 'added', parts: [] }];
  if (after === undefined) return [{ path, change: 'removed', parts: [] }];
  const parts = changedParts(before, after);
  return parts.length === 0 ? [] : [{ path, change: 'changed', parts }];
}

/** The parts in which two entries of one path differ. */
export function changedParts(before: FileEntry, after: FileEntry): ChangedPart[] {
  if (before.kind !== after.kind) return ['kind'];
  const parts: ChangedPart[] = [];
  if (before.sha256 !== after.sha256) parts.push('content');
  if (before.target !== after.target) parts.push('target');
  if (before.linkedTo !== after.linkedTo) parts.push('hard link');
  if (before.kind !== 'link' && before.mode !== after.mode) parts.push('mode');
  if (!isSameOwner(before, after)) parts.push('owner');
  return parts;
}

// Names count before numbers: the same user has another number on another machine.
function isSameOwner({ owner: a }: FileEntry, { owner: b }: FileEntry): boolean {
  const user = a.user !== null && b.user !== null ? a.user === b.user : a.uid === b.uid;
  const group = a.group !== null && b.group !== null ? a.group === b.group : a.gid === b.gid;
  return user && group;
}
