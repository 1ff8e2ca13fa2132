// Writes a collection of files as one tar stream (pax) and one inventory. The tar alone is enough for any `tar`.
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type Header, type Pack, pack as tarPack } from 'tar-stream';
import type { ByteSource, OpenBackup } from '../../domain/contracts/backup-content.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { type FileEntry, formatEntry } from '../../domain/files/entry.ts';
import type { Artifact } from '../../domain/manifest.ts';
import { progressOf, throwIfCancelled } from '../shared/activity-context.ts';
import { readAccounts } from './accounts.ts';
import { attributeFindings } from './attributes.ts';
import type { FileCollection, LeftOut, ReadContent } from './collection.ts';
import { describe } from './describe.ts';
import { HardLinks } from './hard-links.ts';
import { createHolding, type ReadableHolding } from './holding.ts';
import { bytesOfName, readableName } from './names.ts';

export const ARCHIVE_NAME = 'files.tar';
export const INVENTORY_NAME = 'inventory.jsonl';
/** Pax records for names whose bytes are not UTF-8: base64 of the very bytes. */
export const RAW_PATH = 'HOLDFAST.path';
export const RAW_TARGET = 'HOLDFAST.linkpath';

export interface WrittenArchive {
  readonly artifacts: readonly Artifact[];
  readonly entries: readonly FileEntry[];
  readonly leftOut: readonly LeftOut[];
  /** What the archive cannot hold of the files in it. */
  readonly lacking: readonly Finding[];
  /** Content as archived of files up to 4 MiB, for systems that judge it. */
  readonly read: ReadContent;
}

/**
 * Reads every file of the collection and adds both artifacts.
 * @param stagingFolder private folder where a large file waits; it must exist.
 * @throws {Failure} ACCESS_DENIED when a file may not be read.
 */
export async function writeArchive(
  collection: FileCollection,
  backup: OpenBackup,
  stagingFolder: string,
): Promise<WrittenArchive> {
  const listing = await collection.list();
  const packing = new Packing(collection, createHolding(join(stagingFolder, 'large')));
  const pack = tarPack();
  const stored = backup.addArtifact({ name: ARCHIVE_NAME, role: 'archive' }, bytesOf(pack));
  stored.catch((error) => pack.destroy(error));
  const packed = packing.run(pack, listing.paths).catch((error) => {
    pack.destroy(error);
    throw error;
  });
  const [packedEnd, storedEnd] = await Promise.allSettled([packed, stored]);
  if (packedEnd.status === 'rejected')
    throw storedEnd.status === 'rejected' ? firstOf(storedEnd, packedEnd) : packedEnd.reason;
  if (storedEnd.status === 'rejected') throw storedEnd.reason;
  const lines = Readable.from(packing.entries.map((entry) => Buffer.from(formatEntry(entry))));
  const inventory = await backup.addArtifact({ name: INVENTORY_NAME, role: 'inventory' }, lines);
  return {
    artifacts: [storedEnd.value, inventory],
    entries: packing.entries,
    leftOut: [...listing.leftOut, ...packing.leftOut],
    lacking: await attributeFindings(
      collection,
      packing.entries.map(({ path }) => path),
    ),
    read: (path) => packing.contents.get(path),
  };
}

// Both sides end when one fails; the one that is a failure of ours, or of the disk, is the cause.
function firstOf(stored: PromiseRejectedResult, packed: PromiseRejectedResult): unknown {
  return packed.reason instanceof Failure ? packed.reason : stored.reason;
}

class Packing {
  readonly entries: FileEntry[] = [];
  readonly leftOut: LeftOut[] = [];
  readonly contents = new Map<string, Buffer>();
  readonly #collection: FileCollection;
  readonly #holding: ReadableHolding;
  readonly #links = new HardLinks();

  constructor(collection: FileCollection, holding: ReadableHolding) {
    this.#collection = collection;
    this.#holding = holding;
  }

