// Keeps one file's bytes between reading and archiving: small ones in memory, large ones in a file of the run's folder.
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import type { Holding } from './stable-read.ts';
import { writeWithHoles } from './write-content.ts';

const MEMORY_BYTES = 4 * 1024 * 1024;

export interface ReadableHolding extends Holding {
  content(): AsyncIterable<Uint8Array>;
  /** The bytes when they are in memory, which files up to 4 MiB are. */
  inMemory(): Buffer | undefined;
  close(): Promise<void>;
}

/** A holding that spills into the file `overflowPath` (0600), removed by `reset` and `close`. */
export function createHolding(overflowPath: string): ReadableHolding {
  let chunks: Buffer[] = [];
  let bytes = 0;
  let overflow: FileHandle | undefined;

  const reset = async () => {
    chunks = [];
    bytes = 0;
    await overflow?.close();
    overflow = undefined;
    await rm(overflowPath, { force: true });
  };

  // With holes: a sparse file may be larger than the disk that it waits on.
  const spill = async () => {
    overflow = await open(overflowPath, 'wx', 0o600);
    await writeWithHoles(overflow, Buffer.concat(chunks), 0);
    chunks = [];
  };

  return {
    reset,
    close: reset,
    async write(chunk) {
      if (overflow === undefined && bytes + chunk.length > MEMORY_BYTES) await spill();
      if (overflow === undefined) chunks.push(chunk);
      else await writeWithHoles(overflow, chunk, bytes);
      bytes += chunk.length;
    },
    content: () => (overflow === undefined ? iterate(chunks) : createReadStream(overflowPath)),
    inMemory: () => (overflow === undefined ? Buffer.concat(chunks) : undefined),
  };
}

async function* iterate(chunks: readonly Buffer[]): AsyncIterable<Uint8Array> {
  yield* chunks;
}

/** Keeps the content of small files for a judgement and only passes over large ones. */
export function createMemoryHolding(): Holding & { bytes(): Buffer | undefined } {
  let chunks: Buffer[] | undefined = [];
  let length = 0;
  return {
    async reset() {
      chunks = [];
      length = 0;
    },
    async write(chunk) {
      length += chunk.length;
      if (length > MEMORY_BYTES) chunks = undefined;
      chunks?.push(chunk);
    },
    bytes: () => chunks && Buffer.concat(chunks),
  };
}
