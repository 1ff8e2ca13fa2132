import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { wholeText } from '../../../activities/postgres/whole-text.ts';
import { Failure } from '../../../domain/failures.ts';

const cut = () => new Failure('TOOL_FAILED', 'cut', {});
const inPieces = async function* (text: string, size: number) {
  for (let at = 0; at < text.length; at += size) yield Buffer.from(text.slice(at, at + size));
};
const WHOLE = `select 1;\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict ${'k'.repeat(63)}\n\n`;

describe('a text of pg_dump', () => {
  it.each([1, 7, 10_000])('is passed on whole, in pieces of %i bytes', async (size) => {
    expect((await buffer(wholeText('sql', inPieces(WHOLE, size), cut))).toString()).toBe(WHOLE);
  });

  it.each([
    ['empty', ''],
    ['cut in its last line', WHOLE.slice(0, WHOLE.indexOf('complete') + 3)],
    ['the end of another kind', 'select 1;\n-- PostgreSQL database cluster dump complete\n'],
  ])('is refused when it is %s', async (_name, text) => {
    await expect(buffer(wholeText('sql', inPieces(text, 9), cut))).rejects.toMatchObject({ code: 'TOOL_FAILED' });
  });
});