  async run(pack: Pack, paths: readonly string[]): Promise<void> {
    const accounts = await readAccounts();
    const progress = progressOf(`${this.#collection.system} files`, null);
    try {
      for (const path of paths) {
        throwIfCancelled();
        const entry = await this.#take(path, accounts);
        if (entry === null) continue;
        await addToArchive(pack, entry, this.#holding.content());
        this.entries.push(entry);
        progress(entry.bytes);
      }
      pack.finalize();
    } finally {
      await this.#holding.close();
    }
  }

  async #take(path: string, accounts: Awaited<ReturnType<typeof readAccounts>>): Promise<FileEntry | null> {
    await this.#holding.reset();
    const described = await this.#collection
      .withPlace(path, false, (place) => describe(place, path, accounts, this.#holding))
      .catch((error) => {
        throw unreadable(error, path);
      });
    if (described.outcome === 'absent' && this.#collection.missing) {
      throw new Failure(this.#collection.missing, `${JSON.stringify(path)} is not there`);
    }
    if (described.outcome !== 'whole') {
      this.leftOut.push({ path, why: WHY[described.outcome] });
      return null;
    }
    const entry = this.#links.named(described.entry, described.inode);
    const own = this.#collection.judge ? this.#holding.inMemory() : undefined;
    const content = entry.linkedTo === null ? own : this.contents.get(entry.linkedTo);
    if (content !== undefined && entry.kind === 'file') this.contents.set(path, content);
    return entry;
  }
}

const WHY = {
  absent: 'vanished while the backup was taken',
  unstable: 'changed each of five times while it was read',
  'not a file': 'is a device, a socket or a pipe',
} as const;

/** The failure for an error met while reading `path`. */
export function unreadable(error: unknown, path: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'EACCES' && code !== 'EPERM') return error;
  const need = 'the worker must be able to read the file and search its folders';
  return new Failure('ACCESS_DENIED', `${JSON.stringify(path)} cannot be read`, { need }, error);
}

async function* bytesOf(pack: Pack): ByteSource {
  for await (const chunk of pack) yield chunk as Uint8Array;
}

async function addToArchive(pack: Pack, entry: FileEntry, content: ByteSource): Promise<void> {
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  const sink = pack.entry(tarHeader(entry), (error) => (error ? reject(error) : resolve()));
  ended.catch(() => undefined); // Awaited below; an error meanwhile is not an unhandled one.
  if (hasOwnContent(entry)) {
    for await (const chunk of content) if (!sink.write(chunk)) await Promise.race([drained(sink), ended]);
  }
  sink.end(null);
  await ended;
}

type Sink = ReturnType<Pack['entry']>;

function drained(sink: Sink): Promise<void> {
  return new Promise((resolve) => sink.once('drain', () => resolve()));
}

/** True when the archive holds bytes for this entry itself. */
export const hasOwnContent = ({ kind, linkedTo }: FileEntry): boolean => kind === 'file' && linkedTo === null;

const TYPES = { file: 'file', directory: 'directory', link: 'symlink' } as const;

/** The kind of an entry in a tar. */
export const tarTypeOf = ({ kind, linkedTo }: FileEntry) => (linkedTo === null ? TYPES[kind] : 'link');

function tarHeader(entry: FileEntry): Partial<Header> & { name: string } {
  const { path, owner, modifiedNs } = entry;
  const target = entry.target ?? entry.linkedTo;
  const pax: Record<string, string> = {
    uid: String(owner.uid),
    gid: String(owner.gid),
    mtime: paxTime(modifiedNs),
    ...(owner.user === null ? {} : { uname: owner.user }),
    ...(owner.group === null ? {} : { gname: owner.group }),
    ...(path.isWellFormed() ? {} : { [RAW_PATH]: bytesOfName(path).toString('base64') }),
    ...(target === null || target.isWellFormed() ? {} : { [RAW_TARGET]: bytesOfName(target).toString('base64') }),
  };
  return {
    name: readableName(path),
    type: tarTypeOf(entry),
    mode: entry.mode,
    uid: owner.uid,
    gid: owner.gid,
    size: hasOwnContent(entry) ? entry.bytes : 0,
    mtime: new Date(Math.max(0, Math.floor(Number(modifiedNs) / 1e6))),
    ...(target === null ? {} : { linkname: readableName(target) }),
    pax,
  };
}

// Pax times are decimal seconds; those before 1970 are cut to whole seconds.
function paxTime(nanoseconds: string): string {
  const value = BigInt(nanoseconds);
  if (value < 0n) return String(value / 1_000_000_000n);
  return `${value / 1_000_000_000n}.${String(value % 1_000_000_000n).padStart(9, '0')}`;
}
