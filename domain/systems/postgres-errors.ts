// Which failure of ours a PostgreSQL error is: by SQLSTATE for queries, by the last words for its command-line tools.
import { Failure, type FailureCode, type FailureDetails } from '../failures.ts';

interface Kind {
  readonly code: FailureCode;
  readonly details?: FailureDetails;
}

const RIGHT: Kind = { code: 'ACCESS_DENIED', details: { need: 'the right that PostgreSQL names above' } };
const LOGIN: Kind = {
  code: 'ACCESS_DENIED',
  details: { need: 'the right user and password, and a line in pg_hba.conf' },
};
const UNREACHABLE: Kind = { code: 'STORE_UNREACHABLE' };
const FULL: Kind = { code: 'NO_SPACE', details: { path: "the server's disk", needBytes: 'more' } };

// SQLSTATEs of PostgreSQL's appendix A; a two-character entry stands for its class.
const BY_STATE: Readonly<Record<string, Kind>> = {
  '28': LOGIN,
  '42501': RIGHT,
  '08': UNREACHABLE,
  '53300': UNREACHABLE,
  '57P': UNREACHABLE,
  '53100': FULL,
  '3D000': { code: 'PART_NOT_FOUND' },
};

const BY_SYSTEM_ERROR =
  /^(ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|EPIPE|ENOENT)$/;
const BY_WORDS: readonly (readonly [RegExp, Kind])[] = [
  [/password authentication failed|no pg_hba\.conf entry|no password supplied/i, LOGIN],
  [/permission denied|must be superuser|must be owner|must have .* privilege/i, RIGHT],
  [/server version mismatch/i, { code: 'VERSION_UNFIT', details: { need: "client tools of the server's version" } }],
  [/no space left on device|disk quota exceeded/i, FULL],
  [
    /connection refused|could not connect|connection to server .* failed|could not translate host|timeout expired|connection terminated|server closed the connection|terminating connection|starting up|shutting down/i,
    UNREACHABLE,
  ],
];

/** The failure behind an error of the `pg` client. `doing` says what was attempted, for the first line. */
export function failureOfQuery(error: unknown, doing: string): Failure {
  if (error instanceof Failure) return error;
  const { code = '', message = String(error) } = (error ?? {}) as { code?: string; message?: string };
  const kind = kindOfState(code) ?? kindOfWords(message) ?? { code: 'TOOL_FAILED' };
  return new Failure(kind.code, `${doing}: ${message}`, { sqlState: code, ...kind.details }, error);
}

/** A more telling failure for a tool's, judged by its last words; others pass unchanged. */
export function failureOfTool(error: unknown): unknown {
  if (!(error instanceof Failure) || error.code !== 'TOOL_FAILED') return error;
  const kind = kindOfWords(String(error.details.words ?? ''));
  return kind ? new Failure(kind.code, error.message, { ...error.details, ...kind.details }, error) : error;
}

function kindOfState(code: string): Kind | undefined {
  if (BY_SYSTEM_ERROR.test(code)) return UNREACHABLE;
  return BY_STATE[code] ?? BY_STATE[code.slice(0, 3)] ?? BY_STATE[code.slice(0, 2)];
}

function kindOfWords(words: string): Kind | undefined {
  return BY_WORDS.find(([pattern]) => pattern.test(words))?.[1];
}
