// The account of a failover that opened: recovery time in parts, loss for each store, and every step with its times.
// Written once to the ledger at the witness and never changed; everything that tells a failover's figures tells these.

import type { FailoverPlan } from './failover.ts';
import { Failure } from './failures.ts';
import { canonicalJson } from './json.ts';
import type { MarkerLoss, MarkerLosses } from './markers.ts';
import type { Outage } from './outage.ts';
import { counted, formatSeconds } from './quantities.ts';
import { ISO_TIME, isNumber, isWhole, parseJson, shapeOf } from './record-shape.ts';
import {
  failoverPartOf,
  RECOVERY_PARTS,
  type RecoveryPart,
  type RecoveryTime,
  recoveryTimeOf,
} from './recovery-time.ts';
import type { StepState, Wait } from './run-state.ts';
import { isSystemName, SYSTEM_NAMES, SYSTEMS, type SystemName } from './systems.ts';

export interface StoreLoss {
  /** From the moment of the backup to the planning: what was written in between is lost. */
  readonly seconds: number;
  /** Null where no list of markers is known. */
  readonly markers: MarkerLoss | null;
}

export interface RecordedStep {
  readonly id: string;
  readonly title: string;
  readonly startedAt: string;
  readonly endedAt: string;
}

export interface FailoverRecord {
  readonly format: 1;
  readonly platform: string;
  /** The epoch that the run took: there is one record for each. */
  readonly epoch: number;
  readonly from: string;
  readonly to: string;
  /** `<workflow id>/<run id>`. */
  readonly run: string;
  readonly startedAt: string;
  readonly openedAt: string;
  readonly outage: Outage | null;
  /** Until when a living site served that was handed over; null where the old site had failed. */
  readonly servedUntil: string | null;
  readonly recoveryTime: RecoveryTime;
  readonly losses: Readonly<Partial<Record<SystemName, StoreLoss>>>;
  readonly steps: readonly RecordedStep[];
}

/** What an account needs of the plan that was carried out. */
export type AccountedPlan = Pick<FailoverPlan, 'epoch' | 'from' | 'to' | 'stages' | 'lossSeconds'>;

export interface AccountFacts {
  readonly platform: string;
  readonly run: string;
  readonly plan: AccountedPlan;
  readonly markers: MarkerLosses;
  readonly outage: Outage | null;
  readonly startedAt: string;
  readonly openedAt: string;
  readonly steps: readonly StepState[];
  readonly waits: readonly Wait[];
  /** How long a cache may hold the old addresses; null where no names were moved. */
  readonly ttlSeconds: number | null;
}

/** The account of a run that has just opened. */
export function accountOf(facts: AccountFacts): FailoverRecord {
  const { platform, run, plan, markers, outage, startedAt, openedAt, steps, waits, ttlSeconds } = facts;
  const movedAt = steps.find(({ id }) => id === 'answers')?.endedAt ?? openedAt;
  const names = ttlSeconds === null ? null : { movedAt, ttlSeconds };
  const partOf = failoverPartOf(plan.stages.flat());
  const servedUntil = steps.find(({ id }) => id === 'quiesce')?.startedAt ?? null;
  const course = { downSince: outage?.since ?? null, servedUntil, startedAt, openedAt, steps, waits, partOf, names };
  return {
    ...{ format: 1, platform, run, epoch: plan.epoch.next, from: plan.from, to: plan.to, startedAt, openedAt },
    ...{ outage, servedUntil },
    recoveryTime: recoveryTimeOf(course),
    losses: lossesOf(plan, markers),
    steps: steps.flatMap(({ id, title, startedAt: from, endedAt: to }) =>
      from === null || to === null ? [] : [{ id, title, startedAt: from, endedAt: to }],
    ),
  };
}

function lossesOf({ lossSeconds }: AccountedPlan, markers: MarkerLosses): FailoverRecord['losses'] {
  const systems = Object.entries(lossSeconds) as [SystemName, number][];
  return Object.fromEntries(
    systems.map(([system, seconds]) => [system, { seconds, markers: markers[system] ?? null }]),
  );
}

const DIGITS = 6;

/** `failover-000001.json`. */
export const failoverRecordName = (epoch: number): string => `failover-${String(epoch).padStart(DIGITS, '0')}.json`;

export const isFailoverRecordName = (name: string): boolean => /^failover-\d{6}\.json$/.test(name);

/** The epoch in a record's name, or null for any other file. */
export const failoverEpochOf = (name: string): number | null =>
  isFailoverRecordName(name) ? Number(name.slice('failover-'.length, -'.json'.length)) : null;

export const formatFailoverRecord = (record: FailoverRecord): string => `${canonicalJson(record)}\n`;

type Fields = Readonly<Record<string, unknown>>;
const CODE = 'LEDGER_BROKEN';

