// The audit log: who did what, when, to what and why, at the witness, append-only and chained.
import {
  type AuditHead,
  type AuditRecord,
  actKey,
  compareHead,
  EMPTY_HEAD,
  formatHead,
  formatRecord,
  parseHead,
} from '../../domain/audit.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import type { AuditActivities, AuditEntry, TextTier } from '../../domain/contracts/repository.ts';
import { Failure } from '../../domain/failures.ts';
import { ChainFolder } from './chain-folder.ts';
import { type AuditPiece, copyName, copyToTiers, verifyCopies } from './copies.ts';
import { standAt, walk } from './walk.ts';

export interface AuditOptions {
  readonly platform: string;
  readonly witnessDirectory: string;
  /** Where copies are kept. */
  readonly tiers?: readonly TextTier[];
  readonly now?: () => Date;
}

export interface ListAuditInput {
  /** Records after this number; 0 or absent from the first. */
  readonly after?: number;
  /** At most this many, 200 unless told. */
  readonly limit?: number;
  /** Only those of one run. */
  readonly run?: string;
  /** The newest so many, instead of the first. */
  readonly newest?: number;
}

export interface NewestOfInput {
  readonly acts: readonly string[];
  /** How many of the newest records are looked through. */
  readonly among: number;
}

export interface Audit extends AuditActivities {
  /**
   * Walks the whole chain: one `ok` finding with the head, or one `failed` finding that names the first bad entry. Then
   * one finding for the copies in each tier.
   * @param input.head a head written down elsewhere, `sequence:hash`: finds a log that was replaced as a whole.
   */
  verify(input: { readonly head?: string }): Promise<Finding[]>;
  /** Records in their order. @throws {Failure} AUDIT_BROKEN at the first that cannot be trusted. */
  list(input: ListAuditInput): Promise<readonly AuditRecord[]>;
  /**
   * Does: reads the newest records. Repeat: reads again. Undo: none needed, nothing is changed.
   * @returns those of the acts asked for, oldest first. @throws {Failure} AUDIT_BROKEN.
   */
  newestOf(input: NewestOfInput): Promise<readonly AuditRecord[]>;
  /** Records after a number with their bytes, for copying to the tiers. @throws {Failure} AUDIT_BROKEN. */
  pieces(input: { readonly after: number; readonly limit?: number }): Promise<readonly AuditPiece[]>;
}

const LIMIT = 200;

/** The activities `audit.<verb>`. */
export function createAudit({ platform, witnessDirectory, tiers = [], now = () => new Date() }: AuditOptions): Audit {
  const folder = new ChainFolder(witnessDirectory);
  const log = new AuditLog(folder, platform, now);
  const pieces: Audit['pieces'] = ({ after, limit = LIMIT }) => piecesAfter(folder, platform, after, limit);
  return {
    record: (entry) => log.record(entry),
    verify: async ({ head }) => [...(await verify(folder, platform, head)), ...(await verifyCopies(folder, tiers))],
    list: (input) => listRecords(folder, platform, input),
    newestOf: ({ acts, among }) => newestOf(folder, platform, acts, among),
    pieces,
    copyToTiers: () => copyToTiers(folder, tiers, pieces),
  };
}

async function listRecords(folder: ChainFolder, platform: string, input: ListAuditInput): Promise<AuditRecord[]> {
  const { after = 0, newest, limit = newest ?? LIMIT, run } = input;
  const last = (await folder.sequences()).at(-1) ?? 0;
  const isTail = newest !== undefined && run === undefined;
  const start = await standAt(folder, Math.min(last, Math.max(after, isTail ? last - limit : 0)));
  const found: AuditRecord[] = [];
  for await (const { record } of walk(folder, platform, { start, last })) {
    if (run === undefined || record.run === run) found.push(record);
    if (found.length < limit) continue;
    if (newest === undefined) break;
    if (found.length > limit) found.shift();
  }
  return found;
}

async function newestOf(folder: ChainFolder, platform: string, acts: readonly string[], among: number) {
  const last = (await folder.sequences()).at(-1) ?? 0;
  const start = await standAt(folder, Math.max(0, last - among));
  const found: AuditRecord[] = [];
  for await (const { record } of walk(folder, platform, { start, last }))
    if (acts.includes(record.act)) found.push(record);
  return found;
}

async function piecesAfter(folder: ChainFolder, platform: string, after: number, limit: number) {
  const found: AuditPiece[] = [];
  for await (const { record, text, hash } of walk(folder, platform, { start: await standAt(folder, after) })) {
    found.push({ sequence: record.sequence, name: copyName(record.sequence), text, sha256: hash });
    if (found.length >= limit) break;
  }
  return found;
}

/** Acts that a worker remembers, to record none twice: far more than happen while an act may still be tried again. */
const REMEMBERED = 1000;

