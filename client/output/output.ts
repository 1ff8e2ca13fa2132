// Where answers go: data to standard output, everything else to standard error.
import { styleText } from 'node:util';

export interface TextSink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan';

/** One command's answer. With JSON there is exactly one document on standard output, whatever happens. */
export class Output {
  private json = false;
  private answered = false;
  private readonly stdout: TextSink;
  private readonly stderr: TextSink;
  private readonly environment: Readonly<Record<string, string | undefined>>;

  constructor(
    stdout: TextSink = process.stdout,
    stderr: TextSink = process.stderr,
    environment: Readonly<Record<string, string | undefined>> = process.env,
  ) {
    this.stdout = stdout;
    this.stderr = stderr;
    this.environment = environment;
  }

  useJson(json: boolean): void {
    this.json = json;
  }

  get isJson(): boolean {
    return this.json;
  }

  /** True when a person watches and can be asked. */
  get isInteractive(): boolean {
    return !this.json && this.stderr.isTTY === true && process.stdin.isTTY === true;
  }

  /** Width for progress on standard error; null when it is not a terminal. */
  get liveColumns(): number | null {
    // A terminal that does not know its width says 0.
    return this.stderr.isTTY === true && this.environment.TERM !== 'dumb' ? this.stderr.columns || 80 : null;
  }

  /** The command's answer, in the form that was asked for. */
  answer(human: string, data: unknown): void {
    if (this.json && this.answered) return;
    this.answered = true;
    this.write(this.json ? `${JSON.stringify(data, null, 2)}\n` : withNewline(human));
  }

  /** Raw text for standard output. */
  write(text: string): void {
    this.stdout.write(text);
  }

  /** A line for the person beside the answer. */
  note(text: string): void {
    this.stderr.write(withNewline(text));
  }

  /** Raw text for standard error (progress). */
  writeLive(text: string): void {
    this.stderr.write(text);
  }

  /** Colours text for standard output; plain with NO_COLOR or where it is not a terminal. */
  paint(style: Style, text: string): string {
    return !this.json && this.coloured(this.stdout) ? styleText(style, text, { validateStream: false }) : text;
  }

  /** The same for standard error. */
  paintNote(style: Style, text: string): string {
    return this.coloured(this.stderr) ? styleText(style, text, { validateStream: false }) : text;
  }

  private coloured(sink: TextSink): boolean {
    return sink.isTTY === true && !this.environment.NO_COLOR && this.environment.TERM !== 'dumb';
  }
}

const withNewline = (text: string) => (text.endsWith('\n') || text === '' ? text : `${text}\n`);
