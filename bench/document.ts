// bench/latest.json: the figures, and of each measurement when, on what and with what it was made. A run of some
// measurements replaces theirs and leaves the others as they are.
import { readFile, writeFile } from 'node:fs/promises';
import { FIGURES, type Figure, type MeasurementName } from './figures.ts';
import type { Machine } from './machine.ts';
import { median, type Samples } from './samples.ts';

export interface MeasuredFigure extends Figure {
  /** Median of the runs. */
  readonly value: number;
  readonly runs: readonly number[];
}

/** What one measurement was made on. */
export interface Session {
  readonly measuredAt: string;
  readonly seconds: number;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  /** Runs of what has no bar, by a name that says its unit. */
  readonly apart: Readonly<Record<string, readonly number[]>>;
}

export interface BenchDocument {
  readonly figures: readonly MeasuredFigure[];
  readonly measurements: Readonly<Partial<Record<MeasurementName, Session>>>;
}

/** The figures of a measurement. @throws {Error} when one was not measured. */
export function measuredFigures(measurement: MeasurementName, samples: Samples): MeasuredFigure[] {
  return FIGURES.filter((figure) => figure.measurement === measurement).map((figure) => {
    const runs = samples.runsOf(figure.name);
    if (runs.length === 0) throw new Error(`'${figure.name}' was not measured`);
    return { ...figure, value: median(runs), runs };
  });
}

/** `earlier` with everything of the measurements that were made or tried taken from `later`. */
export function merged(
  earlier: BenchDocument,
  later: BenchDocument,
  tried: ReadonlySet<MeasurementName>,
): BenchDocument {
  const kept = earlier.figures.filter(({ measurement }) => !tried.has(measurement));
  const figures = FIGURES.flatMap(({ name }) => [...kept, ...later.figures].filter((one) => one.name === name));
  const sessions = Object.entries(earlier.measurements).filter(([name]) => !tried.has(name as MeasurementName));
  return { figures, measurements: { ...Object.fromEntries(sessions), ...later.measurements } };
}

/** Merges into a file, which may not be there. */
export async function mergeInto(file: string, later: BenchDocument, tried: ReadonlySet<MeasurementName>) {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '{ "figures": [], "measurements": {} }';
    throw error;
  });
  const document = merged(JSON.parse(text) as BenchDocument, later, tried);
  await writeFile(file, `${JSON.stringify(document, null, 2)}\n`);
}
