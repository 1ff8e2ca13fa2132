import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type BenchDocument, measuredFigures, merged, mergeInto, type Session } from '../../bench/document.ts';
import { FIGURES, type MeasurementName } from '../../bench/figures.ts';
import { Samples } from '../../bench/samples.ts';

function sessionAt(measuredAt: string): Session {
  const machine = { cores: 2, processor: 'one', memoryMib: 1, system: 'Linux', loadBefore: 0 };
  return { measuredAt, seconds: 1, machine, versions: {}, apart: {} };
}

function documentOf(measuredAt: string, value: number, names: readonly MeasurementName[]): BenchDocument {
  const figures = names.flatMap((name) => {
    const samples = new Samples();
    for (const figure of FIGURES) for (const run of [value, value + 1, value + 2]) samples.add(figure.name, run);
    return measuredFigures(name, samples);
  });
  return { figures, measurements: Object.fromEntries(names.map((name) => [name, sessionAt(measuredAt)])) };
}

const valuesOf = ({ figures }: BenchDocument) => figures.map(({ measurement, value }) => [measurement, value]);
const datesOf = ({ measurements }: BenchDocument) =>
  Object.fromEntries(Object.entries(measurements).map(([name, { measuredAt }]) => [name, measuredAt]));

const earlier = documentOf('monday', 10, ['command', 'redis', 'rabbitmq']);

test('a run of one measurement replaces its figures and its date, and leaves the others in their order', () => {
  const both = merged(earlier, documentOf('tuesday', 20, ['redis']), new Set<MeasurementName>(['redis']));
  expect(valuesOf(both)).toEqual([
    ['command', 11],
    ['redis', 21],
    ...Array.from({ length: 3 }, () => ['rabbitmq', 11]),
  ]);
  expect(datesOf(both)).toEqual({ command: 'monday', redis: 'tuesday', rabbitmq: 'monday' });
});

test('a measurement that failed has no figures any more, neither new nor old', () => {
  const tried = new Set<MeasurementName>(['redis', 'command']);
  const both = merged(earlier, documentOf('tuesday', 20, ['command']), tried);
  expect(datesOf(both)).toEqual({ command: 'tuesday', rabbitmq: 'monday' });
  expect(both.figures.map(({ name }) => name)).not.toContain('redis-vs-rdb');
});

test('a figure that was not measured is an error, not a number', () => {
  expect(() => measuredFigures('redis', new Samples())).toThrow("'redis-vs-rdb' was not measured");
});

test('a file is made when it is not there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'latest.json');
  const later = documentOf('tuesday', 20, ['redis']);
  await mergeInto(file, later, new Set<MeasurementName>(['redis']));
  expect(datesOf(JSON.parse(await readFile(file, 'utf8')))).toEqual({ redis: 'tuesday' });
});
