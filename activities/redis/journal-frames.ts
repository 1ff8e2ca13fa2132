// Frames of a journal: a body with its length and checksum before it, so that a torn end is told from a whole one.
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { Failure } from '../../domain/failures.ts';

const HEAD_BYTES = 8;

export interface Place {
  readonly start: number;
  readonly length: number;
  readonly crc: number;
}

/** A body with its length and checksum before it. */
export function framed(body: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(body.length, 0);
  head.writeUInt32LE(crc32(body), 4);
  return Buffer.concat([head, body]);
}

/** Where the whole frames of a file stand; a torn last one is left out. */
export async function framePlaces(path: string): Promise<Place[]> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const places: Place[] = [];
    for (let at = 0; at + HEAD_BYTES <= size; ) {
      const head = Buffer.alloc(HEAD_BYTES);
      await file.read(head, 0, HEAD_BYTES, at);
      const place = { start: at + HEAD_BYTES, length: head.readUInt32LE(0), crc: head.readUInt32LE(4) };
      if (place.start + place.length > size) break;
      places.push(place);
      at = place.start + place.length;
    }
    return places;
  } finally {
    await file.close();
  }
}

/** The body of a frame. @throws {Failure} UNDO_FAILED when its checksum differs. */
export async function readFrame(path: string, { start, length, crc }: Place): Promise<Buffer> {
  if (length === 0) return Buffer.alloc(0);
  const pieces: Buffer[] = [];
  for await (const piece of createReadStream(path, { start, end: start + length - 1 })) pieces.push(piece as Buffer);
  const body = Buffer.concat(pieces);
  if (crc32(body) !== crc) throw new Failure('UNDO_FAILED', `the journal '${path}' is damaged at byte ${start}`);
  return body;
}
