import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { chosenMeasurements, FIGURES } from '../../bench/figures.ts';
import { barText } from '../../bench/table.ts';

const root = (path: string) => new URL(`../../${path}`, import.meta.url);
const page = readFileSync(root('docs/BENCHMARKS.md'), 'utf8');
const names = FIGURES.map(({ name }) => name);

test('the page explains exactly the figures of the benchmark, each with its bar', () => {
  const rows = page.split('\n').flatMap((line) => {
    const [, name, bar] = /^\| `([a-z0-9-]+)` +\| ([^|]+?) +\|/.exec(line) ?? [];
    return name === undefined ? [] : [[name, bar]];
  });
  expect(rows).toEqual(FIGURES.map((figure) => [figure.name, barText(figure)]));
});

test('every figure and measurement that the page names in a command can be asked for', () => {
  const words = [...page.matchAll(/npm run bench -- ([a-z][a-z0-9-]*)/g)].map(([, word = '']) => word);
  expect(words).not.toEqual([]);
  for (const word of words) expect(chosenMeasurements([word]).size).toBe(1);
});

test('the committed document holds each measured figure once, with the runs its value comes from', () => {
  const { figures, measurements } = JSON.parse(readFileSync(root('bench/latest.json'), 'utf8'));
  const measured: string[] = figures.map(({ name }: { name: string }) => name);
  expect(measured).toEqual(names.filter((name) => measured.includes(name)));
  expect(measured).not.toEqual([]);
  for (const { name, bar, runs, measurement } of figures) {
    expect(bar, name).toBe(FIGURES.find((figure) => figure.name === name)?.bar);
    expect(runs.length, name).toBeGreaterThanOrEqual(5);
    expect(Date.parse(measurements[measurement].measuredAt), name).toBeGreaterThan(0);
  }
});
