// The file of one large key in a journal: frames of commands that make it again.
import { open } from 'node:fs/promises';
import { Failure } from '../../domain/failures.ts';
import { framed, framePlaces, readFrame } from './journal-frames.ts';
import type { Template } from './rebuild-commands.ts';

const KEY = 0xffff_ffff;

/** Writes and syncs the file (0600). The last frame, which is empty, tells that it is whole. */
export async function writePieces(path: string, pieces: AsyncIterable<readonly Template[]>): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const templates of pieces) await file.writeFile(framed(encode(templates)));
    await file.writeFile(framed(Buffer.alloc(0)));
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** The commands of the file, in their order. @throws {Failure} UNDO_FAILED when it is damaged or cut. */
export async function* readPieces(path: string): AsyncGenerator<readonly Template[]> {
  const places = await framePlaces(path);
  if (places.at(-1)?.length !== 0) throw new Failure('UNDO_FAILED', `the journal '${path}' was cut`);
  for (const place of places.slice(0, -1)) yield decode(await readFrame(path, place));
}

function encode(templates: readonly Template[]): Buffer {
  const parts: Buffer[] = [];
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    parts.push(bytes);
  };
  for (const template of templates) {
    number(template.length);
    for (const part of template) {
      const bytes = part === null ? null : Buffer.from(part as string);
      number(bytes?.length ?? KEY);
      if (bytes !== null) parts.push(bytes);
    }
  }
  return Buffer.concat(parts);
}

function decode(body: Buffer): readonly Template[] {
  const templates: Template[] = [];
  let at = 0;
  const number = () => {
    at += 4;
    return body.readUInt32LE(at - 4);
  };
  const part = (length: number) => {
    at += length;
    return body.subarray(at - length, at);
  };
  while (at < body.length) {
    const template: (Buffer | null)[] = [];
    for (let left = number(); left > 0; left -= 1) {
      const length = number();
      template.push(length === KEY ? null : part(length));
    }
    templates.push(template);
  }
  return templates;
}
