// Hashes that do not depend on how a content was read: at once or in pieces, and of sets and hashes in any order.
import { createHash, type Hash, hash } from 'node:crypto';
import { hasNoOrder, type Item } from './key-content.ts';

const AT_ONCE_BYTES = 64 * 1024;

const WORDS = 8;

/** Adds SHA-256 digests without regard to their order (modulo 2^256). */
export class DigestSum {
  /** The lowest 32 bits first. Whole numbers of JavaScript would need a new object for every addition. */
  readonly #words = new Uint32Array(WORDS);

  add(digest: Buffer): void {
    let carry = 0;
    for (let word = 0; word < WORDS; word += 1) {
      const sum = (this.#words[word] as number) + digest.readUInt32BE((WORDS - 1 - word) * 4) + carry;
      this.#words[word] = sum;
      carry = sum > 0xffff_ffff ? 1 : 0;
    }
  }

  /** 64 hexadecimal digits. */
  toString(): string {
    return [...this.#words]
      .reverse()
      .map((word) => word.toString(16).padStart(8, '0'))
      .join('');
  }
}

/** SHA-256 over a key's name, type, expiry and items. Every part goes in with its length: no two contents feed the same. */
export class ContentDigest {
  items = 0;
  readonly #type: string;
  #parts: Buffer[] = [];
  #bytes = 0;
  #hash: Hash | null = null;
  #sum = new DigestSum();

  constructor({ key, type, expiresAtMs }: { key: Buffer; type: string; expiresAtMs: number }) {
    this.#type = type;
    this.#feed([framed([key, Buffer.from(type), Buffer.from(String(expiresAtMs))])]);
  }

  /** The next items. Those of a set or hash come in any order; a string is one content however it is cut. */
  add(items: readonly Item[]): void {
    for (const item of items) {
      if (this.#type === 'string') this.#feed(item);
      else if (hasNoOrder(this.#type)) this.#sum.add(hash('sha256', framed(item), 'buffer'));
      else this.#feed([framed(item)]);
    }
    this.items += items.length;
  }

  finish(): Buffer {
    if (hasNoOrder(this.#type)) this.#feed([Buffer.from(`+${this.items};${this.#sum}`)]);
    if (this.#hash === null) return hash('sha256', Buffer.concat(this.#parts), 'buffer');
    this.#flush(this.#hash);
    return this.#hash.digest();
  }

  #feed(parts: readonly Buffer[]): void {
    for (const part of parts) {
      this.#parts.push(part);
      this.#bytes += part.length;
    }
    if (this.#bytes < AT_ONCE_BYTES) return;
    this.#hash ??= createHash('sha256');
    this.#flush(this.#hash);
  }

  #flush(into: Hash): void {
    for (const part of this.#parts) into.update(part);
    this.#parts = [];
    this.#bytes = 0;
  }
}

// Every part with its length before it, and the number of parts before all, as 32-bit numbers.
function framed(item: Item): Buffer {
  const bytes = Buffer.allocUnsafe(item.reduce((sum, part) => sum + 4 + part.length, 4));
  let at = bytes.writeUInt32LE(item.length);
  for (const part of item) {
    at = bytes.writeUInt32LE(part.length, at);
    at += part.copy(bytes, at);
  }
  return bytes;
}
