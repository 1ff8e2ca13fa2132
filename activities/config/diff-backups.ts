// What changed between two backups of the configuration: files by their inventories, settings by their content. Values
// are never told, only marks that differ when the values do.
import { createHmac, randomBytes } from 'node:crypto';
import type { BackupReader, StoredBackup } from '../../domain/contracts/backup-content.ts';
import type { FileEntry } from '../../domain/files/entry.ts';
import { diffInventories, type FileChange } from '../../domain/files/inventory-diff.ts';
import type { BackupRef } from '../../domain/manifest.ts';
import { type Fingerprint, type LineChange, maskedTextDiff } from '../../domain/systems/config-masking.ts';
import { drain, readArchive, readInventory } from '../files/archive-reader.ts';

export interface DiffBackupsInput {
  readonly from: BackupRef;
  readonly to: BackupRef;
}

export interface FileDifference extends FileChange {
  /** Changed settings and lines of a text file; empty for others. */
  readonly lines: readonly LineChange[];
  /** Changed lines that were left out because there are too many. */
  readonly moreLines: number;
}

export interface BackupDifference {
  readonly from: BackupRef;
  readonly to: BackupRef;
  readonly files: readonly FileDifference[];
  readonly moreFiles: number;
  readonly unchanged: number;
  /** The same for people, a line for each change. */
  readonly text: string;
}

// What goes through a workflow's history stays small: at most about 300 kB.
const MAX_FILES = 200;
const MAX_LINES = 500;
const TEXT_BYTES = 256 * 1024;

/**
 * Does: reads both backups whole and compares them.
 * Repeat: compares again; the marks have a new salt each time. Undo: none needed, nothing is written.
 */
export async function diffBackups(
  reader: BackupReader,
  root: string,
  { from, to }: DiffBackupsInput,
): Promise<BackupDifference> {
  const [older, newer] = [await reader.open(from), await reader.open(to)];
  const [before, after] = [await readInventory(older, root), await readInventory(newer, root)];
  const { changes, unchanged } = diffInventories(before, after);
  const shown = changes.slice(0, MAX_FILES);
  const wanted = new Set(shown.filter(({ parts }) => parts.includes('content')).map(({ path }) => path));
  const texts = { before: await readTexts(older, before, wanted), after: await readTexts(newer, after, wanted) };
  const files = describeLines(shown, texts, saltedFingerprint());
  const difference = { from, to, files, moreFiles: changes.length - shown.length, unchanged };
  return { ...difference, text: describeDifference(difference) };
}

function describeDifference({ files, moreFiles, unchanged }: Omit<BackupDifference, 'text'>): string {
  const more = moreFiles > 0 ? [`and ${moreFiles} more files`] : [];
  return [...files.flatMap(describeFile), ...more, `${unchanged} unchanged`].join('\n');
}

function describeFile({ path, change, parts, lines, moreLines }: FileDifference): string[] {
  const what = parts.length > 0 ? ` (${parts.join(', ')})` : '';
  const more = moreLines > 0 ? [`  and ${moreLines} more lines`] : [];
  const told = lines.map(({ where, before, after }) => `  ${where}: ${before ?? 'absent'} -> ${after ?? 'absent'}`);
  return [`${change} ${JSON.stringify(path)}${what}`, ...told, ...more];
}

interface Texts {
  readonly before: ReadonlyMap<string, string>;
  readonly after: ReadonlyMap<string, string>;
}

function describeLines(changes: readonly FileChange[], texts: Texts, mark: Fingerprint): FileDifference[] {
  let room = MAX_LINES;
  return changes.map((change) => {
    const [before, after] = [texts.before.get(change.path), texts.after.get(change.path)];
    const all = before === undefined || after === undefined ? [] : maskedTextDiff(before, after, mark);
    const lines = all.slice(0, room);
    room -= lines.length;
    return { ...change, lines, moreLines: all.length - lines.length };
  });
}

// The salt is forgotten at the end: a mark cannot be tried against guessed values later.
function saltedFingerprint(): Fingerprint {
  const salt = randomBytes(32);
  return (value) => createHmac('sha256', salt).update(value).digest('hex').slice(0, 8);
}

async function readTexts(
  stored: StoredBackup,
  entries: readonly FileEntry[],
  wanted: ReadonlySet<string>,
): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  await readArchive(stored, entries, async (entry, content) => {
    if (!wanted.has(entry.path) || entry.bytes > TEXT_BYTES) return drain(entry, content);
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    if (!bytes.includes(0)) texts.set(entry.path, bytes.toString('utf8'));
  });
  return texts;
}
