// Walks a Redis RDB as it streams by: counts every key and knows where each expiry stands, without keeping the data.
// The tools of Redis tell totals only, and a restore must be compared database by database.
import { ByteCursor, RdbError, UnknownRdbForm } from './byte-cursor.ts';
import { type SkimTotals, skimKeys } from './redis-rdb-skim.ts';
import { MODULE_VALUE, moduleTypeName, skipValue } from './redis-rdb-values.ts';

export interface RdbDatabase {
  readonly keys: number;
  readonly expires: number;
}

/** What one RDB holds, found by reading it whole. Lengths in bytes. */
export interface RdbSummary {
  readonly version: number;
  readonly aux: Readonly<Record<string, string>>;
  readonly databases: Readonly<Record<number, RdbDatabase>>;
  readonly keys: number;
  readonly expires: number;
  /** Keys whose expiry had passed at the moment given to the walker. */
  readonly expired: number;
  readonly functionLibraries: number;
  /** Names of the types of modules that keys or the file itself hold data of. */
  readonly moduleTypes: readonly string[];
  readonly bytes: number;
  /** False when the server wrote eight zeros instead of a CRC64 (`rdbchecksum no`). */
  readonly hasChecksum: boolean;
}

/** One expiry in the file: where its eight little-endian bytes start, and what they say (Unix milliseconds). */
export interface ExpiryPlace {
  readonly at: number;
  readonly expiresAtMs: number;
}

export interface RdbWalkOptions {
  /** Unix milliseconds against which keys count as already expired. */
  readonly nowMs: number;
  readonly onExpiry?: (place: ExpiryPlace) => void;
  readonly onChecksum?: (at: number) => void;
}

const OPCODE = {
  slotInfo: 0xf4,
  function2: 0xf5,
  moduleAux: 0xf7,
  idle: 0xf8,
  freq: 0xf9,
  aux: 0xfa,
  resizeDb: 0xfb,
  expireMs: 0xfc,
  expire: 0xfd,
  selectDb: 0xfe,
  eof: 0xff,
} as const;

/** Fed with the pieces of an RDB in order; `finish` tells what it held. */
export class RdbWalker {
  readonly #cursor = new ByteCursor();
  readonly #walk: Generator<void, void, void>;
  readonly #options: RdbWalkOptions;
  readonly #databases = new Map<number, SkimTotals>();
  readonly #aux: Record<string, string> = {};
  #version = 0;
  #libraries = 0;
  readonly #moduleTypes = new Set<string>();
  #hasChecksum = false;
  #done = false;
  #hasSelected = false;
  #current: SkimTotals = { keys: 0, expires: 0, expired: 0 };

  constructor(options: RdbWalkOptions) {
    this.#options = options;
    this.#walk = this.#file();
  }

  /** Absolute position up to which the bytes are understood. */
  get position(): number {
    return this.#cursor.position;
  }

