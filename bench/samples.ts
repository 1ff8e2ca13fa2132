// What was measured, run by run.

/** Collects the runs of each figure, and what is shown apart from them (seconds behind a ratio, for example). */
export class Samples {
  private readonly figures = new Map<string, number[]>();
  private readonly apart = new Map<string, number[]>();

  /** One run of a figure. */
  add(figure: string, value: number): void {
    put(this.figures, figure, value);
  }

  /** One run of something that has no bar; its name says its unit. */
  tell(name: string, value: number): void {
    put(this.apart, name, value);
  }

  runsOf(figure: string): readonly number[] {
    return this.figures.get(figure) ?? [];
  }

  toldApart(): Readonly<Record<string, readonly number[]>> {
    return Object.fromEntries(this.apart);
  }
}

function put(map: Map<string, number[]>, name: string, value: number): void {
  map.set(name, [...(map.get(name) ?? []), value]);
}

/** Middle value; of an even number of runs the mean of the two in the middle. */
export function median(runs: readonly number[]): number {
  const sorted = [...runs].sort((a, b) => a - b);
  const [low = Number.NaN, high = Number.NaN] = [
    sorted[Math.floor((sorted.length - 1) / 2)],
    sorted[Math.floor(sorted.length / 2)],
  ];
  return (low + high) / 2;
}
