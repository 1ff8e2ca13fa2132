// How long a failover kept clients away, in parts: who or what each second was spent on. Every instant counts once, so
// the parts always add up to the whole.
import type { StepState, Wait } from './run-state.ts';

/** In the order in which they are told. `ours` is all that nothing else explains. */
export const RECOVERY_PARTS = ['detection', 'people', 'fence', 'terraform', 'restore', 'dns', 'ours'] as const;
export type RecoveryPart = (typeof RECOVERY_PARTS)[number];

export interface RecoveryTime {
  /**
   * From the first failed outside probe, or without one from the start of the run, until clients can be served again. Where
   * a living site was handed over, from the moment on which clients were kept out.
   */
  readonly seconds: number;
  /** Seconds of each; `detection` is null when no outside probe saw the failure: then it is missing in the whole, too. */
  readonly parts: Readonly<Record<Exclude<RecoveryPart, 'detection'>, number>> & { readonly detection: number | null };
}

export interface RecoveryCourse {
  /** When the first outside probe failed; null when there was none. */
  readonly downSince: string | null;
  /** Until when a living site served, which kept its clients out then; null where nobody chose the moment. */
  readonly servedUntil: string | null;
  readonly startedAt: string;
  /** When the new site was opened for good. */
  readonly openedAt: string;
  readonly steps: readonly StepState[];
  readonly waits: readonly Wait[];
  /** The part that a step's time belongs to, by its id; null is `ours`. */
  readonly partOf: (step: string) => RecoveryPart | null;
  /** When every name server gave the new addresses, and how long a cache may still hold the old ones; null without names. */
  readonly names: { readonly movedAt: string; readonly ttlSeconds: number } | null;
}

interface Span {
  readonly part: RecoveryPart;
  readonly from: number;
  readonly to: number;
}

/**
 * The recovery time of a run that opened. Work that goes on while a person is waited for elsewhere counts as that work:
 * only the time in which nothing else was done is theirs.
 */
export function recoveryTimeOf(course: RecoveryCourse): RecoveryTime {
  const { downSince, servedUntil, names } = course;
  const [started, opened] = [Date.parse(course.startedAt), Date.parse(course.openedAt)];
  const begin =
    servedUntil === null ? Math.min(started, Date.parse(downSince ?? course.startedAt)) : Date.parse(servedUntil);
  const isUnknown = downSince === null && servedUntil === null;
  const cachesEnd = names === null ? opened : Date.parse(names.movedAt) + names.ttlSeconds * 1000;
  const end = Math.max(opened, cachesEnd);
  const spans: Span[] = [
    { part: 'detection', from: begin, to: started },
    ...workOf(course),
    ...course.waits.map(({ from, to }): Span => ({ part: 'people', from: Date.parse(from), to: Date.parse(to) })),
    { part: 'dns', from: opened, to: end },
  ];
  const sums = shareOut(spans, begin, end);
  return { seconds: (end - begin) / 1000, parts: { ...sums, detection: isUnknown ? null : sums.detection } };
}

// A step that waits for a person does nothing: its own waits are cut out of it.
function workOf({ steps, waits, partOf, openedAt }: RecoveryCourse): readonly Span[] {
  return steps.flatMap((step) => {
    const part = partOf(step.id);
    if (part === null || step.startedAt === null) return [];
    const whole: Span = { part, from: Date.parse(step.startedAt), to: Date.parse(step.endedAt ?? openedAt) };
    const own = waits.filter((wait) => wait.step === step.id || wait.step.startsWith(`${step.id}/`));
    return own.reduce<readonly Span[]>((left, wait) => left.flatMap((span) => without(span, wait)), [whole]);
  });
}

function without(span: Span, wait: Wait): readonly Span[] {
  const [from, to] = [Date.parse(wait.from), Date.parse(wait.to)];
  const before = { ...span, to: Math.min(span.to, from) };
  const after = { ...span, from: Math.max(span.from, to) };
  return [before, after].filter((one) => one.to > one.from);
}

// Between two neighbouring edges nothing begins or ends: each piece goes to the first span that covers it.
function shareOut(spans: readonly Span[], begin: number, end: number): Record<RecoveryPart, number> {
  const within = (at: number) => Math.min(Math.max(at, begin), end);
  const edges = [begin, end, ...spans.flatMap(({ from, to }) => [within(from), within(to)])].sort((a, b) => a - b);
  const sums = Object.fromEntries(RECOVERY_PARTS.map((part) => [part, 0])) as Record<RecoveryPart, number>;
  edges.slice(1).forEach((to, index) => {
    const from = edges[index] as number;
    const part = spans.find((span) => span.from <= from && span.to >= to)?.part ?? 'ours';
    sums[part] += (to - from) / 1000;
  });
  return sums;
}

/** The part of a failover's step. Its restores carry the names of their systems. */
export const failoverPartOf =
  (systems: readonly string[]) =>
  (step: string): RecoveryPart | null =>
    systems.includes(step) ? 'restore' : (STEP_PARTS[step] ?? null);

const STEP_PARTS: Readonly<Record<string, RecoveryPart>> = {
  fence: 'fence',
  attest: 'fence',
  terraform: 'terraform',
  prepare: 'terraform',
  provision: 'terraform',
  answers: 'dns',
};

/** Seconds in which at least one of these waits lasted: two questions at once are one wait. */
export function waitedSecondsOf(waits: readonly Wait[]): number {
  const spans = waits.map(({ from, to }): [number, number] => [Date.parse(from), Date.parse(to)]);
  let [sum, reached] = [0, Number.NEGATIVE_INFINITY];
  for (const [from, to] of spans.sort(([one], [other]) => one - other)) {
    sum += Math.max(0, to - Math.max(from, reached));
    reached = Math.max(reached, to);
  }
  return sum / 1000;
}
