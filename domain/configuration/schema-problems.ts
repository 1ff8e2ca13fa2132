// What the schema found wrong, in words: the rule, the value where it may be shown, an example, the nearest known name.
import type { z } from 'zod';
import { exampleFor } from './examples.ts';
import { namesAt, nearestName } from './known-names.ts';
import { type ConfigurationProblem, type PathPart, pathText } from './problem.ts';
import { isSecretLike, type Position, type YamlSource } from './yaml-source.ts';

type Issue = z.core.$ZodIssue;

/** Problems of one schema issue: an issue about unknown names becomes one problem a name. */
export function schemaProblems(schema: z.ZodType, issue: Issue, source: YamlSource): ConfigurationProblem[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  if (issue.code === 'unrecognized_keys') {
    const known = namesAt(schema, path);
    return issue.keys.map((key) => unknownName(key, path, known, source));
  }
  if (issue.code === 'invalid_key') return [invalidName(path, issue, source)];
  return [invalidValue(path, issue, source)];
}

function problem(path: readonly PathPart[], position: Position, message: string): ConfigurationProblem {
  return { level: 'error', ...position, path: pathText(path), message, example: exampleFor(path) };
}

function unknownName(
  name: string,
  parent: readonly PathPart[],
  known: readonly string[],
  source: YamlSource,
): ConfigurationProblem {
  const path = [...parent, name];
  const nearest = nearestName(name, known);
  const advice = nearest === null ? `known are ${listed(known)}` : `did you mean '${nearest}'?`;
  const message = `'${name}' is not a setting here: ${advice}`;
  return { ...problem(path, source.positionOfKey(path), message), example: null };
}

function invalidName(path: readonly PathPart[], issue: Issue, source: YamlSource): ConfigurationProblem {
  const rule = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  return { ...problem(path, source.positionOfKey(path), `${rule}; this one is '${path.at(-1)}'`), example: 'west' };
}

function invalidValue(path: readonly PathPart[], issue: Issue, source: YamlSource): ConfigurationProblem {
  const input = issue.code === 'invalid_union' ? memberOf(issue.input, path.at(-1)) : issue.input;
  const position = source.positionOf(path);
  if (input === undefined) return problem(path, position, `is missing: ${ruleOf(issue)}`);
  const shown = isSecretLike(path, input) || typeof input === 'object' ? '' : `, not '${String(input)}'`;
  return problem(path, position, `${ruleOf(issue)}${shown}`);
}

const memberOf = (value: unknown, name: PathPart | undefined): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[String(name)] : undefined;

const listed = (names: readonly unknown[]): string => names.map((name) => `'${String(name)}'`).join(', ');

const TYPES: Record<string, string> = {
  array: 'a list',
  object: 'a map of settings',
  record: 'a map of names',
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  string: 'a text',
};

function ruleOf(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${TYPES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `must be one of ${listed(issue.values)}`;
    case 'invalid_union':
      return `must be one of ${listed((issue as { options?: unknown[] }).options ?? [])}`;
    case 'too_small':
      return `must ${bound(issue.origin, 'at least', Number(issue.minimum))}`;
    case 'too_big':
      return `must ${bound(issue.origin, 'at most', Number(issue.maximum))}`;
    case 'invalid_format':
      return issue.format === 'url' ? 'must be an address with a scheme' : issue.message;
    default:
      return issue.message;
  }
}

function bound(origin: string, side: string, limit: number): string {
  if (origin === 'string') return limit === 1 ? 'not be empty' : `have ${side} ${limit} characters`;
  if (origin === 'array') return `have ${side} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  return `be ${side} ${limit}`;
}
