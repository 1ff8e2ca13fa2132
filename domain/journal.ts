// The journal of a takeover, kept at the witness: every step's intent before it and its end after it, each written once.
// From it the run goes on without Temporal: a call that was asked before is answered by what it was answered then.
import { Failure } from './failures.ts';
import { canonicalJson, type JsonValue } from './json.ts';
import { ISO_TIME, parseJson, type RecordShape, SHA256, shapeOf } from './record-shape.ts';

/** The header of an activity in which its workflow says what the journal needs to know. */
export const JOURNAL_HEADER = 'holdfast-journal';

/** Something that a person said to a workflow: an update, or a coordinator's word that passes one on. */
export interface Told {
  readonly name: string;
  readonly said: JsonValue;
}

/** What a workflow says of itself with each of its activities. */
export interface JournalNote {
  /** `<workflow id>/<run id>` of the takeover that it belongs to. */
  readonly run: string;
  /** When this workflow began. */
  readonly startedAt: string;
  /** The workflow's own time when it asked. */
  readonly at: string;
  /** With the first call of a takeover: which workflow it is, and what it was told; else null. */
  readonly begins: { readonly workflow: string; readonly input: JsonValue } | null;
  /** What people said to it since its last activity. */
  readonly told: readonly Told[];
  /** True from when it was cancelled. */
  readonly cancelled: boolean;
}

/** The first record of a journal. */
export interface RunBeginning {
  readonly format: 1;
  readonly run: string;
  readonly workflow: string;
  readonly startedAt: string;
  readonly input: JsonValue;
}

/** The intent of one step. */
export interface StepBegun {
  readonly format: 1;
  /** Workflow id and run id of the workflow that asked. */
  readonly workflow: string;
  readonly workflowRun: string;
  readonly startedAt: string;
  /** The how many-th call of that workflow. */
  readonly call: number;
  readonly activity: string;
  /** SHA-256 of the input's canonical JSON. */
  readonly digest: string;
  /** Who carried it out: 0 is Temporal. */
  readonly executor: number;
  readonly at: string;
  readonly begunAt: string;
  readonly told: readonly Told[];
  readonly cancelled: boolean;
}

export interface RecordedFailure {
  readonly type: string;
  readonly message: string;
  readonly details: readonly JsonValue[];
}

/** How one step ended for good. `result` is absent where the activity gave none. */
export type StepEnd =
  | { readonly kind: 'done'; readonly result?: JsonValue }
  | { readonly kind: 'failed'; readonly failure: RecordedFailure };

export interface StepEnded {
  readonly format: 1;
  readonly endedAt: string;
  readonly end: StepEnd;
}

/** Who took a run over. */
export interface ExecutorRecord {
  readonly format: 1;
  readonly run: string;
  readonly number: number;
  readonly person: string;
  readonly at: string;
}

export interface JournalStep {
  readonly begun: StepBegun;
  /** Null while it is not known how it ended. */
  readonly end: StepEnd | null;
}

export interface RunJournal {
  readonly beginning: RunBeginning;
  readonly steps: readonly JournalStep[];
}

/** The workflow id and the run id of `<workflow id>/<run id>`. */
export function partsOfRun(run: string): { readonly workflow: string; readonly id: string } {
  const at = run.lastIndexOf('/');
  return { workflow: run.slice(0, at), id: run.slice(at + 1) };
}

const RUN = /^.+\/[\w-]+$/;
const ID = /^[\w-]+$/;
const CODE = 'JOURNAL_BROKEN';

export const formatJournal = (record: object): string => `${canonicalJson(record)}\n`;

/** @throws {Failure} JOURNAL_BROKEN. */
export function parseBeginning(text: string, what: string): RunBeginning {
  const shape = shapeOfRecord(text, what);
  return {
    format: 1,
    run: shape.text('run', RUN),
    workflow: shape.text('workflow'),
    startedAt: shape.text('startedAt', ISO_TIME),
    input: shape.json('input'),
  };
}

/** @throws {Failure} JOURNAL_BROKEN. */
export function parseBegun(text: string, what: string): StepBegun {
  const shape = shapeOfRecord(text, what);
  return {
    format: 1,
    workflow: shape.text('workflow'),
    workflowRun: shape.text('workflowRun', ID),
    startedAt: shape.text('startedAt', ISO_TIME),
    call: shape.whole('call'),
    activity: shape.text('activity'),
    digest: shape.text('digest', SHA256),
    executor: shape.whole('executor'),
    at: shape.text('at', ISO_TIME),
    begunAt: shape.text('begunAt', ISO_TIME),
    told: shape.list('told', (one) => ({ name: one.text('name'), said: one.json('said') })),
    cancelled: shape.json('cancelled') === true,
  };
}

/** @throws {Failure} JOURNAL_BROKEN. */
export function parseEnded(text: string, what: string): StepEnded {
  const shape = shapeOfRecord(text, what);
  return { format: 1, endedAt: shape.text('endedAt', ISO_TIME), end: endOf(shape, what) };
}

function endOf(shape: RecordShape, what: string): StepEnd {
  const end = shapeOf(shape.json('end'), `${what}, end`, CODE);
  const kind = end.text('kind');
  if (kind === 'done') return end.has('result') ? { kind, result: end.json('result') } : { kind };
  if (kind !== 'failed') throw new Failure(CODE, `${what} ends in an unknown way: '${kind}'`);
  const failure = shapeOf(end.json('failure'), `${what}, failure`, CODE);
  const details = failure.json('details');
  if (!Array.isArray(details)) throw new Failure(CODE, `${what} has no list of details`);
  return { kind, failure: { type: failure.text('type'), message: failure.text('message'), details } };
}

function shapeOfRecord(text: string, what: string): RecordShape {
  const shape = shapeOf(parseJson(text, what, CODE), what, CODE);
  const format = shape.whole('format');
  if (format !== 1) throw new Failure(CODE, `${what} is of format ${format}, which this release does not know`);
  return shape;
}
