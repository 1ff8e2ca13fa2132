// The values that settings are made of, each with the words that a wrong one is told in.
import { z } from 'zod';

const SECRET = /^\$\{(?:env:[A-Za-z_][A-Za-z0-9_]*|file:[^}]+|command:\[.*\])\}$/s;
/** What begins like a reference to a secret, whether or not it is a good one. */
export const isSecretReference = (value: unknown): value is string =>
  typeof value === 'string' && /^\$\{(env|file|command):/.test(value);

const DURATION = /^(\d+)(ms|s|min|h|d)$/;
const UNIT_MS = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of a duration such as `90s`, `15min`, `1h`, `7d`. @throws {RangeError} for any other text. */
export function durationMs(text: string): number {
  const match = DURATION.exec(text);
  if (!match) throw new RangeError(`not a duration: ${text}`);
  return Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
}

export const secret = z
  .string()
  .regex(SECRET, 'a secret is given by reference: ${env:NAME}, ${file:/path} or ${command:["program","argument"]}');
export const duration = z
  .string()
  .regex(DURATION, 'a duration is a whole number and ms, s, min, h or d, for example 15min');
export const path = z.string().startsWith('/', 'a path starts with /');
export const slug = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,39}$/, 'a name has 1 to 40 of a-z, 0-9 and -, and starts with a letter');
export const port = z.int().min(1).max(65_535);
export const argv = z.array(z.string()).min(1).describe('a program and its arguments; no shell reads them');
