// Reads the primitives of the RDB format from pieces that arrive one after another; it pauses (yields) for more.
const LZF = 3;

/** Thrown for bytes that are not a whole, known RDB. */
export class RdbError extends Error {}

/** Thrown for a form that a newer Redis may write: it is told, never guessed. */
export class UnknownRdbForm extends RdbError {}

export type Reading<T> = Generator<void, T, void>;

/** A position in a stream of bytes. Only what is not yet read is kept. */
export class ByteCursor {
  #pieces: Uint8Array[] = [];
  #offset = 0;
  #available = 0;
  received = 0;
  position = 0;

  get available(): number {
    return this.#available;
  }

  push(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#available += piece.length;
    this.received += piece.length;
  }

  /** What is at hand without waiting: the bytes of the first piece from `from` on. */
  window(): { readonly bytes: Uint8Array; readonly from: number } | null {
    const [bytes] = this.#pieces;
    return bytes === undefined ? null : { bytes, from: this.#offset };
  }

  /** Passes over `count` bytes of the window. */
  drop(count: number): void {
    if (count > 0) this.#drop(count);
  }

  *byte(): Reading<number> {
    while (this.#available === 0) yield;
    const value = (this.#pieces[0] as Uint8Array)[this.#offset] as number;
    this.#drop(1);
    return value;
  }

  /** The next `count` bytes as one array. */
  *read(count: number): Reading<Uint8Array> {
    while (this.#available < count) yield;
    const first = this.#pieces[0];
    if (first !== undefined && first.length - this.#offset >= count) {
      const whole = first.subarray(this.#offset, this.#offset + count);
      this.#drop(count);
      return whole;
    }
    return this.#gather(count);
  }

  /** Passes over `count` bytes without keeping them. */
  *skip(count: number): Reading<void> {
    let left = count;
    while (left > 0) {
      if (this.#available === 0) yield;
      const step = Math.min(left, this.#available);
      this.#drop(step);
      left -= step;
    }
  }

  /** A length in Redis' variable form. */
  *length(): Reading<number> {
    const first = yield* this.byte();
    return yield* this.#lengthAfter(first);
  }

  *skipLengths(count: number): Reading<void> {
    for (let index = 0; index < count; index += 1) yield* this.length();
  }

  /** Passes over a string in any of its encodings (raw, integer, compressed). */
  *skipString(): Reading<void> {
    const first = yield* this.byte();
    if (first >> 6 !== 3) return yield* this.skip(yield* this.#lengthAfter(first));
    const encoding = first & 0x3f;
    if (encoding > LZF) throw new UnknownRdbForm(`the RDB holds a string of the unknown encoding ${encoding}`);
    if (encoding !== LZF) return yield* this.skip(1 << encoding);
    const packed = yield* this.length();
    yield* this.length();
    yield* this.skip(packed);
  }

  *skipStrings(count: number): Reading<void> {
    for (let index = 0; index < count; index += 1) yield* this.skipString();
  }

  /** A short, not compressed string: names and values of the file's own facts. */
  *text(): Reading<string> {
    const first = yield* this.byte();
    if (first >> 6 !== 3) return new TextDecoder().decode(yield* this.read(yield* this.#lengthAfter(first)));
    const bytes = yield* this.read(1 << (first & 0x3f));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const numbers = [() => view.getInt8(0), () => view.getInt16(0, true), () => view.getInt32(0, true)];
    return String(numbers[first & 0x3f]?.() ?? '');
  }

  /** Fields that a module wrote, up to its end mark. */
  *skipModuleFields(): Reading<void> {
    for (;;) {
      const opcode = yield* this.length();
      if (opcode === 0) return;
      if (opcode <= 2) yield* this.length();
      else if (opcode === 3) yield* this.skip(4);
      else if (opcode === 4) yield* this.skip(8);
      else if (opcode === 5) yield* this.skipString();
      else throw new UnknownRdbForm(`the RDB holds a field of a module of the unknown form ${opcode}`);
    }
  }

  /** A number of 64 bits in Redis' variable form, exactly: the id of a module's type. */
  *wideLength(): Reading<bigint> {
    const first = yield* this.byte();
    if (first !== 0x81) return BigInt(yield* this.#lengthAfter(first));
    const bytes = yield* this.read(8);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0);
  }

  *#lengthAfter(first: number): Reading<number> {
    const form = first >> 6;
    if (form === 0) return first & 0x3f;
    if (form === 1) return ((first & 0x3f) << 8) | (yield* this.byte());
    if (first !== 0x80 && first !== 0x81)
      throw new UnknownRdbForm(`the RDB holds a length of the unknown form ${first}`);
    const bytes = yield* this.read(first === 0x81 ? 8 : 4);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return first === 0x81 ? Number(view.getBigUint64(0)) : view.getUint32(0);
  }

  #gather(count: number): Uint8Array {
    const whole = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      const piece = (this.#pieces[0] as Uint8Array).subarray(this.#offset);
      const step = Math.min(piece.length, count - filled);
      whole.set(piece.subarray(0, step), filled);
      this.#drop(step);
      filled += step;
    }
    return whole;
  }

  #drop(count: number): void {
    this.#available -= count;
    this.position += count;
    this.#offset += count;
    for (let first = this.#pieces[0]; first !== undefined && this.#offset >= first.length; first = this.#pieces[0]) {
      this.#offset -= first.length;
      this.#pieces.shift();
    }
  }
}
