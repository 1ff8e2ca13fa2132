// What a restore by key replaces, written down and synced before it is replaced. Undo reads it backwards: when a key was
// written down twice, because an attempt was repeated, the older value is put back last. A large key stands in a file of
// its own, as the commands that make it again.
import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { framed, framePlaces, type Place, readFrame } from './journal-frames.ts';
import { writePieces } from './journal-pieces.ts';
import type { Template } from './rebuild-commands.ts';

/** A key as it was: `payload` null when it was not there; `expiresAtMs` -1 without an expiry. */
export interface JournalEntry {
  readonly database: number;
  readonly key: Buffer;
  readonly payload: Buffer | null;
  readonly expiresAtMs: number;
  /** Path of the file that holds a large key; its payload is null then. */
  readonly piecesPath?: string;
}

const FILE = /^journal-(\d{6})$/;

/** A new journal file of one attempt; earlier attempts' files stay as they are. */
export class Journal {
  readonly #file: FileHandle;
  readonly #path: string;
  #large = 0;

  private constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  static async begin(folder: string): Promise<Journal> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const last = (await journalFiles(folder)).at(-1);
    const number = last === undefined ? 1 : Number(FILE.exec(last)?.[1]) + 1;
    const path = join(folder, `journal-${String(number).padStart(6, '0')}`);
    const file = await open(path, 'wx', 0o600);
    await syncFolder(folder);
    return new Journal(file, path);
  }

  /** Returns when the entries are on the disk: only then may they be replaced. */
  async write(entries: readonly JournalEntry[]): Promise<void> {
    await this.#file.writeFile(framed(Buffer.concat(entries.map(encode))));
    await this.#file.datasync();
  }

  /** Notes that the last batch was not acted upon: the store had changed meanwhile, and what it holds now is its own. */
  async withdraw(): Promise<void> {
    await this.write([]);
  }

  /** Writes a large key into a file of its own, which must be named in a batch before the key is replaced. */
  async writeLarge(pieces: AsyncIterable<readonly Template[]>): Promise<string> {
    this.#large += 1;
    const path = `${this.#path}-large-${this.#large}`;
    await writePieces(path, pieces);
    await syncFolder(dirname(path));
    return path;
  }

  async end(): Promise<void> {
    await this.#file.close();
  }
}

/**
 * Batches of entries, newest first, and within a batch as written; without those that were withdrawn. A torn last batch
 * was never acted upon.
 */
export async function* readJournalBackwards(folder: string): AsyncGenerator<JournalEntry[]> {
  for (const name of (await journalFiles(folder)).reverse()) {
    const path = join(folder, name);
    const places = await framePlaces(path);
    for (let index = places.length - 1; index >= 0; index -= 1) {
      const place = places[index] as Place;
      if (place.length > 0) yield decode(await readFrame(path, place), folder);
      else index -= 1;
    }
  }
}

async function journalFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.filter((name) => FILE.test(name)).sort();
}

async function syncFolder(folder: string): Promise<void> {
  const directory = await open(folder, 'r');
  await directory.sync().finally(() => directory.close());
}

const ABSENT = 0xffff_ffff;
const IN_PIECES = 0xffff_fffe;

function encode({ database, key, payload, expiresAtMs, piecesPath }: JournalEntry): Buffer {
  const head = Buffer.alloc(24);
  const content = piecesPath === undefined ? payload : Buffer.from(basename(piecesPath));
  head.writeUInt32LE(database, 0);
  head.writeUInt32LE(key.length, 4);
  head.writeUInt32LE(piecesPath === undefined ? (payload?.length ?? ABSENT) : IN_PIECES, 8);
  head.writeBigInt64LE(BigInt(expiresAtMs), 12);
  head.writeUInt32LE(content?.length ?? 0, 20);
  return Buffer.concat([head, key, content ?? Buffer.alloc(0)]);
}

function decode(body: Buffer, folder: string): JournalEntry[] {
  const entries: JournalEntry[] = [];
  for (let at = 0; at < body.length; ) {
    const keyEnd = at + 24 + body.readUInt32LE(at + 4);
    const form = body.readUInt32LE(at + 8);
    const end = keyEnd + body.readUInt32LE(at + 20);
    const content = body.subarray(keyEnd, end);
    entries.push({
      database: body.readUInt32LE(at),
      key: body.subarray(at + 24, keyEnd),
      payload: form === ABSENT || form === IN_PIECES ? null : content,
      expiresAtMs: Number(body.readBigInt64LE(at + 12)),
      ...(form === IN_PIECES ? { piecesPath: join(folder, content.toString()) } : {}),
    });
    at = end;
  }
  return entries;
}
