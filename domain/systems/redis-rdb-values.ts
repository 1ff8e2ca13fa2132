// The shapes of values in an RDB, as far as one must know them to step over each (redis/src/rdb.h, versions 1 to 12).
import type { ByteCursor, Reading } from './byte-cursor.ts';

type Skip = (cursor: ByteCursor) => Reading<void>;

const oneString: Skip = (cursor) => cursor.skipString();

const strings = (perItem: number): Skip =>
  function* (cursor) {
    const items = yield* cursor.length();
    for (let index = 0; index < items; index += 1) yield* cursor.skipStrings(perItem);
  };

const eachItem = (skipItem: Skip): Skip =>
  function* (cursor) {
    const items = yield* cursor.length();
    for (let index = 0; index < items; index += 1) yield* skipItem(cursor);
  };

// Scores as text: the byte is the length, but for the three that stand for not-a-number and the infinities.
const memberWithTextScore: Skip = function* (cursor) {
  yield* cursor.skipString();
  const length = yield* cursor.byte();
  if (length < 253) yield* cursor.skip(length);
};

const memberWithScore: Skip = function* (cursor) {
  yield* cursor.skipString();
  yield* cursor.skip(8);
};

const quicklistNode: Skip = function* (cursor) {
  yield* cursor.length();
  yield* cursor.skipString();
};

const hashWithFieldExpiry: Skip = function* (cursor) {
  yield* cursor.skip(8);
  const fields = yield* cursor.length();
  for (let index = 0; index < fields; index += 1) {
    yield* cursor.length();
    yield* cursor.skipStrings(2);
  }
};

const packedHashWithFieldExpiry: Skip = function* (cursor) {
  yield* cursor.skip(8);
  yield* cursor.skipString();
};

// 1: Redis 5; 2: Redis 7.0 (first id, deleted id, entries added and read); 3: Redis 7.2 (active time of a consumer).
const stream = (generation: 1 | 2 | 3): Skip =>
  function* (cursor) {
    yield* strings(2)(cursor);
    yield* cursor.skipLengths(generation === 1 ? 3 : 8);
    const groups = yield* cursor.length();
    for (let index = 0; index < groups; index += 1) yield* streamGroup(cursor, generation);
  };

function* streamGroup(cursor: ByteCursor, generation: 1 | 2 | 3): Reading<void> {
  yield* cursor.skipString();
  yield* cursor.skipLengths(generation === 1 ? 2 : 3);
  const pending = yield* cursor.length();
  for (let index = 0; index < pending; index += 1) {
    yield* cursor.skip(24);
    yield* cursor.length();
  }
  const consumers = yield* cursor.length();
  for (let index = 0; index < consumers; index += 1) {
    yield* cursor.skipString();
    yield* cursor.skip(generation === 3 ? 16 : 8);
    yield* cursor.skip(16 * (yield* cursor.length()));
  }
}

const SKIPS: Readonly<Record<number, Skip>> = {
  0: oneString,
  1: strings(1),
  2: strings(1),
  3: eachItem(memberWithTextScore),
  4: strings(2),
  5: eachItem(memberWithScore),
  9: oneString,
  10: oneString,
  11: oneString,
  12: oneString,
  13: oneString,
  14: strings(1),
  15: stream(1),
  16: oneString,
  17: oneString,
  18: eachItem(quicklistNode),
  19: stream(2),
  20: oneString,
  21: stream(3),
  24: hashWithFieldExpiry,
  25: packedHashWithFieldExpiry,
};

/** Passes over one value of the RDB type `type`. @returns false when the type is not known. */
export function* skipValue(cursor: ByteCursor, type: number): Reading<boolean> {
  const skip = SKIPS[type];
  if (skip === undefined) return false;
  yield* skip(cursor);
  return true;
}

/** The RDB type of a value that a module wrote: its own type stands in the value. */
export const MODULE_VALUE = 7;

const NAME_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const NAME_LENGTH = 9;
const VERSION_BITS = 10n;

/** The name in the id of a module's type: nine letters of six bits, then a version (redis/src/module.c). */
export function moduleTypeName(id: bigint): string {
  const letter = (index: number) => Number((id >> (VERSION_BITS + 6n * BigInt(NAME_LENGTH - 1 - index))) & 63n);
  return Array.from({ length: NAME_LENGTH }, (_, index) => NAME_LETTERS[letter(index)]).join('');
}
