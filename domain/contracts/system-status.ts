// How a protected system says that it is.
import type { JsonValue } from '../json.ts';

/** `unknown`: it could not be asked, so nothing may be concluded. It never counts as well. */
export type Health = 'ok' | 'warning' | 'failed' | 'unknown';

/** One thing that was looked at: a finding, or what could not be found out. */
export interface StatusLine {
  readonly level: Health;
  /** What was looked at, for example `database "orders"`. */
  readonly subject: string;
  readonly message: string;
  /** Failure code, or null for plain information. */
  readonly code: string | null;
  /** The command that mends it, when there is one. */
  readonly mend?: string;
}

/** How a protected system is now. */
export interface SystemStatus {
  readonly lines: readonly StatusLine[];
  /** The figures behind the lines, for programs. */
  readonly facts: Readonly<Record<string, JsonValue>>;
  /** ISO time of the newest change of what is protected; null where the store does not tell. */
  readonly changedAt: string | null;
}
