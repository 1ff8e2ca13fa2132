// Patterns for files below a root. Node's own matcher passes over names that begin with a dot, and `.env` is the very
// file that must not be missed; so here `*` and `**` mean every name.

import { Failure } from '../failures.ts';

export interface PathFilter {
  /** True when the path, or a folder above it, matches a pattern and none of the exclusions. */
  readonly selects: (path: string) => boolean;
  /** False when nothing below the folder can be selected: it need not be read. */
  readonly mayLeadTo: (folder: string) => boolean;
}

/**
 * A filter from glob patterns: `*` and `?` within a name, `**` over folders, `[a-z]`, `[!a-z]`, `{a,b}`.
 * A pattern that matches a folder means everything in it.
 * @throws {Failure} CONFIG_INVALID for a pattern that cannot be read, such as `[z-a]`.
 */
export function pathFilter(patterns: readonly string[], exclude: readonly string[]): PathFilter {
  const wanted = patterns.flatMap(expandBraces).map(segmentsOf);
  const unwanted = exclude.flatMap(expandBraces).map(segmentsOf);
  const excludes = (parts: readonly string[]) => unwanted.some((pattern) => matchesSomeFolder(pattern, parts));
  return {
    selects(path) {
      const parts = path.split('/');
      return wanted.some((pattern) => matchesSomeFolder(pattern, parts)) && !excludes(parts);
    },
    mayLeadTo(folder) {
      const parts = folder.split('/');
      return wanted.some((pattern) => agreesSoFar(pattern, parts)) && !excludes(parts);
    },
  };
}

type Segment = RegExp | '**';

function segmentsOf(pattern: string): Segment[] {
  const segments = pattern.split('/').filter((part) => part !== '' && part !== '.');
  return segments.map((part) => (part === '**' ? '**' : compile(part, pattern)));
}

function compile(part: string, pattern: string): RegExp {
  try {
    return new RegExp(`^${segmentSource(part)}$`, 'su');
  } catch (cause) {
    throw new Failure('CONFIG_INVALID', `'${pattern}' is not a file pattern`, {}, cause);
  }
}

const TOKEN = /\*+|\?|\[(?:!|\^)?\]?[^\]]*\]|./gsu;

function segmentSource(part: string): string {
  return part.replaceAll(TOKEN, (token) => {
    if (token.startsWith('*')) return '[^/]*';
    if (token === '?') return '[^/]';
    if (token.length > 1 && token.startsWith('[')) return classSource(token);
    return literal(token);
  });
}

const literal = (text: string): string => text.replaceAll(/[\^$\\.*+?()[\]{}|/]/g, '\\$&');

function classSource(token: string): string {
  const negated = /^\[[!^]/.test(token);
  const body = token.slice(negated ? 2 : 1, -1).replaceAll(/[\^\\[\]]/g, '\\$&');
  return `(?!/)[${negated ? '^' : ''}${body}]`;
}

function matchesSomeFolder(pattern: readonly Segment[], parts: readonly string[]): boolean {
  return parts.some((_, index) => matches(pattern, parts.slice(0, index + 1)));
}

function matches(pattern: readonly Segment[], parts: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return parts.length === 0;
  if (first === '**') {
    if (rest.length === 0) return parts.length > 0;
    return parts.some((_, index) => matches(rest, parts.slice(index)));
  }
  const [part, ...others] = parts;
  return part !== undefined && first.test(part) && matches(rest, others);
}

function agreesSoFar(pattern: readonly Segment[], parts: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  const [part, ...others] = parts;
  if (part === undefined || first === undefined || first === '**') return true;
  return first.test(part) && agreesSoFar(rest, others);
}

/** `a{b,c}` as `ab` and `ac`; braces may be nested. A brace without its partner is an ordinary letter. */
export function expandBraces(pattern: string): string[] {
  const open = /\{([^{}]*)\}/.exec(pattern);
  if (!open?.[1]?.includes(',')) return [pattern];
  const before = pattern.slice(0, open.index);
  const after = pattern.slice(open.index + open[0].length);
  return open[1].split(',').flatMap((choice) => expandBraces(`${before}${choice}${after}`));
}
