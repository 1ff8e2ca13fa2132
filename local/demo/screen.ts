// What the demo prints: plain lines, bars that are redrawn in place on a terminal and told now and then elsewhere.
import { styleText } from 'node:util';

export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Bars {
  /** `done` of `total` of one bar; the first call for a name adds it below the others. */
  update(name: string, done: number, total: number): void;
  /** Draws the last state and leaves it standing. */
  end(): void;
}

type Style = 'bold' | 'dim' | 'green' | 'red';

const REDRAW_MS = 200;
const TELL_MS = 5000;
const BAR_CELLS = 30;
const NAME_CELLS = 12;

export class Screen {
  private readonly sink: Sink;
  private readonly coloured: boolean;
  private readonly terminal: boolean;

  constructor(sink: Sink = process.stdout, environment: Readonly<Record<string, string | undefined>> = process.env) {
    this.sink = sink;
    this.terminal = sink.isTTY === true && environment.TERM !== 'dumb';
    this.coloured = this.terminal && !environment.NO_COLOR;
  }

  /** A chapter of the story. */
  chapter(text: string): void {
    this.line(`\n${this.paint('bold', text)}`);
  }

  line(text: string): void {
    this.sink.write(`${text}\n`);
  }

  good(text: string): void {
    this.line(`  ${this.paint('green', 'ok')}  ${text}`);
  }

  bad(text: string): void {
    this.line(`  ${this.paint('red', 'NO')}  ${text}`);
  }

  paint(style: Style, text: string): string {
    return this.coloured ? styleText(style, text, { validateStream: false }) : text;
  }

  /** Bars for things that go on side by side. */
  bars(): Bars {
    return this.terminal ? drawnBars(this.sink) : toldBars((text) => this.line(text));
  }
}

interface BarState {
  readonly done: number;
  readonly total: number;
}

function drawnBars(sink: Sink): Bars {
  const states = new Map<string, BarState>();
  let drawnLines = 0;
  let drawnAt = 0;
  const draw = () => {
    const up = drawnLines === 0 ? '' : `\x1b[${drawnLines}A`;
    const width = (sink.columns || 80) - 1;
    const lines = [...states].map(([name, state]) => `\r\x1b[K${barLine(name, state).slice(0, width)}\n`);
    sink.write(up + lines.join(''));
    drawnLines = lines.length;
    drawnAt = Date.now();
  };
  return {
    update: (name, done, total) => {
      states.set(name, { done, total });
      if (Date.now() - drawnAt >= REDRAW_MS) draw();
    },
    end: draw,
  };
}

// Without a terminal: each bar once every few seconds while it moves, and once when it is full.
function toldBars(line: (text: string) => void): Bars {
  const started = Date.now();
  const toldAt = new Map<string, number>();
  return {
    update: (name, done, total) => {
      const now = Date.now();
      if (done < total && now - (toldAt.get(name) ?? started) < TELL_MS) return;
      toldAt.set(name, now);
      line(`  ${name}: ${count(done)} of ${count(total)}`);
    },
    end: () => undefined,
  };
}

function barLine(name: string, { done, total }: BarState): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const cells = Math.floor(share * BAR_CELLS);
  const bar = `${'█'.repeat(cells)}${'░'.repeat(BAR_CELLS - cells)}`;
  return `  ${name.padEnd(NAME_CELLS)} ${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${count(done)} of ${count(total)}`;
}

/** A whole number with thousands marked: `1,367,000`. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** Bytes in a unit that leaves two to four digits: `341 MB` (decimal units). */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${power > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

/** A length of time as a person says it: `0.8 s`, `42 s`, `3 min 05 s`, `2 h`. */
export function time(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole % 3600 === 0) return `${whole / 3600} h`;
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  return rest === 0 ? `${minutes} min` : `${minutes} min ${String(rest).padStart(2, '0')} s`;
}

const FIGURE = /^(\d[\d.,]*( ?[a-zA-Z]+| ?%|:1)?( \d\d s)?)?$/;

/** Rows as aligned columns; the first row is the head, and columns whose cells are all figures stand to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const [head = [], ...body] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const isFigure = head.map((_, column) => body.every((row) => FIGURE.test(row[column] ?? '')));
  const cell = (text: string, column: number) =>
    isFigure[column] ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0);
  return rows.map((row) => `  ${row.map(cell).join('  ')}`.trimEnd());
}