/** @throws {Failure} LEDGER_BROKEN when the text is not the record of this name and platform, or its parts do not add up. */
export function parseFailoverRecord(text: string, name: string, platform: string): FailoverRecord {
  const value = parseJson(text, name, CODE);
  const shape = shapeOf(value, name, CODE);
  const record: FailoverRecord = {
    format: 1,
    platform: shape.text('platform'),
    epoch: shape.whole('epoch'),
    from: shape.text('from'),
    to: shape.text('to'),
    run: shape.text('run'),
    startedAt: shape.text('startedAt', ISO_TIME),
    openedAt: shape.text('openedAt', ISO_TIME),
    outage: parseOutageIn((value as Fields).outage, name),
    servedUntil: shape.has('servedUntil') ? shape.textOrNull('servedUntil', ISO_TIME) : null,
    recoveryTime: parseTime((value as Fields).recoveryTime, name),
    losses: parseLosses(shape.mapOf('losses', isStoreLoss), name),
    steps: shape.list('steps', (step) => ({
      ...{ id: step.text('id'), title: step.text('title') },
      ...{ startedAt: step.text('startedAt', ISO_TIME), endedAt: step.text('endedAt', ISO_TIME) },
    })),
  };
  const isOurs = failoverRecordName(record.epoch) === name && record.platform === platform;
  if (!isOurs || shape.whole('format') !== 1)
    throw broken(`'${name}' is not the record of that epoch of '${platform}'`);
  return record;
}

const broken = (what: string): Failure => new Failure(CODE, what);

function parseOutageIn(value: unknown, name: string): Outage | null {
  if (value === null) return null;
  const shape = shapeOf(value, `${name}, outage`, CODE);
  return {
    ...{ since: shape.text('since', ISO_TIME), by: shape.text('by') },
    until: shape.textOrNull('until', ISO_TIME),
  };
}

function parseTime(value: unknown, name: string): RecoveryTime {
  const shape = shapeOf(value, `${name}, recoveryTime`, CODE);
  const parts = shape.mapOf('parts', (part): part is number | null => part === null || isNumber(part));
  const isWhole = RECOVERY_PARTS.every(
    (part) => isNumber(parts[part]) || (part === 'detection' && parts[part] === null),
  );
  const seconds = (value as Fields).seconds;
  const sum = Object.values(parts).reduce<number>((all, part) => all + (part ?? 0), 0);
  if (!isWhole || !isNumber(seconds) || Math.abs(seconds - sum) > 0.01)
    throw broken(`the parts of the recovery time in '${name}' do not add up`);
  return { seconds, parts: parts as RecoveryTime['parts'] };
}

function isStoreLoss(value: unknown): value is StoreLoss {
  const { seconds, markers } = (value ?? {}) as Fields;
  return isNumber(seconds) && (markers === null || isMarkerLoss(markers));
}

function isMarkerLoss(value: unknown): value is MarkerLoss {
  const { acknowledged, restored, lost } = (value ?? {}) as Fields;
  return [acknowledged, restored, lost].every(isWhole);
}

function parseLosses(losses: Readonly<Record<string, StoreLoss>>, name: string): FailoverRecord['losses'] {
  const unknown = Object.keys(losses).find((system) => !isSystemName(system));
  if (unknown !== undefined) throw broken(`'${name}' tells of an unknown system '${unknown}'`);
  return Object.fromEntries(SYSTEM_NAMES.flatMap((system) => (losses[system] ? [[system, losses[system]]] : [])));
}

export const PART_TITLES: Readonly<Record<RecoveryPart, string>> = {
  detection: 'detection',
  people: 'people',
  fence: 'fence',
  terraform: 'Terraform',
  restore: 'restore',
  dns: 'DNS',
  ours: 'ours',
};

/** `1 min 52 s: detection 3.0 s, people 20 s, …`: the whole is never told without its parts. */
export function recoveryTimeText({ seconds, parts }: RecoveryTime): string {
  const told = RECOVERY_PARTS.map((part) => `${PART_TITLES[part]} ${partText(parts[part])}`);
  return `${formatSeconds(seconds)}${parts.detection === null ? ' and its detection' : ''}: ${told.join(', ')}`;
}

/** One part in words. */
export const partText = (seconds: number | null): string => (seconds === null ? 'unknown' : formatSeconds(seconds));

/** `41 s, 812 of 5,000 markers`. */
export function lossText({ seconds, markers }: StoreLoss): string {
  if (markers === null) return formatSeconds(seconds);
  return `${formatSeconds(seconds)}, ${markers.lost} of ${counted(markers.acknowledged, 'marker')}`;
}

/** A loss against its objective. What is backed up on change lost nothing unless it changed, and only its owner knows. */
export function lossVerdict(system: SystemName, { seconds }: StoreLoss, rpoSeconds: number): string {
  if (SYSTEMS[system].intervalSeconds === null) return 'if it changed';
  return seconds <= rpoSeconds ? 'met' : 'MISSED';
}

/** The account in the lines that a run shows of itself. */
export function accountLines(record: FailoverRecord): readonly string[] {
  const each = Object.entries(record.losses).map(([system, loss]) => `${system} ${lossText(loss)}`);
  return [
    `recovery time ${recoveryTimeText(record.recoveryTime)}`,
    beginningText(record),
    `lost at most the writes of: ${each.join('; ')}`,
  ];
}

function beginningText({ outage, servedUntil, from }: FailoverRecord): string {
  if (servedUntil !== null) return `'${from}' served until ${servedUntil}, when clients were kept out`;
  return outage === null
    ? 'detection is unknown: no outside probe told when the old site failed, so the time begins with the run'
    : `down since ${outage.since}, seen by ${outage.by}`;
}
