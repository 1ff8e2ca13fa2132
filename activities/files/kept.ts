// What a live restore replaces is kept beside the run: a tree of the old files, and a journal that says of every path
// what was there before and what takes its place. The journal is complete before the first file is replaced.
import { open, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileEntry } from '../../domain/files/entry.ts';
import type { Accounts } from './accounts.ts';
import { describe } from './describe.ts';
import { createHolding } from './holding.ts';
import { closeUnless, Folder, isAbsent, type Place, placeBelow } from './place.ts';
import { makeEmpty, makePrivate } from './run-folders.ts';
import { finishFolder, writeEntry } from './write-entry.ts';

export interface JournalLine {
  readonly path: string;
  /** What was there; null when there was nothing. */
  readonly before: FileEntry | null;
  readonly after: FileEntry;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await Folder.open(path);
  await folder.sync().finally(() => folder.close());
}

/** Folder of the versions that an undo found and had not written. */
export const FOREIGN = 'changed-since';

export class Kept {
  readonly #folder: string;
  readonly #accounts: Accounts;

  constructor(folder: string, accounts: Accounts) {
    this.#folder = folder;
    this.#accounts = accounts;
  }

  get filesFolder(): string {
    return join(this.#folder, 'files');
  }

  /** The journal of this run, or null when nothing was replaced. */
  async journal(): Promise<readonly JournalLine[] | null> {
    const text = await readFile(this.#journalPath, 'utf8').catch((error) => {
      if (isAbsent(error)) return null;
      throw error;
    });
    return text === null
      ? null
      : text
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as JournalLine);
  }

  get #journalPath(): string {
    return join(this.#folder, 'journal.jsonl');
  }

  /** Forgets a half kept attempt: without its journal nothing was replaced yet. */
  async begin(): Promise<void> {
    await makeEmpty(this.#folder);
    await makePrivate(this.filesFolder);
  }

  /** Copies what lies at `live` into the tree below `folder` ("files" unless told). @returns its entry, null when absent. */
  async copy(live: Place | null, path: string, folder = 'files'): Promise<FileEntry | null> {
    const holding = createHolding(join(this.#folder, 'large'));
    try {
      const described = await describe(live, path, this.#accounts, holding);
      if (described.outcome === 'absent') return null;
      if (described.outcome !== 'whole') throw new Error(`${JSON.stringify(path)} is ${described.outcome}`);
      await this.#write(folder, described.entry, () => holding.content());
      return described.entry;
    } finally {
      await holding.close();
    }
  }

  async #write(folder: string, entry: FileEntry, content: () => AsyncIterable<Uint8Array>): Promise<void> {
    const root = await Folder.open(await makePrivate(join(this.#folder, folder)));
    try {
      const place = await placeBelow(root, entry.path, true);
      if (place === null) return;
      const rules = { accounts: this.#accounts, temporaryName: '.holdfast-kept', content };
      await writeEntry(place, entry, rules)
        .then(() => (entry.kind === 'directory' ? finishFolder(place, entry, this.#accounts) : undefined))
        .then(() => place.folder.sync())
        .finally(() => closeUnless(place.folder, root));
    } finally {
      await root.close();
    }
  }

  /** Makes the journal exist, whole. */
  async commit(lines: readonly JournalLine[]): Promise<void> {
    const partial = `${this.#journalPath}.partial`;
    const file = await open(partial, 'w', 0o600);
    try {
      await file.writeFile(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, this.#journalPath);
    // Its name, and those of the folders that hold it, must outlast a power cut: without the journal nothing is undone.
    for (const folder of [
      this.#folder,
      join(this.#folder, '..'),
      join(this.#folder, '../..'),
      join(this.#folder, '../../..'),
    ])
      await syncFolder(folder);
  }

  /** The kept content of `entry`. */
  async *content(entry: FileEntry): AsyncIterable<Uint8Array> {
    const root = await Folder.open(this.filesFolder);
    try {
      const place = await placeBelow(root, entry.path, false);
      if (place === null) throw new Error(`the kept copy of ${JSON.stringify(entry.path)} is gone`);
      const file = await place.folder.openToRead(place.name).finally(() => closeUnless(place.folder, root));
      yield* file.createReadStream();
    } finally {
      await root.close();
    }
  }

  /** True when an undo found versions that someone else had written, and kept them. */
  async hasForeign(): Promise<boolean> {
    return readdir(join(this.#folder, FOREIGN)).then(
      () => true,
      (error) => {
        if (isAbsent(error)) return false;
        throw error;
      },
    );
  }
}
