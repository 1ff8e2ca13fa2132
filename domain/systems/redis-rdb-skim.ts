// The quick way through an RDB: whole keys of the common shapes in the piece of bytes at hand. What is cut by the end of
// the piece, or of another shape, is left to the walker, which waits for more bytes.

/** What a skim adds to; the walker's own totals. */
export interface SkimTotals {
  keys: number;
  expires: number;
  expired: number;
}

export interface SkimOptions {
  readonly nowMs: number;
  /** Offset in the piece where the eight bytes of an expiry start, and what they say. */
  readonly onExpiry?: ((at: number, expiresAtMs: number) => void) | undefined;
}

const EXPIRE_MS = 0xfc;
const NOT_WHOLE = -1;

// By the type of the value (redis/src/rdb.h): strings in a fixed number, strings for each item, and bytes after each item.
const ONE_STRING = new Set([0, 9, 10, 11, 12, 13, 16, 17, 20]);
const PER_ITEM: Readonly<Record<number, number>> = { 1: 1, 2: 1, 4: 2, 5: 1, 14: 1 };
const SCORE_BYTES = 8;
const ZSET_2 = 5;

/** Passes over whole keys from `from` on. @returns the offset of the first byte that is left to the walker. */
export function skimKeys(bytes: Uint8Array, from: number, totals: SkimTotals, options: SkimOptions): number {
  for (let start = from; ; ) {
    const hasExpiry = bytes[start] === EXPIRE_MS;
    const typeAt = hasExpiry ? start + 9 : start;
    const end = keyEnd(bytes, typeAt);
    if (end === NOT_WHOLE) return start;
    if (hasExpiry) countExpiry(bytes, start + 1, totals, options);
    totals.keys += 1;
    start = end;
  }
}

function countExpiry(bytes: Uint8Array, at: number, totals: SkimTotals, { nowMs, onExpiry }: SkimOptions): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8);
  const expiresAtMs = view.getInt32(4, true) * 2 ** 32 + view.getUint32(0, true);
  totals.expires += 1;
  if (expiresAtMs < nowMs) totals.expired += 1;
  onExpiry?.(at, expiresAtMs);
}

function keyEnd(bytes: Uint8Array, typeAt: number): number {
  const type = bytes[typeAt];
  if (type === undefined) return NOT_WHOLE;
  const valueAt = stringEnd(bytes, typeAt + 1);
  if (valueAt === NOT_WHOLE) return NOT_WHOLE;
  if (ONE_STRING.has(type)) return stringEnd(bytes, valueAt);
  const perItem = PER_ITEM[type];
  return perItem === undefined ? NOT_WHOLE : itemsEnd(bytes, valueAt, perItem, type === ZSET_2 ? SCORE_BYTES : 0);
}

function itemsEnd(bytes: Uint8Array, at: number, perItem: number, bytesAfter: number): number {
  let next = lengthEnd(bytes, at);
  if (next === NOT_WHOLE) return NOT_WHOLE;
  for (let left = lengthAt(bytes, at) * perItem; left > 0; left -= 1) {
    next = stringEnd(bytes, next);
    if (next === NOT_WHOLE) return NOT_WHOLE;
    next += bytesAfter;
  }
  return next <= bytes.length ? next : NOT_WHOLE;
}

const LZF = 3;

function stringEnd(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first === undefined) return NOT_WHOLE;
  let end: number;
  if (first >> 6 !== 3) {
    const contentAt = lengthEnd(bytes, at);
    if (contentAt === NOT_WHOLE) return NOT_WHOLE;
    end = contentAt + lengthAt(bytes, at);
  } else if ((first & 0x3f) < LZF) end = at + 1 + (1 << (first & 0x3f));
  else if ((first & 0x3f) === LZF) end = packedEnd(bytes, at + 1);
  else return NOT_WHOLE;
  return end <= bytes.length ? end : NOT_WHOLE;
}

// Compressed: the packed length, the plain length, the packed bytes.
function packedEnd(bytes: Uint8Array, at: number): number {
  const plainAt = lengthEnd(bytes, at);
  const contentAt = plainAt === NOT_WHOLE ? NOT_WHOLE : lengthEnd(bytes, plainAt);
  return contentAt === NOT_WHOLE ? Number.POSITIVE_INFINITY : contentAt + lengthAt(bytes, at);
}

// Where a length in Redis' variable form ends; its 64-bit form is left to the walker.
function lengthEnd(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first === undefined) return NOT_WHOLE;
  const width = first >> 6 === 0 ? 1 : first >> 6 === 1 ? 2 : first === 0x80 ? 5 : 0;
  return width > 0 && at + width <= bytes.length ? at + width : NOT_WHOLE;
}

// Of a length that is known to be whole.
function lengthAt(bytes: Uint8Array, at: number): number {
  const byte = (offset: number) => bytes[at + offset] as number;
  const first = byte(0);
  if (first >> 6 === 0) return first & 0x3f;
  if (first >> 6 === 1) return ((first & 0x3f) << 8) | byte(1);
  return byte(1) * 2 ** 24 + ((byte(2) << 16) | (byte(3) << 8) | byte(4));
}
