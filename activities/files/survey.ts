// Looks at every file of a collection without storing anything.
import { hostname } from 'node:os';
import type { Finding, SystemFacts } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { FileEntry } from '../../domain/files/entry.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { type Accounts, readAccounts } from './accounts.ts';
import { unreadable } from './archive-writer.ts';
import { attributeFindings } from './attributes.ts';
import type { FileCollection, LeftOut, ReadContent } from './collection.ts';
import { type Described, describe } from './describe.ts';
import { createMemoryHolding } from './holding.ts';
import { isAbsent } from './place.ts';

/**
 * Does: reads every file once and tells what a backup would hold, and what it could not.
 * Repeat: reads again. Undo: none needed, nothing is written.
 */
export async function inspectFiles(collection: FileCollection): Promise<SystemFacts> {
  const { entries, findings, judged, leftOut } = await surveyFiles(collection);
  const attributes = await attributeFindings(
    collection,
    entries.map(({ path }) => path),
  );
  return {
    identity: collection.identity,
    version: '1',
    estimatedBytes: entries.reduce((sum, { bytes }) => sum + bytes + 2048, 0),
    counts: { ...countKinds(entries), leftOut },
    source: sourceOf(collection),
    findings: [...findings, ...attributes, ...judged.map(asNotice)],
  };
}

interface Survey {
  readonly entries: readonly FileEntry[];
  readonly paths: readonly string[];
  readonly leftOut: number;
  /** What a backup could not hold. */
  readonly findings: readonly Finding[];
  /** What the content means. */
  readonly judged: readonly Finding[];
}

/** Reads every file once. */
export async function surveyFiles(collection: FileCollection): Promise<Survey> {
  const listing = await listOrTell(collection);
  const accounts = await readAccounts();
  const contents = new Map<string, Buffer>();
  const entries: FileEntry[] = [];
  const findings: Finding[] = [...listing.findings, ...listing.leftOut.map(leftOutFinding)];
  for (const path of listing.paths) {
    throwIfCancelled();
    const look = await lookAt(collection, path, accounts);
    if (look.content) contents.set(path, look.content);
    if (look.described?.outcome === 'whole') entries.push(look.described.entry);
    else findings.push(look.finding);
  }
  const judged = (await collection.judge?.((path) => contents.get(path), listing.paths))?.findings ?? [];
  return { entries, paths: listing.paths, leftOut: listing.leftOut.length, findings, judged };
}

// A root that is not there is a finding of an inspection; a backup fails on it.
async function listOrTell(collection: FileCollection) {
  try {
    return { ...(await collection.list()), findings: [] };
  } catch (error) {
    if (!isAbsent(error) && !(unreadable(error, '') instanceof Failure)) throw error;
    const message = `cannot be listed (${(error as NodeJS.ErrnoException).code})`;
    const finding: Finding = {
      level: 'failed',
      subject: `folder "${collection.root}"`,
      message,
      code: 'NO_FILE_ACCESS',
    };
    return { paths: [], leftOut: [], findings: [finding] };
  }
}

interface Look {
  readonly described: Described | null;
  readonly content: Buffer | undefined;
  readonly finding: Finding;
}

async function lookAt(collection: FileCollection, path: string, accounts: Accounts): Promise<Look> {
  const holding = createMemoryHolding();
  const subject = `file ${JSON.stringify(path)}`;
  try {
    const described = await collection.withPlace(path, false, (place) => describe(place, path, accounts, holding));
    const isFile = described.outcome === 'whole' && described.entry.kind === 'file';
    const message = `is ${described.outcome}`;
    const content = isFile && collection.judge ? holding.bytes() : undefined;
    const code = described.outcome === 'absent' ? (collection.missing ?? null) : null;
    return { described, content, finding: { level: code === null ? 'warning' : 'failed', subject, message, code } };
  } catch (error) {
    const failure = unreadable(error, path);
    if (!(failure instanceof Failure)) throw error;
    const finding: Finding = { level: 'failed', subject, message: failure.message, code: failure.code };
    return { described: null, content: undefined, finding };
  }
}

/** The content of small files as it is now; absent and large ones have none. */
export async function readContents(collection: FileCollection, paths: readonly string[]): Promise<ReadContent> {
  const accounts = await readAccounts();
  const contents = new Map<string, Buffer>();
  for (const path of paths) {
    const { content } = await lookAt(collection, path, accounts);
    if (content) contents.set(path, content);
  }
  return (path) => contents.get(path);
}

// An expired certificate is no reason not to back it up: in an inspection it warns.
const asNotice = (finding: Finding): Finding =>
  finding.level === 'failed' ? { ...finding, level: 'warning' } : finding;

/** The finding for something that is asked for and not protected. */
export function leftOutFinding({ path, why }: LeftOut): Finding {
  return {
    level: 'warning',
    subject: `file ${JSON.stringify(path)}`,
    message: `${why}; it is not backed up`,
    code: null,
  };
}

/** Totals for the manifest. */
export function countKinds(entries: readonly FileEntry[]): { files: number; directories: number; links: number } {
  const count = (kind: FileEntry['kind']) => entries.filter((entry) => entry.kind === kind).length;
  return { files: count('file'), directories: count('directory'), links: count('link') };
}

/** Where a collection's files come from. */
export function sourceOf({ identity, root, source }: FileCollection) {
  return { identity, root, host: hostname(), ...source };
}
