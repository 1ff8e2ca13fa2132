// Which site is the active one, as numbered records that are created once and never changed. Whoever creates number n
// holds it; everybody else is told who that is. Undo never deletes: it writes the next number.
import { Failure } from './failures.ts';
import { canonicalJson } from './json.ts';
import { ISO_TIME, parseJson, shapeOf } from './record-shape.ts';

/** `intent` is what the run wanted the number for. */
export const INTENTS = ['failover', 'failback', 'undo'] as const;
export type Intent = (typeof INTENTS)[number];

export interface EpochRecord {
  readonly format: 1;
  readonly platform: string;
  /** 1 is the first; before it the configuration's active site counts. */
  readonly number: number;
  readonly from: string;
  readonly to: string;
  /** `<workflow id>/<run id>` of the run that took it. */
  readonly run: string;
  readonly intent: Intent;
  readonly person: string;
  /** ISO time by the witness's clock. */
  readonly at: string;
}

/** The epoch that holds: number 0 with the configuration's site when none was taken yet. */
export interface Epoch {
  readonly number: number;
  readonly site: string;
  readonly record: EpochRecord | null;
}

const DIGITS = 6;
const LAST = 10 ** DIGITS - 1;

/** `epoch-000001.json`: names sort as their numbers do. */
export const epochName = (number: number): string => `epoch-${String(number).padStart(DIGITS, '0')}.json`;

/** The number in a record's name, or null for any other file. */
export function epochNumberOf(name: string): number | null {
  const match = /^epoch-(\d{6})\.json$/.exec(name);
  return match === null || Number(match[1]) === 0 ? null : Number(match[1]);
}

/** That the site which an epoch leaves is to be cut off: created once, beside the epoch, at the step that fences. */
export interface FenceRecord {
  readonly format: 1;
  readonly platform: string;
  /** Of the epoch. */
  readonly number: number;
  /** The site that is cut off. */
  readonly site: string;
  /** ISO time by the witness's clock. */
  readonly at: string;
}

/** `fence-000001.json`, beside `epoch-000001.json`. */
export const fenceName = (number: number): string => epochName(number).replace('epoch', 'fence');

/** The number in a fence record's name, or null for any other file. */
export const fenceNumberOf = (name: string): number | null =>
  name.startsWith('fence-') ? epochNumberOf(name.replace('fence', 'epoch')) : null;

export const formatFence = (record: FenceRecord): string => `${canonicalJson({ ...record })}\n`;

/** @throws {Failure} EPOCH_BROKEN when the text is not the fence of this epoch. */
export function parseFence(text: string, { number, from, platform }: EpochRecord): FenceRecord {
  const what = fenceName(number);
  const shape = shapeOf(parseJson(text, what, 'EPOCH_BROKEN'), what, 'EPOCH_BROKEN');
  const record = { platform: shape.text('platform'), number: shape.whole('number'), site: shape.text('site') };
  if (record.platform !== platform || record.number !== number || record.site !== from)
    throw new Failure('EPOCH_BROKEN', `${what} is not the fence of epoch ${number} of '${platform}'`);
  return { format: 1, ...record, at: shape.text('at', ISO_TIME) };
}

export const formatEpoch = (record: EpochRecord): string => `${canonicalJson({ ...record })}\n`;

/** @throws {Failure} EPOCH_BROKEN when the text is not the record of this number and platform. */
export function parseEpoch(text: string, number: number, platform: string): EpochRecord {
  const what = epochName(number);
  const shape = shapeOf(parseJson(text, what, 'EPOCH_BROKEN'), what, 'EPOCH_BROKEN');
  const intent = shape.text('intent');
  const record = {
    format: shape.whole('format'),
    platform: shape.text('platform'),
    number: shape.whole('number'),
    from: shape.text('from'),
    to: shape.text('to'),
    run: shape.text('run'),
    intent: INTENTS.find((known) => known === intent),
    person: shape.text('person'),
    at: shape.text('at', ISO_TIME),
  };
  if (record.format !== 1 || record.intent === undefined || record.number !== number || record.platform !== platform)
    throw new Failure('EPOCH_BROKEN', `${what} is not the record of epoch ${number} of '${platform}'`);
  return record as EpochRecord;
}

/** @throws {Failure} EPOCH_BROKEN when a number between the first and the last is missing. */
export function requireUnbroken(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((one, other) => one - other);
  const gap = sorted.findIndex((number, index) => number !== index + 1);
  if (gap >= 0)
    throw new Failure('EPOCH_BROKEN', `the record of epoch ${gap + 1} is missing, and later ones are there`);
  if (sorted.length >= LAST) throw new Failure('EPOCH_BROKEN', `there is no epoch after ${LAST}`);
  return sorted.length;
}

/**
 * Sites that were the active one and gave it up for good, the last one first; the one that is active now is not among them.
 * @param records in the order of their numbers.
 */
export function formerSites(records: readonly EpochRecord[]): readonly string[] {
  // What an undo leaves never opened; and whoever an undone failover left is the active one still, or gave it up later.
  const left = records.filter(({ intent }) => intent !== 'undo').map(({ from }) => from);
  const active = records.at(-1)?.to;
  return [...new Set(left.reverse())].filter((site) => site !== active);
}

/** Who holds a number that somebody else wanted. */
export function lostTo({ number, run, person, at, from, to, intent }: EpochRecord): Failure {
  const what = `epoch ${number} was taken by ${person} at ${at} for the ${intent} from '${from}' to '${to}'`;
  return new Failure('EPOCH_TAKEN', `${what} (run ${run})`, { run, person, at });
}
