// The members of pg_basebackup's tar while it passes, looked at without holding or copying it: plain ustar headers as
// PostgreSQL's tarCreateHeader writes them (src/port/tar.c): names below 100 bytes, sizes in octal or base 256.
import { Failure } from '../../domain/failures.ts';

const BLOCK = 512;

export interface Member {
  readonly name: string;
  readonly bytes: number;
}

/** What is told of the members, in their order. */
export interface Visitor {
  begin(member: Member): void;
  /** Bytes of the member that began last. They are right only during the call. */
  content(bytes: Uint8Array): void;
}

/** Walks through a tar that is pushed piece by piece. */
export class TarWalk {
  readonly #visitor: Visitor;
  readonly #header = Buffer.alloc(BLOCK);
  #inHeader = 0;
  #content = 0;
  #padding = 0;
  #hasEnded = false;

  constructor(visitor: Visitor) {
    this.#visitor = visitor;
  }

  /** @throws {Failure} TOOL_FAILED where a header should be and is not. */
  push(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; ) at += this.#step(piece.subarray(at));
  }

  /** @throws {Failure} TOOL_FAILED when the archive's end has not passed. */
  finish(): void {
    if (!this.#hasEnded) throw brokenOff();
  }

  /** @returns bytes that were used. */
  #step(rest: Uint8Array): number {
    if (this.#hasEnded) return rest.length;
    if (this.#content > 0) return this.#passContent(rest.subarray(0, this.#content));
    const skipped = Math.min(this.#padding, rest.length);
    this.#padding -= skipped;
    return skipped > 0 ? skipped : this.#fillHeader(rest.subarray(0, BLOCK - this.#inHeader));
  }

  #passContent(bytes: Uint8Array): number {
    this.#visitor.content(bytes);
    this.#content -= bytes.length;
    return bytes.length;
  }

  #fillHeader(bytes: Uint8Array): number {
    this.#header.set(bytes, this.#inHeader);
    this.#inHeader += bytes.length;
    if (this.#inHeader === BLOCK) this.#readHeader();
    return bytes.length;
  }

  #readHeader(): void {
    this.#inHeader = 0;
    this.#hasEnded = this.#header.every((byte) => byte === 0);
    if (this.#hasEnded) return;
    const member = memberOf(this.#header);
    this.#content = member.bytes;
    this.#padding = (BLOCK - (member.bytes % BLOCK)) % BLOCK;
    this.#visitor.begin(member);
  }
}

const [NAME, SIZE, SUM] = [
  [0, 100],
  [124, 136],
  [148, 156],
] as const;

function memberOf(header: Buffer): Member {
  const spaces = SUM[1] - SUM[0];
  const sum = header.reduce((total, byte) => total + byte, 0);
  const own = header.subarray(...SUM).reduce((total, byte) => total + byte, 0);
  if (sum - own + spaces * 0x20 !== numberIn(header, SUM)) throw noHeader();
  const name = header.toString('utf8', ...NAME);
  const end = name.indexOf('\0');
  return { name: end < 0 ? name : name.slice(0, end), bytes: numberIn(header, SIZE) };
}

function numberIn(header: Buffer, [from, to]: readonly [number, number]): number {
  const value =
    header.readUInt8(from) & 0x80
      ? Number(header.readBigUInt64BE(to - 8))
      : Number.parseInt(header.toString('latin1', from, to), 8);
  if (!Number.isSafeInteger(value) || value < 0) throw noHeader();
  return value;
}

const noHeader = () => new Failure('TOOL_FAILED', "pg_basebackup's stream is not the tar that it should be", {});
const brokenOff = () => new Failure('TOOL_FAILED', "pg_basebackup's stream ended before the end of its tar", {});
