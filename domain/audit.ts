// The audit log as a chain: each record holds its number and the hash of the record before, so that an edit, a gap, a
// swap or a cut shows. Hashing is handed in: this file has no vendor and no clock.
import type { AuditEntry } from './contracts/repository.ts';
import { canonicalJson } from './json.ts';

export interface AuditRecord extends AuditEntry {
  readonly format: 1;
  readonly platform: string;
  /** Counts from 1, without gaps. */
  readonly sequence: number;
  /** Hash of the bytes of the record before, lower-case hex SHA-256; of nothing before the first. */
  readonly previous: string | null;
  /** ISO time (UTC) of recording. */
  readonly at: string;
}

/** The last record that is known to exist: kept apart from the log, so that a cut shows. */
export interface AuditHead {
  readonly sequence: number;
  /** Null while there is no record. */
  readonly hash: string | null;
}

export const EMPTY_HEAD: AuditHead = { sequence: 0, hash: null };

/** The bytes of a record's file. */
export function formatRecord(record: AuditRecord): string {
  return `${canonicalJson(record)}\n`;
}

/** Names the act: the same run doing the same to the same subject is one act, however often it is told. */
export function actKey({ run, act, subject }: Pick<AuditEntry, 'run' | 'act' | 'subject'>): string {
  return canonicalJson([run, act, subject]);
}

/** The file of a record in the log's folder. */
export function recordName(sequence: number): string {
  return `${String(sequence).padStart(12, '0')}.json`;
}

/** The number of a record's file, or null for another name. */
export function sequenceOf(name: string): number | null {
  return /^\d{12}\.json$/.test(name) ? Number(name.slice(0, 12)) : null;
}

const TEXTS = ['act', 'subject', 'person', 'run', 'reason', 'platform', 'at'] as const;

/** Reads a record's bytes; null when they are not exactly those of a record. */
export function parseRecord(text: string): AuditRecord | null {
  try {
    const record = JSON.parse(text) as AuditRecord;
    const isRecord =
      record.format === 1 &&
      Number.isSafeInteger(record.sequence) &&
      (record.previous === null || typeof record.previous === 'string') &&
      TEXTS.every((key) => typeof record[key] === 'string') &&
      typeof record.facts === 'object';
    return isRecord && formatRecord(record) === text ? record : null;
  } catch {
    return null;
  }
}

/** What lies in the place of one record: its text, or why there is none. */
export type AuditSlot = { readonly sequence: number } & (
  | { readonly text: string }
  | { readonly unreadable: string }
  | { readonly missing: true }
);

/** Where the walk along the chain stands: what the next record must say. */
export interface ChainState {
  readonly head: AuditHead;
  readonly platform: string;
}

export type ChainStep = { readonly state: ChainState; readonly record: AuditRecord } | { readonly broken: string };

/** Judges the next slot. The first that is broken ends the walk: nothing after it can be trusted. */
export function followChain(state: ChainState, slot: AuditSlot, hash: (text: string) => string): ChainStep {
  const name = `audit record ${slot.sequence}`;
  if ('missing' in slot) return { broken: `${name} is missing` };
  if ('unreadable' in slot) return { broken: `${name} cannot be read: ${slot.unreadable}` };
  const record = parseRecord(slot.text);
  if (record === null) return { broken: `${name} was edited: it is not a whole record` };
  if (record.sequence !== slot.sequence) {
    return { broken: `${name} was reordered: its place holds record ${record.sequence}` };
  }
  if (record.platform !== state.platform) return { broken: `${name} belongs to platform '${record.platform}'` };
  if (record.previous !== state.head.hash) return { broken: brokenLink(state, record) };
  return { state: { ...state, head: { sequence: record.sequence, hash: hash(slot.text) } }, record };
}

// A record that was edited and left in form is found by the next one, which still holds the hash of what it was.
function brokenLink({ head }: ChainState, { sequence }: AuditRecord): string {
  if (head.sequence === 0) return `audit record ${sequence} was edited: the first record names one before it`;
  return `audit record ${head.sequence} was edited: record ${sequence} holds another hash of it`;
}

/** Compares the end of the chain with a head that was kept apart. Null when they agree. */
export function compareHead(
  end: AuditHead,
  kept: AuditHead,
  hashAt: (sequence: number) => string | null,
): string | null {
  if (kept.sequence > end.sequence) {
    return `the audit log was cut: audit record ${end.sequence + 1} is missing, and ${kept.sequence} were recorded`;
  }
  if (kept.hash !== (kept.sequence === 0 ? null : hashAt(kept.sequence))) {
    return `audit record ${kept.sequence} was edited: the head kept apart holds another hash of it`;
  }
  return null;
}

/** `sequence:hash`, as an operator writes a head down. */
export function formatHead({ sequence, hash }: AuditHead): string {
  return `${sequence}:${hash ?? ''}`;
}

/** Reads a written head. Null when it is not one. */
export function parseHead(text: string): AuditHead | null {
  const [, sequence, hash] = /^(\d+):([0-9a-f]{64})?$/.exec(text) ?? [];
  return sequence === undefined ? null : { sequence: Number(sequence), hash: hash ?? null };
}
