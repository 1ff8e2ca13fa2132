// Tables and lines for people. Names from outside may hold anything, also what a terminal would obey.

/** Text with control characters shown instead of sent. */
export function visible(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (character) => {
    const code = character.charCodeAt(0);
    return code > 0xff ? `\\u${code.toString(16)}` : `\\x${code.toString(16).padStart(2, '0')}`;
  });
}

/** Several lines, each of them visible. */
export const visibleLines = (text: string): string => text.split('\n').map(visible).join('\n');

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly right?: boolean;
}

/** A table with two spaces between columns; the last column is not padded. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ value }) => visible(value(row)))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  const pad = (cell: string, index: number) => {
    const width = widths[index] ?? 0;
    return columns[index]?.right ? cell.padStart(width) : cell.padEnd(width);
  };
  return cells.map((line) => line.map(pad).join('  ').trimEnd()).join('\n');
}

/** An ISO time to the second: `2026-11-23 05:49:00Z`. */
export function timeText(iso: string): string {
  return /^\d{4}-\d\d-\d\dT/.test(iso) ? `${iso.slice(0, 10)} ${iso.slice(11, 19)}Z` : iso;
}
