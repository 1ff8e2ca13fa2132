// The walk along the chain, from any record on: reading costs what is read, not what was ever written.
import { createHash } from 'node:crypto';
import { type AuditHead, type AuditRecord, EMPTY_HEAD, followChain } from '../../domain/audit.ts';
import { Failure } from '../../domain/failures.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import type { ChainFolder } from './chain-folder.ts';

export interface Walked {
  readonly record: AuditRecord;
  readonly text: string;
  readonly hash: string;
}

export interface Stretch {
  /** The walk begins after this record. */
  readonly start: AuditHead;
  /** The last record that must be there; without it the walk ends where there is none. */
  readonly last?: number;
}

const MOST_AT_ONCE = 64;

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The records of a stretch, each judged. @throws {Failure} AUDIT_BROKEN naming the first bad one. */
export async function* walk(folder: ChainFolder, platform: string, { start, last }: Stretch): AsyncIterable<Walked> {
  let state = { head: start, platform };
  for await (const slot of slotsFrom(folder, start.sequence + 1, last ?? Number.POSITIVE_INFINITY)) {
    if (last === undefined && 'missing' in slot) return;
    const step = followChain(state, slot, sha256);
    if ('broken' in step) throw new Failure('AUDIT_BROKEN', step.broken);
    state = step.state;
    yield { record: step.record, text: 'text' in slot ? slot.text : '', hash: String(state.head.hash) };
  }
}

// Read some at a time: few at first, because most walks are short.
async function* slotsFrom(folder: ChainFolder, first: number, last: number) {
  for (let [next, count] = [first, 1]; next <= last; next += count, count = Math.min(count * 2, MOST_AT_ONCE)) {
    throwIfCancelled();
    count = Math.min(count, last - next + 1);
    yield* await Promise.all(Array.from({ length: count }, (_, index) => folder.slot(next + index)));
  }
}

/** Where a walk that begins after `sequence` stands. @throws {Failure} AUDIT_BROKEN when that record is not there. */
export async function standAt(folder: ChainFolder, sequence: number): Promise<AuditHead> {
  if (sequence <= 0) return EMPTY_HEAD;
  const slot = await folder.slot(sequence);
  if ('text' in slot) return { sequence, hash: sha256(slot.text) };
  throw new Failure('AUDIT_BROKEN', `audit record ${sequence} is missing or cannot be read`);
}
