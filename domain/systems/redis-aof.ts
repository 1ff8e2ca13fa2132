// The append-only files of Redis 7 and later: the manifest that names them, and where the last whole command ends.

export interface AofFile {
  readonly name: string;
  readonly sequence: number;
  /** `b` the base, `i` written since, `h` history that a rewrite has replaced. */
  readonly type: 'b' | 'i' | 'h';
}

const LINE = /^file (?:"((?:[^"\\]|\\.)*)"|(\S+)) seq (\d+) type ([bih])(?: .*)?$/;

/**
 * Files of a manifest in its order; what newer servers add to a line is passed over.
 * @throws {RangeError} for a line that is not understood, or a name that is not a plain file name.
 */
export function parseAofManifest(text: string): readonly AofFile[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
  return lines.map((line) => {
    const [, quoted, plain, sequence, type] = LINE.exec(line.trim()) ?? [];
    const name = quoted ?? plain;
    if (name === undefined || !/^[^/\\"\0]+$/.test(name) || name === '.' || name === '..')
      throw new RangeError(`the manifest has a line that is not understood: ${line.slice(0, 200)}`);
    return { name, sequence: Number(sequence), type: type as AofFile['type'] };
  });
}

/** A manifest for files of ours: `<prefix>.<sequence>.base.rdb`, `<prefix>.<sequence>.incr.aof`. */
export function writeAofManifest(files: readonly AofFile[]): string {
  const quoted = (name: string) => (/^[\w.-]+$/.test(name) ? name : `"${name.replaceAll(/["\\]/g, '\\$&')}"`);
  return files.map((file) => `file ${quoted(file.name)} seq ${file.sequence} type ${file.type}\n`).join('');
}

export interface AofSummary {
  readonly bytes: number;
  /** Length up to which every command, and every transaction, is whole. */
  readonly completeBytes: number;
  readonly commands: number;
  /** False when something other than Redis' protocol stands in the file. */
  readonly isSound: boolean;
}

const NEWLINE = 0x0a;
const ARRAY = 0x2a;
const BULK = 0x24;
const COMMENT = 0x23;

/** Fed with the pieces of an append-only file of commands; tells where the last whole one ends. */
export class AofWalker {
  #bytes = 0;
  #completeBytes = 0;
  #commands = 0;
  #isSound = true;
  #line: number[] = [];
  #argumentsLeft = 0;
  #skip = 0;
  #argument: number[] | null = null;
  #isFirstArgument = false;
  #name = '';
  #isInTransaction = false;

  push(piece: Uint8Array): void {
    for (let index = 0; index < piece.length && this.#isSound; ) index = this.#step(piece, index);
    this.#bytes += piece.length;
  }

  finish(): AofSummary {
    return {
      bytes: this.#bytes,
      completeBytes: this.#completeBytes,
      commands: this.#commands,
      isSound: this.#isSound,
    };
  }

  #step(piece: Uint8Array, index: number): number {
    if (this.#skip > 0) return this.#skipArgument(piece, index);
    const byte = piece[index] as number;
    if (byte !== NEWLINE) this.#line.push(byte);
    else this.#endLine(index + 1);
    if (this.#line.length > 4096) this.#isSound = false;
    return index + 1;
  }

  #skipArgument(piece: Uint8Array, index: number): number {
    const step = Math.min(this.#skip, piece.length - index);
    if (this.#argument !== null) this.#argument.push(...piece.subarray(index, index + Math.min(step, 16)));
    this.#skip -= step;
    if (this.#skip === 0) this.#endArgument(index + step);
    return index + step;
  }

  #endLine(next: number): void {
    const text = String.fromCharCode(...this.#line).trimEnd();
    this.#line = [];
    const mark = text.charCodeAt(0);
    const count = Number(text.slice(1));
    if (this.#argumentsLeft === 0 && mark === COMMENT) this.#complete(next);
    else if (this.#argumentsLeft === 0 && mark === ARRAY && count > 0) this.#beginCommand(count);
    else if (this.#argumentsLeft > 0 && mark === BULK && count >= 0) this.#beginArgument(count);
    else this.#isSound = false;
  }

  #beginCommand(count: number): void {
    this.#argumentsLeft = count;
    this.#isFirstArgument = true;
  }

  #beginArgument(length: number): void {
    this.#skip = length + 2;
    this.#argument = this.#isFirstArgument ? [] : null;
  }

  #endArgument(next: number): void {
    if (this.#argument !== null)
      this.#name = String.fromCharCode(...this.#argument)
        .trim()
        .toUpperCase();
    this.#argument = null;
    this.#isFirstArgument = false;
    this.#argumentsLeft -= 1;
    if (this.#argumentsLeft > 0) return;
    this.#commands += 1;
    if (this.#name === 'MULTI') this.#isInTransaction = true;
    if (this.#name === 'EXEC') this.#isInTransaction = false;
    this.#complete(next);
  }

  #complete(nextInPiece: number): void {
    if (!this.#isInTransaction) this.#completeBytes = this.#bytes + nextInPiece;
  }
}
