// File names are bytes, JSON is text. What is UTF-8 stays as it is; every other byte becomes one code unit from U+DC80
// to U+DCFF and back (PEP 383, "surrogateescape"), so that each name survives the inventory exactly.
import { isUtf8 } from 'node:buffer';

const ESCAPE = 0xdc00;

/** The text of a file name's bytes. */
export function textOfName(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at);
    text += length > 0 ? bytes.toString('utf8', at, at + length) : String.fromCharCode(ESCAPE + (bytes[at] ?? 0));
    at += Math.max(length, 1);
  }
  return text;
}

// Length of the valid UTF-8 character at `at`, or 0 when there is none.
function characterLength(bytes: Buffer, at: number): number {
  return [1, 2, 3, 4].find((length) => at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length))) ?? 0;
}

/** The bytes of a name's text: the reverse of `textOfName`. */
export function bytesOfName(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, 'utf8');
  return Buffer.concat([...text].map(bytesOfCharacter));
}

function bytesOfCharacter(char: string): Buffer {
  const code = char.codePointAt(0) ?? 0;
  return code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code - ESCAPE]) : Buffer.from(char, 'utf8');
}

/** A name for people and tools that know UTF-8 only: escaped bytes as `%8F`. Not for finding the file again. */
export function readableName(text: string): string {
  if (text.isWellFormed()) return text;
  return text.replaceAll(/[\udc80-\udcff]/gu, (char) => `%${((char.codePointAt(0) ?? 0) - ESCAPE).toString(16)}`);
}