class AuditLog {
  readonly #folder: ChainFolder;
  readonly #platform: string;
  readonly #now: () => Date;
  readonly #acts = new Set<string>();
  #head = EMPTY_HEAD;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(folder: ChainFolder, platform: string, now: () => Date) {
    this.#folder = folder;
    this.#platform = platform;
    this.#now = now;
  }

  /**
   * Does: appends one record and moves the head.
   * Repeat: finds the record of the same run, act and subject and adds none; mends a head that was not moved.
   * Undo: none: what happened stays recorded.
   */
  record(entry: AuditEntry): Promise<void> {
    const turn = this.#turn.then(() => this.#append(entry));
    this.#turn = turn.catch(() => undefined); // Told to its own caller; the next in line begins anew.
    return turn;
  }

  async #append(entry: AuditEntry): Promise<void> {
    if (this.#head.sequence === 0) await this.#folder.clearLeftovers();
    const key = actKey(entry);
    for (;;) {
      await this.#readOn();
      if (this.#acts.has(key)) break;
      const record = this.#next(entry);
      // A number that is taken belongs to another worker's record: it is read, and the next number tried.
      if (await this.#folder.create(record.sequence, formatRecord(record))) continue;
    }
    await this.#folder.moveHead(this.#head);
  }

  #next({ act, subject, person, run, reason, facts }: AuditEntry): AuditRecord {
    const place = { sequence: this.#head.sequence + 1, previous: this.#head.hash };
    const at = this.#now().toISOString();
    return { act, subject, person, run, reason, facts, format: 1, platform: this.#platform, ...place, at };
  }

  // Reads what was added since the last time, by whomever; at first the last thousand. The head that is kept apart holds
  // the hash of all before it. A broken chain takes no further record.
  async #readOn(): Promise<void> {
    const kept = await this.#folder.head();
    if (this.#head.sequence === 0 && kept !== null)
      this.#head = await standAt(this.#folder, kept.sequence - REMEMBERED);
    for await (const { record, hash } of walk(this.#folder, this.#platform, { start: this.#head })) {
      if (record.sequence === kept?.sequence && hash !== kept.hash)
        throw new Failure(
          'AUDIT_BROKEN',
          `audit record ${record.sequence} was edited: the head holds another hash of it`,
        );
      this.#head = { sequence: record.sequence, hash };
      this.#remember(actKey(record));
    }
    if ((kept?.sequence ?? 0) > this.#head.sequence) {
      throw new Failure('AUDIT_BROKEN', `the audit log was cut: audit record ${this.#head.sequence + 1} is missing`);
    }
  }

  #remember(key: string): void {
    this.#acts.add(key);
    const [oldest] = this.#acts;
    if (this.#acts.size > 2 * REMEMBERED && oldest !== undefined) this.#acts.delete(oldest);
  }
}

/**
 * Does: reads every record and both heads. Repeat: reads again. Undo: none needed, nothing is written.
 */
async function verify(folder: ChainFolder, platform: string, written: string | undefined): Promise<Finding[]> {
  const noted = written === undefined ? null : parseHead(written);
  if (written !== undefined && noted === null) throw new Failure('USAGE', `'${written}' is not a head (number:hash)`);
  try {
    const kept = await folder.head();
    const heads = [kept, noted].filter((head) => head !== null);
    const hashes = new Map<number, string>();
    let end = EMPTY_HEAD;
    const last = (await folder.sequences()).at(-1) ?? 0;
    for await (const { record, hash } of walk(folder, platform, { start: EMPTY_HEAD, last })) {
      end = { sequence: record.sequence, hash };
      if (heads.some(({ sequence }) => sequence === record.sequence)) hashes.set(record.sequence, hash);
    }
    const broken = checkHeads(end, kept, heads, hashes);
    if (broken !== null) return [finding('failed', broken)];
    const lag = end.sequence - (kept?.sequence ?? 0);
    const behind =
      lag === 0 ? [] : [finding('warning', `the head kept apart is ${lag} behind; the next record mends it`)];
    return [finding('ok', `${end.sequence} records are whole; head ${formatHead(end)}`), ...behind];
  } catch (error) {
    if (error instanceof Failure && error.code === 'AUDIT_BROKEN') return [finding('failed', error.message)];
    throw error;
  }
}

/** How far a head may be behind: writers that were ended between a record and its head, or that raced for it. */
const TOLERATED_LAG = 8;

function checkHeads(
  end: AuditHead,
  kept: AuditHead | null,
  heads: readonly AuditHead[],
  hashes: ReadonlyMap<number, string>,
): string | null {
  if (kept === null && end.sequence > 1) return 'the head kept apart is missing';
  const lag = end.sequence - (kept?.sequence ?? 0);
  if (lag > TOLERATED_LAG)
    return `the head kept apart is ${lag} records behind: it was put back, or records were added`;
  const [first] = heads.flatMap((head) => compareHead(end, head, (sequence) => hashes.get(sequence) ?? null) ?? []);
  return first ?? null;
}

function finding(level: Finding['level'], message: string): Finding {
  return { level, subject: 'audit log', message, code: level === 'failed' ? 'AUDIT_BROKEN' : null };
}