  /** Takes the next piece. @throws {RdbError} for unknown or surplus bytes. */
  push(piece: Uint8Array): void {
    this.#cursor.push(piece);
    if (!this.#done) this.#done = this.#walk.next().done === true;
    if (this.#done && this.#cursor.available > 0) throw new RdbError('bytes follow the end of the RDB');
  }

  /** The summary, after the last piece. @throws {RdbError} when the file was cut. */
  finish(): RdbSummary {
    if (!this.#done) throw new RdbError(`the RDB ends too early, after ${this.#cursor.received} bytes`);
    const all = [...this.#databases.values()];
    return {
      version: this.#version,
      aux: this.#aux,
      databases: Object.fromEntries(this.#databasesWithKeys()),
      keys: all.reduce((sum, one) => sum + one.keys, 0),
      expires: all.reduce((sum, one) => sum + one.expires, 0),
      expired: all.reduce((sum, one) => sum + one.expired, 0),
      functionLibraries: this.#libraries,
      moduleTypes: [...this.#moduleTypes].sort(),
      bytes: this.#cursor.received,
      hasChecksum: this.#hasChecksum,
    };
  }

  #databasesWithKeys(): [number, RdbDatabase][] {
    const held = [...this.#databases].filter(([, one]) => one.keys > 0);
    return held.map(([number, { keys, expires }]) => [number, { keys, expires }]);
  }

  *#file(): Generator<void, void, void> {
    const magic = new TextDecoder('latin1').decode(yield* this.#cursor.read(9));
    if (!/^REDIS\d{4}$/.test(magic))
      throw new RdbError('this is not an RDB: it does not start with REDIS and a version');
    this.#version = Number(magic.slice(5));
    for (;;) {
      this.#skim();
      const opcode = yield* this.#cursor.byte();
      if (opcode === OPCODE.eof) break;
      yield* this.#record(opcode);
    }
    if (this.#version < 5) return;
    this.#options.onChecksum?.(this.#cursor.position);
    this.#hasChecksum = (yield* this.#cursor.read(8)).some((byte) => byte !== 0);
  }

  // Most of a file: whole keys of the common shapes within one piece.
  #skim(): void {
    const window = this.#cursor.window();
    if (window === null || !this.#hasSelected) return;
    const { bytes, from } = window;
    const { nowMs, onExpiry } = this.#options;
    const pieceAt = this.#cursor.position - from;
    const told = onExpiry && ((at: number, expiresAtMs: number) => onExpiry({ at: pieceAt + at, expiresAtMs }));
    this.#cursor.drop(skimKeys(bytes, from, this.#current, { nowMs, onExpiry: told }) - from);
  }

  *#record(opcode: number): Generator<void, void, void> {
    if (opcode === OPCODE.aux) return yield* this.#auxField();
    if (opcode === OPCODE.selectDb) return this.#select(yield* this.#cursor.length());
    if (opcode === OPCODE.expireMs || opcode === OPCODE.expire) return yield* this.#expiry(opcode);
    if (opcode === OPCODE.function2) return yield* this.#library();
    if (opcode === OPCODE.moduleAux) return yield* this.#moduleData();
    const lengths = { [OPCODE.resizeDb]: 2, [OPCODE.slotInfo]: 3, [OPCODE.idle]: 1 }[opcode];
    if (lengths !== undefined) return yield* this.#cursor.skipLengths(lengths);
    if (opcode === OPCODE.freq) return yield* this.#cursor.skip(1);
    yield* this.#key(opcode);
  }

  *#auxField(): Generator<void, void, void> {
    const name = yield* this.#cursor.text();
    this.#aux[name] = yield* this.#cursor.text();
  }

  #select(database: number): void {
    const known = this.#databases.get(database) ?? { keys: 0, expires: 0, expired: 0 };
    this.#databases.set(database, known);
    this.#hasSelected = true;
    this.#current = known;
  }

  *#expiry(opcode: number): Generator<void, void, void> {
    const isMs = opcode === OPCODE.expireMs;
    const at = this.#cursor.position;
    const bytes = yield* this.#cursor.read(isMs ? 8 : 4);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const expiresAtMs = isMs ? Number(view.getBigInt64(0, true)) : view.getInt32(0, true) * 1000;
    this.#current.expires += 1;
    if (expiresAtMs < this.#options.nowMs) this.#current.expired += 1;
    if (isMs) this.#options.onExpiry?.({ at, expiresAtMs });
  }

  *#library(): Generator<void, void, void> {
    yield* this.#cursor.skipString();
    this.#libraries += 1;
  }

  *#moduleData(): Generator<void, void, void> {
    this.#moduleTypes.add(moduleTypeName(yield* this.#cursor.wideLength()));
    yield* this.#cursor.skipLengths(2);
    yield* this.#cursor.skipModuleFields();
  }

  *#key(type: number): Generator<void, void, void> {
    yield* this.#cursor.skipString();
    if (type === MODULE_VALUE) yield* this.#moduleValue();
    else if (!(yield* skipValue(this.#cursor, type)))
      throw new UnknownRdbForm(`the RDB holds a value of the unknown type ${type}`);
    this.#current.keys += 1;
  }

  *#moduleValue(): Generator<void, void, void> {
    this.#moduleTypes.add(moduleTypeName(yield* this.#cursor.wideLength()));
    yield* this.#cursor.skipModuleFields();
  }
}
