// The log's folder at the witness: one file a record, made by link, so that two writers cannot take one number and no
// record is ever half there. The head is a small file beside it.
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type AuditHead, type AuditSlot, EMPTY_HEAD, recordName, sequenceOf } from '../../domain/audit.ts';
import { Failure } from '../../domain/failures.ts';

/** Whose head: the log's own, or that of its copies in a tier. */
export type HeadOf = 'log' | { readonly tier: string };

export class ChainFolder {
  readonly #witness: string;
  readonly #folder: string;

  constructor(witness: string) {
    this.#witness = witness;
    this.#folder = join(witness, 'audit');
  }

  /** Makes a record exist. @returns false when its number is taken. */
  async create(sequence: number, text: string): Promise<boolean> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const temporary = join(this.#witness, `.audit-${randomUUID()}`);
    try {
      await writeSynced(temporary, text);
      return await link(temporary, join(this.#folder, recordName(sequence))).then(
        () => true,
        (error) => {
          if (error.code === 'EEXIST') return false;
          throw error;
        },
      );
    } finally {
      await rm(temporary, { force: true });
      await syncFolder(this.#folder);
    }
  }

  /** Numbers of the records there are, ascending. @throws {Failure} AUDIT_BROKEN for a file that is no record's. */
  async sequences(): Promise<number[]> {
    const names = await readdir(this.#folder).catch((error) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    const foreign = names.find((name) => sequenceOf(name) === null);
    if (foreign !== undefined) {
      throw new Failure('AUDIT_BROKEN', `the audit log holds ${JSON.stringify(foreign)}, which is no record`);
    }
    return names.map((name) => sequenceOf(name) ?? 0).sort((a, b) => a - b);
  }

  /** What lies in the place of a record. */
  async slot(sequence: number): Promise<AuditSlot> {
    try {
      return { sequence, text: await readFile(join(this.#folder, recordName(sequence)), 'utf8') };
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
      return code === 'ENOENT' ? { sequence, missing: true } : { sequence, unreadable: code };
    }
  }

  /** The head kept beside the log, or how far a tier has copies; null when nothing was written down. */
  async head(of: HeadOf = 'log'): Promise<AuditHead | null> {
    const text = await readFile(this.#headPath(of), 'utf8').catch((error) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    return text === null ? null : parseHeadFile(text);
  }

  /** Replaces a head, unless a later one is there already. */
  async moveHead(head: AuditHead, of: HeadOf = 'log'): Promise<void> {
    const now = (await this.head(of)) ?? EMPTY_HEAD;
    if (now.sequence >= head.sequence) return;
    const temporary = join(this.#witness, `.audit-${randomUUID()}`);
    await writeSynced(temporary, `${JSON.stringify(head)}\n`);
    await rename(temporary, this.#headPath(of));
    await syncFolder(this.#witness);
  }

  #headPath(of: HeadOf): string {
    return join(this.#witness, of === 'log' ? 'audit-head.json' : `audit-copied-${of.tier}.json`);
  }

  /** Removes what a killed writer left under a temporary name an hour ago or longer. */
  async clearLeftovers(): Promise<void> {
    const names = await readdir(this.#witness).catch(() => []); // No witness folder yet: nothing was left in it.
    for (const name of names.filter((one) => one.startsWith('.audit-'))) {
      const path = join(this.#witness, name);
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() })); // Its writer removed it meanwhile.
      if (Date.now() - mtimeMs > 3_600_000) await rm(path, { force: true });
    }
  }
}

function parseHeadFile(text: string): AuditHead {
  try {
    const { sequence, hash } = JSON.parse(text) as AuditHead;
    const isHead = Number.isSafeInteger(sequence) && sequence > 0 && /^[0-9a-f]{64}$/.test(String(hash));
    if (isHead) return { sequence, hash };
  } catch {
    // Told below: what is there is not a head.
  }
  throw new Failure('AUDIT_BROKEN', 'the head of the audit log cannot be read');
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}
