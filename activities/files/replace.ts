// Replaces live files by those of a backup, so that each moment can be undone: keep, write the journal, then replace.
import { createHash } from 'node:crypto';
import { Failure } from '../../domain/failures.ts';
import type { FileEntry } from '../../domain/files/entry.ts';
import { changedParts } from '../../domain/files/inventory-diff.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import type { Accounts } from './accounts.ts';
import type { FileCollection } from './collection.ts';
import { describe } from './describe.ts';
import { HardLinks } from './hard-links.ts';
import type { JournalLine, Kept } from './kept.ts';
import type { Place } from './place.ts';
import { canSetOwner, finishFolder, type WriteRules, writeEntry, writeHardLink } from './write-entry.ts';

export type Target = Pick<FileCollection, 'withPlace'>;

/** What lies at each path now, in the order given; of two names of one file, the later is linked to the earlier. */
export async function describeAll(
  target: Target,
  paths: readonly string[],
  accounts: Accounts,
): Promise<Map<string, FileEntry | null>> {
  const found = new Map<string, FileEntry | null>();
  const links = new HardLinks();
  for (const path of paths) {
    throwIfCancelled();
    found.set(path, await target.withPlace(path, false, (place) => describeOne(place, path, accounts, links)));
  }
  return found;
}

/** What lies at one place now. @throws {Failure} TARGET_UNSAFE when it is no file, folder or link, or never holds still. */
export async function describeOne(
  place: Place | null,
  path: string,
  accounts: Accounts,
  links = new HardLinks(),
): Promise<FileEntry | null> {
  const described = await describe(place, path, accounts);
  if (described.outcome === 'whole') return links.named(described.entry, described.inode);
  if (described.outcome === 'absent') return null;
  const what = described.outcome === 'unstable' ? 'is being written to' : 'is a device, a socket or a pipe';
  throw new Failure('TARGET_UNSAFE', `${JSON.stringify(path)} ${what}`);
}

/** A short name for what lies at the paths, without times: equal when nothing changed. */
export function digestOf(found: ReadonlyMap<string, FileEntry | null>): string {
  const hash = createHash('sha256');
  for (const [path, entry] of found) {
    const facts = entry && [
      entry.kind,
      entry.mode,
      entry.owner.uid,
      entry.owner.gid,
      entry.sha256,
      entry.target,
      entry.linkedTo,
    ];
    hash.update(`${JSON.stringify([path, facts])}\n`);
  }
  return hash.digest('hex');
}

/** True when both are the same, as far as this worker could make them so: only root sets owners. */
export function isEqual(a: FileEntry | null, b: FileEntry | null): boolean {
  if (a === null || b === null) return a === b;
  return changedParts(a, b).every((part) => part === 'owner' && !canSetOwner());
}

/** Like `isEqual`, whatever other names the file has. */
export function isAlike(a: FileEntry | null, b: FileEntry | null): boolean {
  return isEqual(a && { ...a, linkedTo: null }, b && { ...b, linkedTo: null });
}

// A file system without hard links, or another one than the first name's: each name gets its content then.
const NO_HARD_LINK = ['EXDEV', 'EMLINK', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP'];

/** Writes an entry; one that is linked becomes another name of its head, where that is what it should be. */
export async function writeLinked(target: Target, place: Place, entry: FileEntry, rules: WriteRules): Promise<void> {
  const { linkedTo } = entry;
  if (linkedTo === null) return writeEntry(place, entry, rules);
  const isLinked = await target.withPlace(linkedTo, false, async (head) => {
    if (head === null || !isAlike(await describeOne(head, entry.path, rules.accounts), entry)) return false;
    return writeHardLink(place, head, rules.temporaryName).then(
      () => true,
      (error) => {
        if (NO_HARD_LINK.includes(error.code)) return false;
        throw error;
      },
    );
  });
  if (!isLinked) await writeEntry(place, entry, rules);
}

/** A name that no other run uses and a second attempt of this one finds again. */
export function temporaryNameOf(run: string): string {
  return `.holdfast-${createHash('sha256').update(run).digest('hex').slice(0, 16)}`;
}

/** Writes the entries, folders first, and gives folders their mode last, the deepest first. */
export async function writeAll(target: Target, entries: readonly FileEntry[], rules: WriteRules): Promise<void> {
  for (const entry of entries) {
    throwIfCancelled();
    await target.withPlace(entry.path, true, async (place) => {
      if (place) await writeLinked(target, place, entry, rules);
    });
  }
  const oneInEachFolder = new Map(entries.map(({ path }) => [path.slice(0, path.lastIndexOf('/') + 1), path]));
  for (const path of oneInEachFolder.values()) {
    await target.withPlace(path, false, async (place) => place?.folder.sync());
  }
  for (const entry of entries.filter(({ kind }) => kind === 'directory').reverse()) {
    await target.withPlace(entry.path, false, async (place) => {
      if (place) await finishFolder(place, entry, rules.accounts);
    });
  }
}

/** Keeps what will be replaced. @returns the journal, also of an earlier attempt. */
export async function keepBefore(
  target: Target,
  entries: readonly FileEntry[],
  kept: Kept,
  observed: string,
  accounts: Accounts,
): Promise<readonly JournalLine[]> {
  const earlier = await kept.journal();
  if (earlier !== null) return earlier;
  const found = await describeAll(
    target,
    entries.map(({ path }) => path),
    accounts,
  );
  if (digestOf(found) !== observed) throw new Failure('PLAN_CHANGED', 'the files changed since the plan was made');
  await kept.begin();
  const lines: JournalLine[] = [];
  for (const after of entries) {
    const planned = found.get(after.path) ?? null;
    if (isEqual(planned, after)) continue;
    const copied = await target.withPlace(after.path, false, (place) => kept.copy(place, after.path));
    if (!isAlike(copied, planned)) throw new Failure('PLAN_CHANGED', `${JSON.stringify(after.path)} changed meanwhile`);
    const before = copied && { ...copied, linkedTo: planned?.linkedTo ?? null };
    lines.push({ path: after.path, before, after });
  }
  await kept.commit(lines);
  return lines;
}

/** Replaces what the journal names. A path that is neither as before nor as after was changed by someone: refused. */
export async function replaceLive(target: Target, journal: readonly JournalLine[], rules: WriteRules): Promise<number> {
  const found = await describeAll(target, pathsOf(journal), rules.accounts);
  const waiting = journal.filter(({ path, before, after }) => {
    const now = found.get(path) ?? null;
    if (isEqual(now, after)) return false;
    if (isAlike(now, before) || isAlike(now, after) || after.kind === 'directory') return true;
    throw new Failure('PLAN_CHANGED', `${JSON.stringify(path)} was changed by someone else`);
  });
  await writeAll(
    target,
    waiting.map(({ after }) => after),
    rules,
  );
  return waiting.length;
}

/** The journal's paths, each after what it is linked to, before or after. */
export function pathsOf(journal: readonly JournalLine[]): string[] {
  const heads = journal.flatMap(({ before, after }) => [before?.linkedTo ?? [], after.linkedTo ?? []].flat());
  return [...new Set([...heads, ...journal.map(({ path }) => path)])];
}
