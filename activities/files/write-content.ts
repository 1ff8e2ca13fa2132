// Writing a file's content, with its holes where it had some: a sparse file of a terabyte must not fill the disk.
import type { FileHandle } from 'node:fs/promises';
import type { ByteSource } from '../../domain/contracts/backup-content.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';

const BLOCK_BYTES = 4096;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

/**
 * Writes `content` into the empty `file`.
 * @param holes leaves out blocks that are all zeros: they read as zeros and take no room.
 */
export async function writeContent(file: FileHandle, content: ByteSource, holes: boolean): Promise<void> {
  let at = 0;
  for await (const chunk of content) {
    throwIfCancelled();
    await (holes ? writeWithHoles(file, chunk, at) : writeAll(file, chunk, at));
    at += chunk.length;
  }
}

/** Writes a chunk at `at`, which is where the file ends, without its blocks of zeros. The file is as long as with them. */
export async function writeWithHoles(file: FileHandle, chunk: Uint8Array, at: number): Promise<void> {
  const pieces = piecesIn(chunk, at);
  for (const { from, to } of pieces) await writeAll(file, chunk.subarray(from, to), at + from);
  if (pieces.at(-1)?.to !== chunk.length) await file.truncate(at + chunk.length);
}

interface Piece {
  readonly from: number;
  readonly to: number;
}

/** Parts of a chunk that begins at `at` of its file, without the whole blocks of zeros in it. */
function piecesIn(chunk: Uint8Array, at: number): Piece[] {
  const pieces: Piece[] = [];
  for (let from = 0; from < chunk.length; ) {
    const to = Math.min(chunk.length, from + BLOCK_BYTES - ((at + from) % BLOCK_BYTES));
    const last = pieces.at(-1);
    if (!isZero(chunk.subarray(from, to))) {
      if (last?.to === from) pieces[pieces.length - 1] = { from: last.from, to };
      else pieces.push({ from, to });
    }
    from = to;
  }
  return pieces;
}

const isZero = (bytes: Uint8Array): boolean => Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0;

async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
}
