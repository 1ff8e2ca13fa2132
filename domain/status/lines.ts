// What a look means when nothing was seen, and the worst of several.
import type { Look, Unseen } from '../contracts/status.ts';
import type { Health, StatusLine } from '../contracts/system-status.ts';

const ORDER: readonly Health[] = ['ok', 'warning', 'unknown', 'failed'];

/** The worst: failed before unknown before warning before ok. What holds nothing was not looked at: unknown. */
export function worstOf(levels: readonly Health[]): Health {
  const worst = Math.max(...levels.map((level) => ORDER.indexOf(level)));
  return ORDER[worst] ?? 'unknown';
}

/**
 * The line for a look that saw nothing. Only a refusal proves that something is down; silence, a wrong password or a
 * missing tool prove nothing about what was asked.
 */
export function unseenLine(subject: string, { code, message, silent }: Unseen, mend?: string): StatusLine {
  const level = code === 'STORE_UNREACHABLE' && !silent ? 'failed' : 'unknown';
  return { level, subject, message, code, ...(mend === undefined ? {} : { mend }) };
}

/** The lines of what was seen, or the one that says why nothing was. */
export function linesOf<T>(
  subject: string,
  look: Look<T>,
  tell: (seen: T) => readonly StatusLine[],
): readonly StatusLine[] {
  return 'seen' in look ? tell(look.seen) : [unseenLine(subject, look.unseen)];
}

const MOST_LINES = 40;

/** As many lines as a person reads, none that is not well left out for one that is; the order stays where all fit. */
export function worstFirst(lines: readonly StatusLine[]): {
  readonly shown: readonly StatusLine[];
  readonly more: number;
} {
  if (lines.length <= MOST_LINES) return { shown: lines, more: 0 };
  const sorted = lines.toSorted((a, b) => ORDER.indexOf(b.level) - ORDER.indexOf(a.level));
  return { shown: sorted.slice(0, MOST_LINES), more: lines.length - MOST_LINES };
}
