// Reading a run's own account of its steps.
import type { RunReport, StepState } from '../domain/run-state.ts';

type Interval = readonly [from: number, to: number];

const intervalOf = ({ startedAt, endedAt }: StepState): Interval => [
  Date.parse(startedAt ?? ''),
  Date.parse(endedAt ?? ''),
];

/** Seconds from the first start to the last end of the named steps. */
export function secondsOf({ steps }: RunReport, id: string): number {
  const step = steps.find((one) => one.id === id);
  if (step === undefined) throw new Error(`the run has no step '${id}'`);
  const [from, to] = intervalOf(step);
  return (to - from) / 1000;
}

/** Seconds in which steps that match ran and no other step did. */
export function secondsAlone({ steps }: RunReport, matches: (id: string) => boolean): number {
  const wanted = steps.filter(({ id }) => matches(id)).map(intervalOf);
  const others = steps.filter(({ id }) => !matches(id)).map(intervalOf);
  const edges = [...new Set([...wanted, ...others].flat())].sort((a, b) => a - b);
  const covers = (intervals: readonly Interval[], from: number, to: number) =>
    intervals.some(([start, end]) => start <= from && end >= to);
  return edges.slice(1).reduce((sum, to, index) => {
    const from = edges[index] as number;
    return covers(wanted, from, to) && !covers(others, from, to) ? sum + (to - from) / 1000 : sum;
  }, 0);
}
