// Counts and hashes bytes while they pass.
import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import type { ByteSource } from '../../domain/contracts/backup-content.ts';

export interface Measured {
  readonly bytes: number;
  readonly sha256: string;
}

/** Measures a stream without holding it. `result` is right once the stream has ended. */
export class Measure {
  #bytes = 0;
  readonly #hash = createHash('sha256');

  add(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    this.#hash.update(chunk);
  }

  get bytes(): number {
    return this.#bytes;
  }

  result(): Measured {
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }

  /** A stream that measures what passes. The cipher's streams do not take a generator as their neighbour. */
  through(): Transform {
    return new Transform({
      transform: (chunk: Uint8Array, _encoding, done) => {
        this.add(chunk);
        done(null, chunk);
      },
    });
  }

  /** Passes `source` on and measures it. */
  async *pass(source: ByteSource): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.add(chunk);
      yield chunk;
    }
  }
}

/** Reads a source to its end. `onBytes` hears of each chunk's length. */
export async function measure(
  source: ByteSource,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<Measured> {
  const measured = new Measure();
  for await (const chunk of source) {
    measured.add(chunk);
    onBytes(chunk.length);
  }
  return measured.result();
}

/** SHA-256 of bytes or text, lower-case hex. */
export function sha256Of(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * Copies a source into pieces of `bytes` each (the last may be shorter), two buffers in turn: a piece stays as it is
 * until the one after the next is asked for. Every piece costs a hop to another thread later.
 */
export async function* gathered(source: ByteSource, bytes: number): AsyncGenerator<Uint8Array> {
  const buffers = [Buffer.allocUnsafeSlow(bytes), Buffer.allocUnsafeSlow(bytes)] as const;
  let [piece, filled]: [Buffer, number] = [buffers[0], 0];
  for await (const chunk of source)
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + bytes - filled);
      piece.set(part, filled);
      at += part.length;
      filled += part.length;
      if (filled < bytes) continue;
      yield piece;
      [piece, filled] = [piece === buffers[0] ? buffers[1] : buffers[0], 0];
    }
  if (filled > 0) yield piece.subarray(0, filled);
}
