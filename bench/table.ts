// The table that a person reads.
import type { MeasuredFigure, Session } from './document.ts';
import type { Figure } from './figures.ts';
import { median } from './samples.ts';

const HEADINGS = ['figure', 'what', 'value', 'bar', 'met', 'spread', 'runs'];
const LEFT = 2;

/** One line a figure: value, bar, whether it is met, and the lowest and the highest run. */
export function figureTable(figures: readonly MeasuredFigure[]): string {
  return columns([HEADINGS, ...figures.map(cellsOf)]);
}

function cellsOf({ name, title, unit, bar, value, runs }: MeasuredFigure): string[] {
  const shown = unit === 'ratio' ? '' : ` ${unit}`;
  const spread = `${short(Math.min(...runs))} to ${short(Math.max(...runs))}`;
  return [
    name,
    title,
    short(value) + shown,
    short(bar) + shown,
    value <= bar ? 'met' : 'NOT MET',
    spread,
    `${runs.length}`,
  ];
}

/** Medians of what has no bar. */
export function apartTable(apart: Session['apart']): string {
  return columns(
    Object.entries(apart).map(([name, runs]) => [
      name,
      short(median(runs)),
      `${short(Math.min(...runs))} to ${short(Math.max(...runs))}`,
    ]),
  );
}

/** A bar as the table and the page show it. */
export const barText = ({ bar, unit }: Pick<Figure, 'bar' | 'unit'>): string =>
  short(bar) + (unit === 'ratio' ? '' : ` ${unit}`);

const short = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

function columns(rows: readonly (readonly string[])[]): string {
  const width = (index: number) => Math.max(...rows.map((row) => row[index]?.length ?? 0));
  const cell = (text: string, index: number) =>
    index < LEFT ? text.padEnd(width(index)) : text.padStart(width(index));
  return rows.map((row) => `  ${row.map(cell).join('  ')}`.trimEnd()).join('\n');
}
