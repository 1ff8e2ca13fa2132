// A child's output in large pieces that nobody allocates. Node reads a child's pipe into a new buffer of 64 KiB each time:
// a gigabyte of them makes the collector go through the worker's whole heap a hundred times. A socket that Node connects
// itself reads into buffers of ours.
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { ByteSource } from '../../domain/contracts/backup-content.ts';

/** One end for a child, and what comes out of the other. */
export interface WidePipe {
  /** Becomes a child's standard output, which closes it here. */
  readonly writeEnd: Socket;
  /** What the child printed, whenever it is read. A piece is right only until the next one is asked for. */
  readonly pieces: ByteSource;
  /** Closes both ends. Safe to call twice. */
  close(): void;
}

const PIECE_BYTES = 256 * 1024;
// One is lent to the reader, one waits for it, one is being filled.
const PIECES = 3;

/** Opens one. `folder` holds the socket for the moment in which its ends find each other. */
export async function openWidePipe(folder: string): Promise<WidePipe> {
  const own = await mkdtemp(join(folder, 'pipe-'));
  const [server, handle] = [createServer({ pauseOnConnect: true }), await open(own, 'r')];
  // A socket's path has room for 107 bytes only; this one is short wherever the folder is.
  const path = `/proc/self/fd/${handle.fd}/s`;
  const ring = new Ring();
  try {
    await once(server.listen(path), 'listening');
    const accepted = once(server, 'connection');
    const readEnd = connect({ path, onread: ring.reading });
    const [[writeEnd]] = (await Promise.all([accepted, once(readEnd, 'connect')])) as [[Socket], unknown];
    ring.attach(readEnd);
    const close = () => void [writeEnd, readEnd].map((end) => end.destroy());
    return { writeEnd, pieces: ring.pieces(), close };
  } finally {
    server.close();
    await handle.close();
    await rm(own, { recursive: true, force: true });
  }
}

/** Buffers that are filled by a socket and read in turn. */
class Ring {
  readonly #buffers = Array.from({ length: PIECES }, () => Buffer.allocUnsafeSlow(PIECE_BYTES));
  readonly #full: Uint8Array[] = [];
  #socket: Socket | undefined;
  #filling = 0;
  #filled = 0;
  #lent = false;
  #ended = false;
  #error: Error | undefined;
  #wake: () => void = () => undefined;

  /** How a socket reads into it. Returning false stops the reading until `resume`. */
  readonly reading = {
    buffer: () => (this.#buffers[this.#filling] as Buffer).subarray(this.#filled),
    callback: (bytes: number) => {
      this.#filled += bytes;
      if (this.#filled === PIECE_BYTES) this.#handOver();
      return this.#hasRoom();
    },
  };

  attach(socket: Socket): void {
    this.#socket = socket;
    socket.once('error', (error) => {
      this.#error = error;
    });
    socket.once('close', () => {
      this.#ended = true;
      if (this.#filled > 0) this.#handOver();
      this.#wake();
    });
    socket.resume();
  }

  async *pieces(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const piece = this.#full.shift();
        if (piece === undefined) {
          if (this.#error) throw this.#error;
          if (this.#ended) return;
          await this.#filledOrEnded();
          continue;
        }
        this.#lent = true;
        yield piece;
        this.#lent = false;
        this.#socket?.resume();
      }
    } finally {
      this.#socket?.destroy();
    }
  }

  #handOver(): void {
    this.#full.push((this.#buffers[this.#filling] as Buffer).subarray(0, this.#filled));
    this.#filling = (this.#filling + 1) % PIECES;
    this.#filled = 0;
    this.#wake();
  }

  // The next buffer in turn is the one that was handed over longest ago.
  #hasRoom(): boolean {
    return this.#full.length + (this.#lent ? 1 : 0) < PIECES;
  }

  #filledOrEnded(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
