// Copies of the log in the tiers: `audit/<number>.json`, byte for byte, create-only. How far each tier has come is
// written down at the witness, so that copying costs what is new.
import { type AuditHead, EMPTY_HEAD, recordName, sequenceOf } from '../../domain/audit.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import type { TextTier } from '../../domain/contracts/repository.ts';
import { Failure } from '../../domain/failures.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import type { ChainFolder } from './chain-folder.ts';
import { sha256, standAt } from './walk.ts';

/** One record as it is copied to the tiers: bytes are canonical, so every copy is equal. */
export interface AuditPiece {
  readonly sequence: number;
  /** Object name below the repository's root: `audit/<number>.json`. */
  readonly name: string;
  readonly text: string;
  readonly sha256: string;
}

const FOLDER = 'audit/';
const COMPARED = 1000;

/** Object name of a record's copy. */
export const copyName = (sequence: number): string => `${FOLDER}${recordName(sequence)}`;

type PiecesAfter = (input: { readonly after: number }) => Promise<readonly AuditPiece[]>;

/**
 * Does: copies into every tier the records that it lacks.
 * Repeat: goes on after the last that was written down; what was copied and not written down is found to be equal.
 * Undo: none: what happened stays recorded.
 */
export async function copyToTiers(folder: ChainFolder, tiers: readonly TextTier[], pieces: PiecesAfter) {
  const outcomes = await Promise.allSettled(tiers.map((tier) => copyToTier(folder, tier, pieces)));
  const failed = outcomes.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
}

async function copyToTier(folder: ChainFolder, tier: TextTier, pieces: PiecesAfter): Promise<void> {
  let copied = await copiedTo(folder, tier);
  for (;;) {
    const next = await pieces({ after: copied.sequence });
    for (const { name, text } of next) {
      throwIfCancelled();
      await tier.create(name, text);
    }
    const last = next.at(-1);
    if (last === undefined) return;
    copied = { sequence: last.sequence, hash: last.sha256 };
    await folder.moveHead(copied, { tier: tier.name });
  }
}

// A log that is not the one that was copied is not copied over its copies.
async function copiedTo(folder: ChainFolder, { name }: TextTier): Promise<AuditHead> {
  const copied = (await folder.head({ tier: name })) ?? EMPTY_HEAD;
  const here = await standAt(folder, copied.sequence);
  if (here.hash === copied.hash) return copied;
  throw new Failure('AUDIT_BROKEN', `audit record ${copied.sequence} was edited after it was copied to tier '${name}'`);
}

/** Whether the copies agree with the log: all are there, and the newest thousand are equal. */
export function verifyCopies(folder: ChainFolder, tiers: readonly TextTier[]): Promise<Finding[]> {
  return Promise.all(tiers.map((tier) => verifyTier(folder, tier)));
}

async function verifyTier(folder: ChainFolder, tier: TextTier): Promise<Finding> {
  const subject = `audit log in tier ${tier.name}`;
  try {
    const { sequence: copied } = await copiedTo(folder, tier);
    const there = await copiesIn(tier);
    // More than was written down: by a worker that was killed before it could, or from before the log was cut.
    const sequence = Math.max(copied, ...there);
    if (sequence === 0)
      return { level: 'warning', subject, message: 'nothing was copied yet; the next backup does', code: null };
    requireAll(tier, there, sequence);
    for (let number = copied + 1; number <= sequence; number++) await requireHere(folder, tier, number);
    for (let number = Math.max(1, sequence - COMPARED + 1); number <= sequence; number++)
      await requireEqual(folder, tier, number);
    const message = `records 1 to ${sequence} are there; the newest ${Math.min(sequence, COMPARED)} are equal`;
    return { level: 'ok', subject, message, code: null };
  } catch (error) {
    const { code, message } = error instanceof Failure ? error : { code: 'COULD_NOT_VERIFY', message: String(error) };
    return { level: 'failed', subject, message, code };
  }
}

async function copiesIn(tier: TextTier): Promise<ReadonlySet<number>> {
  const names = (await tier.list(FOLDER)).map(({ name }) => sequenceOf(name.slice(FOLDER.length)));
  return new Set(names.filter((sequence) => sequence !== null));
}

// A log that was cut together with every head at the witness agrees with itself; its copies lie elsewhere.
async function requireHere(folder: ChainFolder, { name }: TextTier, sequence: number): Promise<void> {
  if ('missing' in (await folder.slot(sequence)))
    throw new Failure(
      'AUDIT_BROKEN',
      `the audit log was cut: audit record ${sequence} is missing, and its copy lies in tier '${name}'`,
    );
}

function requireAll(tier: TextTier, there: ReadonlySet<number>, last: number): void {
  for (let sequence = 1; sequence <= last; sequence++)
    if (!there.has(sequence))
      throw new Failure('AUDIT_BROKEN', `the copy of audit record ${sequence} in tier '${tier.name}' is missing`);
}

async function requireEqual(folder: ChainFolder, tier: TextTier, sequence: number): Promise<void> {
  throwIfCancelled();
  const [here, copy] = await Promise.all([standAt(folder, sequence), tier.read(copyName(sequence))]);
  if (copy === null || sha256(copy) !== here.hash)
    throw new Failure('AUDIT_BROKEN', `the copy of audit record ${sequence} in tier '${tier.name}' differs`);
}
