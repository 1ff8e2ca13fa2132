// What pg_basebackup writes, read while it passes or once it lies in a folder: the backup's own manifest at its end tells
// the range of WAL, and is what a later incremental backup compares the server with.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { ByteSource } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import { TarWalk } from './tar-walk.ts';

export interface BaseManifest {
  readonly timeline: number;
  readonly startLsn: string;
  readonly stopLsn: string;
  /** Of the whole `backup_manifest`, lower-case hex. */
  readonly sha256: string;
}

export interface Seen {
  readonly manifest: BaseManifest;
  /** When pg_control came by: it is sent last, right before the backup is stopped. */
  readonly momentAt: string;
}

export interface BaseReader {
  pass(source: ByteSource): ByteSource;
  /** What was seen on the way, once the stream has passed. */
  readonly seen: Promise<Seen>;
}

/**
 * Looks at a base backup's tar while it passes: that proves it whole.
 * @param keepAt path for a copy of the backup's manifest, or null.
 */
export function readBaseOnTheWay(progress: (bytes: number) => void, keepAt: string | null): BaseReader {
  const { promise: seen, resolve, reject } = Promise.withResolvers<Seen>();
  seen.catch(() => undefined);
  async function* pass(source: ByteSource): ByteSource {
    try {
      resolve(yield* passing(source, progress, keepAt));
    } catch (error) {
      reject(error);
      throw error;
    }
  }
  return { pass, seen };
}

async function* passing(source: ByteSource, progress: (bytes: number) => void, keepAt: string | null) {
  const look = new Look();
  const manifest = new ManifestReading(keepAt);
  try {
    for await (const chunk of source) {
      progress(chunk.byteLength);
      for (const piece of look.at(chunk)) await manifest.add(piece);
      yield chunk;
    }
    return { ...look.result(), manifest: manifest.result() };
  } finally {
    await manifest.close();
  }
}

/** Finds the two members that tell something. */
class Look {
  #name = '';
  #momentAt: string | undefined;
  #pieces: Uint8Array[] = [];
  readonly #walk = new TarWalk({
    begin: ({ name }) => {
      this.#name = name;
      if (name === 'global/pg_control') this.#momentAt = new Date().toISOString();
    },
    content: (bytes) => {
      if (this.#name === 'backup_manifest') this.#pieces.push(Buffer.from(bytes));
    },
  });

  /** @returns copies of the manifest's bytes in the chunk. */
  at(chunk: Uint8Array): readonly Uint8Array[] {
    this.#pieces = [];
    this.#walk.push(chunk);
    return this.#pieces;
  }

  result(): Pick<Seen, 'momentAt'> {
    this.#walk.finish();
    if (this.#momentAt === undefined)
      throw new Failure('TOOL_FAILED', "pg_basebackup's stream ended without the server's control file", {});
    return { momentAt: this.#momentAt };
  }
}

/** Reads the manifest of a base backup that lies in a file. */
export async function readManifestFile(path: string, keepAt: string | null): Promise<BaseManifest> {
  const manifest = new ManifestReading(keepAt);
  try {
    for await (const chunk of createReadStream(path)) await manifest.add(chunk);
    return manifest.result();
  } finally {
    await manifest.close();
  }
}

const TAIL = 64 * 1024;

/** A manifest that is hashed, kept where that is wanted, and whose end is read. */
class ManifestReading {
  readonly #keepAt: string | null;
  readonly #hash = createHash('sha256');
  #tail: Buffer = Buffer.alloc(0);
  #copy: FileHandle | null = null;

  constructor(keepAt: string | null) {
    this.#keepAt = keepAt;
  }

  async add(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    if (this.#keepAt !== null) this.#copy ??= await open(this.#keepAt, 'w', 0o600);
    await this.#copy?.writeFile(chunk);
    this.#tail = Buffer.concat([this.#tail, chunk]).subarray(-TAIL);
  }

  result(): BaseManifest {
    return { ...rangeOf(this.#tail.toString('utf8')), sha256: this.#hash.digest('hex') };
  }

  async close(): Promise<void> {
    await this.#copy?.close();
  }
}

// https://www.postgresql.org/docs/15/backup-manifest-format.html: "WAL-Ranges" stands after "Files".
function rangeOf(tail: string): Omit<BaseManifest, 'sha256'> {
  const text = /"WAL-Ranges":\s*(\[[^\]]*\])/.exec(tail)?.[1];
  const ranges = text ? (JSON.parse(text) as { Timeline: number; 'Start-LSN': string; 'End-LSN': string }[]) : [];
  const first = ranges.at(0);
  const last = ranges.at(-1);
  if (!first || !last) throw new Failure('TOOL_FAILED', "the backup's manifest names no WAL range", {});
  return { timeline: last.Timeline, startLsn: first['Start-LSN'], stopLsn: last['End-LSN'] };
}
