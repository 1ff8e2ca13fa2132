// Everything a restore will write waits here first, whole and compared: the target is not touched for a damaged backup.
import { createReadStream } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ByteSource, StoredBackup } from '../../domain/contracts/backup-content.ts';
import type { FileEntry } from '../../domain/files/entry.ts';
import { readArchive } from './archive-reader.ts';
import type { ReadContent } from './collection.ts';
import { isAbsent } from './place.ts';
import { makeEmpty } from './run-folders.ts';
import { writeContent } from './write-content.ts';

/** Judged files are small; a larger one is no certificate. */
const JUDGED_BYTES = 4 * 1024 * 1024;

export class Staging {
  readonly #folder: string;

  constructor(scratch: string) {
    this.#folder = join(scratch, 'staged');
  }

  /** Reads the whole archive, compares all of it and keeps the content of the selected entries. */
  async fill(stored: StoredBackup, all: readonly FileEntry[], selected: readonly FileEntry[]): Promise<number> {
    await makeEmpty(this.#folder);
    const wanted = new Set(selected.map(({ sha256 }) => sha256));
    const bytes = await readArchive(stored, all, async (entry, content) => {
      if (wanted.has(entry.sha256)) await this.#put(entry, content);
      else for await (const _ of content);
    });
    await writeFile(join(this.#folder, 'complete'), '', { mode: 0o600 });
    return bytes;
  }

  async #put(entry: FileEntry, content: ByteSource): Promise<void> {
    // Two files with the same content share it; the second only overwrites equal bytes.
    const file = await open(this.#pathOf(entry), 'w', 0o600);
    try {
      await writeContent(file, content, entry.sparse);
    } finally {
      await file.close();
    }
  }

  async isComplete(): Promise<boolean> {
    return readFile(join(this.#folder, 'complete')).then(
      () => true,
      (error) => {
        if (isAbsent(error)) return false;
        throw error;
      },
    );
  }

  content(entry: FileEntry): ByteSource {
    return createReadStream(this.#pathOf(entry));
  }

  /** The staged content of small files, by path. */
  async contents(entries: readonly FileEntry[]): Promise<ReadContent> {
    const found = new Map<string, Buffer>();
    for (const entry of entries) {
      if (entry.kind === 'file' && entry.bytes <= JUDGED_BYTES)
        found.set(entry.path, await readFile(this.#pathOf(entry)));
    }
    return (path) => found.get(path);
  }

  #pathOf({ sha256 }: FileEntry): string {
    return join(this.#folder, String(sha256));
  }
}
