// The plan of a restore of files: what will be replaced, what is kept, and what the plan rests on.
import { createHash } from 'node:crypto';
import type { Finding, RestorePlan, RestoreRequest, RestoreStep } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { FileEntry } from '../../domain/files/entry.ts';
import { type ChangedPart, diffInventories, type InventoryDiff } from '../../domain/files/inventory-diff.ts';
import { ancestorsOf } from '../../domain/files/path-safety.ts';
import { canonicalJson } from '../../domain/json.ts';
import type { FileCollection } from './collection.ts';
import { canSetOwner } from './write-entry.ts';

export const STEPS = { stage: 'stage', write: 'write', compare: 'compare' } as const;

const SHOWN = 50;

/**
 * The entries a request means: all, or one file, link or folder with what is in it and the folders that lead to it.
 * @throws {Failure} PART_NOT_FOUND, USAGE.
 */
export function selectEntries(
  request: RestoreRequest,
  entries: readonly FileEntry[],
  collection: FileCollection,
): readonly FileEntry[] {
  if (request.scope.kind === 'whole') return entries;
  const name = request.scope.names.path;
  if (request.scope.kind !== 'file' || name === undefined) {
    throw new Failure('USAGE', `${collection.system} restores 'whole' or 'file' with the name 'path'`);
  }
  const path = collection.pathOf(name);
  const above = new Set(ancestorsOf(path));
  const found = entries.filter((entry) => entry.path === path || entry.path.startsWith(`${path}/`));
  if (found.length === 0) {
    throw new Failure('PART_NOT_FOUND', `the backup holds no file '${path}'`, { backup: request.backup.backupId });
  }
  return [...entries.filter((entry) => above.has(entry.path)), ...found];
}

/** What a live restore changes. Files that are not in the backup are left alone, so nothing is ever removed. */
export function diffWithLive(
  selected: readonly FileEntry[],
  live: ReadonlyMap<string, FileEntry | null>,
): InventoryDiff {
  const there = [...live.values()].filter((entry) => entry !== null);
  const { changes, unchanged } = diffInventories(there, selected);
  const wanted = changes.filter(({ change, parts }) => change === 'added' || canSetOwner() || parts.some(isSettable));
  return { changes: wanted, unchanged: unchanged + changes.length - wanted.length };
}

const isSettable = (part: ChangedPart): boolean => part !== 'owner';

/** @throws {Failure} TARGET_UNSAFE when a folder would have to become a file, or the reverse. */
export function requireSameKinds(selected: readonly FileEntry[], live: ReadonlyMap<string, FileEntry | null>): void {
  for (const entry of selected) {
    const now = live.get(entry.path) ?? null;
    if (now === null || (now.kind === 'directory') === (entry.kind === 'directory')) continue;
    const path = JSON.stringify(entry.path);
    throw new Failure('TARGET_UNSAFE', `${path} is a ${now.kind} now and a ${entry.kind} in the backup`);
  }
}

export interface PlanFacts {
  readonly request: RestoreRequest;
  readonly selected: readonly FileEntry[];
  readonly diff: InventoryDiff | null;
  readonly liveDigest: string | null;
  readonly where: string;
  readonly keptFolder: string;
  readonly findings: readonly Finding[];
}

/** The plan with its digest. */
export function makePlan(facts: PlanFacts): RestorePlan {
  const { request, diff, liveDigest, selected } = facts;
  const plan = {
    request,
    summary: summaryOf(facts),
    difference: differenceOf(diff),
    warnings: facts.findings
      .filter(({ level }) => level !== 'ok')
      .map(({ subject, message }) => `${subject} ${message}`),
    steps: stepsOf(request),
    observed: { liveDigest, entries: selected.length },
  };
  return { ...plan, digest: createHash('sha256').update(canonicalJson(plan)).digest('hex') };
}

function summaryOf({ request, selected, diff, where, keptFolder }: PlanFacts): string[] {
  const files = selected.filter(({ kind }) => kind === 'file').length;
  if (diff === null) return [`writes ${files} files into scratch below ${where}, compares and removes them`];
  const changed = diff.changes.filter(({ change }) => change === 'changed').length;
  return [
    `restores ${files} files of backup ${request.backup.backupId} to ${where}`,
    `${diff.changes.length - changed} are missing there and come back, ${changed} are replaced, ${diff.unchanged} are equal and stay`,
    `what is replaced is kept in ${keptFolder}; files that are not in the backup are left alone`,
    ...diff.changes
      .slice(0, SHOWN)
      .map(({ change, path, parts }) => `${WORDS[change]} ${JSON.stringify(path)} ${parts.join(', ')}`.trim()),
    ...(diff.changes.length > SHOWN ? [`and ${diff.changes.length - SHOWN} more`] : []),
  ];
}

const WORDS = { added: 'add', changed: 'replace', removed: 'leave' } as const;

function differenceOf(diff: InventoryDiff | null): RestorePlan['difference'] {
  if (diff === null) return {};
  const count = (change: string) => diff.changes.filter((one) => one.change === change).length;
  return { added: count('added'), changed: count('changed'), unchanged: diff.unchanged };
}

function stepsOf({ target }: RestoreRequest): RestoreStep[] {
  const isLive = target === 'live';
  return [
    {
      id: STEPS.stage,
      title: 'read and compare the whole backup',
      skippable: false,
      hasUndo: false,
      safeToLeave: 'nothing was changed yet',
    },
    {
      id: STEPS.write,
      title: isLive ? 'keep the old files and replace them' : 'write into scratch',
      skippable: false,
      hasUndo: isLive,
      safeToLeave: isLive ? 'some files are old and some new; the old ones are kept' : 'only scratch was written',
    },
    {
      id: STEPS.compare,
      title: 'compare what is there with the backup',
      skippable: false,
      hasUndo: false,
      safeToLeave: 'the files are in place; only the comparison is missing',
    },
  ];
}
