// Reads a file backup: the inventory first, judged whole, then the archive, entry by entry against it. Nothing of the
// archive is believed that the inventory does not say.
import { createHash } from 'node:crypto';
import { type Extract, type Header, extract as tarExtract } from 'tar-stream';
import type { ByteSource, StoredBackup } from '../../domain/contracts/backup-content.ts';
import { artifactsOf } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import { type FileEntry, parseEntry } from '../../domain/files/entry.ts';
import { requireSafeEntries } from '../../domain/files/path-safety.ts';
import { progressOf, throwIfCancelled } from '../shared/activity-context.ts';
import { hasOwnContent, RAW_PATH, RAW_TARGET, tarTypeOf } from './archive-writer.ts';
import { textOfName } from './names.ts';

/** Receives the content of one file. Its bytes are proven only when `readArchive` has ended without an error. */
export type TakeContent = (entry: FileEntry, content: ByteSource) => Promise<void>;

/**
 * The inventory of a backup, safe to write below `root`.
 * @throws {Failure} ARTIFACT_MISSING, ARTIFACT_DAMAGED, ARCHIVE_UNSAFE.
 */
export async function readInventory(stored: StoredBackup, root: string): Promise<FileEntry[]> {
  const entries: FileEntry[] = [];
  for await (const line of linesOf(stored.read(nameOf(stored, 'inventory')))) entries.push(parseEntry(line));
  requireSafeEntries(entries, root);
  return entries;
}

const NEWLINE = 0x0a;
/** Far above the longest line a path of 4 KiB and a link of 4 KiB can make. */
const MAX_LINE_BYTES = 128 * 1024;

// Not node:readline: it also splits at U+2028, which a file name may hold.
async function* linesOf(source: ByteSource): AsyncIterable<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      yield rest.toString('utf8', 0, end);
      rest = rest.subarray(end + 1);
    }
    if (rest.length > MAX_LINE_BYTES) throw new Failure('ARTIFACT_DAMAGED', 'the inventory has a line without an end');
  }
  if (rest.length > 0) throw new Failure('ARTIFACT_DAMAGED', 'the inventory ends within a line');
}

function nameOf(stored: StoredBackup, role: string): string {
  const [artifact] = artifactsOf(stored.manifest, role);
  if (artifact === undefined) {
    throw new Failure('ARTIFACT_MISSING', `backup '${stored.manifest.backupId}' has no artifact of role '${role}'`);
  }
  return artifact.name;
}

/**
 * Reads the whole archive and compares every entry and every byte with the inventory.
 * @param take is given each file's content; without it the content is only compared.
 * @returns the plain bytes read.
 * @throws {Failure} ARTIFACT_DAMAGED naming the first entry that differs, is missing or is not in the inventory.
 */
export async function readArchive(
  stored: StoredBackup,
  entries: readonly FileEntry[],
  take: TakeContent = drain,
): Promise<number> {
  const expected = new Map(entries.map((entry) => [entry.path, entry]));
  const extract = tarExtract();
  const progress = progressOf(`${stored.manifest.system} files`, totalOf(stored));
  let bytes = 0;
  const fed = feed(stored.read(nameOf(stored, 'archive')), extract, (length) => {
    bytes += length;
    progress(length);
  });
  fed.catch(() => undefined); // Awaited below.
  await readEntries(extract, expected, take).catch(async (error) => {
    extract.destroy();
    // When the source failed, everything after it only broke with it: the source's failure is the cause.
    throw await fed.then(
      () => asDamage(error),
      (cause) => cause,
    );
  });
  await fed;
  const [missing] = expected.keys();
  if (missing !== undefined) throw damaged(missing, 'is in the inventory and not in the archive');
  return bytes;
}

const totalOf = (stored: StoredBackup) => artifactsOf(stored.manifest, 'archive')[0]?.plainBytes ?? null;

async function feed(source: ByteSource, extract: Extract, count: (bytes: number) => void): Promise<void> {
  const closed = new Promise<void>((resolve) => extract.once('close', () => resolve()));
  try {
    for await (const chunk of source) {
      throwIfCancelled();
      count(chunk.length);
      if (extract.destroyed) return;
      if (!extract.write(chunk)) await Promise.race([drained(extract), closed]);
    }
    extract.end(null);
  } catch (error) {
    extract.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

const drained = (extract: Extract) => new Promise<void>((resolve) => extract.once('drain', () => resolve()));

async function readEntries(extract: Extract, expected: Map<string, FileEntry>, take: TakeContent): Promise<void> {
  for await (const source of extract) {
    const entry = matching(source.header, expected);
    const content = source as AsyncIterable<unknown> as ByteSource;
    if (hasOwnContent(entry)) await takeFile(entry, content, take);
    else await drain(entry, content);
  }
}

// What tar-stream 3 says of a bad archive; an entry that it was reading ends as a destroyed stream.
const TAR_WORDS = /tar header|Unexpected end of data|Invalid header|Header exceeds|Stream was destroyed/;

function asDamage(error: unknown): unknown {
  if (error instanceof Failure || !(error instanceof Error) || !TAR_WORDS.test(error.message)) return error;
  return new Failure('ARTIFACT_DAMAGED', 'the archive is cut or is none', {}, error);
}

function matching(header: Header, expected: Map<string, FileEntry>): FileEntry {
  const pax = (header.pax ?? {}) as Record<string, string>;
  const path = rawOr(pax[RAW_PATH], header.name);
  const entry = expected.get(path);
  if (entry === undefined) throw damaged(path, 'is in the archive and not in the inventory');
  expected.delete(path);
  const isLink = header.type === 'symlink' || header.type === 'link';
  const target = isLink ? rawOr(pax[RAW_TARGET], header.linkname) : null;
  const isEqual =
    header.type === tarTypeOf(entry) &&
    header.size === (hasOwnContent(entry) ? entry.bytes : 0) &&
    (header.mode & 0o7777) === entry.mode &&
    target === (entry.target ?? entry.linkedTo);
  if (!isEqual) throw damaged(path, 'differs from the inventory in its kind, length, mode or target');
  return entry;
}

const rawOr = (raw: string | undefined, name: string) =>
  raw === undefined ? name : textOfName(Buffer.from(raw, 'base64'));

async function takeFile(entry: FileEntry, source: ByteSource, take: TakeContent): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  async function* counted(): ByteSource {
    for await (const chunk of source) {
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
  }
  await take(entry, counted());
  if (bytes !== entry.bytes || hash.digest('hex') !== entry.sha256) {
    throw damaged(entry.path, 'has other content than the inventory says');
  }
}

/** Takes the content and forgets it. */
export async function drain(_entry: FileEntry, content: ByteSource): Promise<void> {
  for await (const _ of content);
}

function damaged(path: string, how: string): Failure {
  return new Failure('ARTIFACT_DAMAGED', `${JSON.stringify(path.slice(0, 200))} ${how}`);
}
