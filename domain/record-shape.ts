// Small checks of JSON that came from outside: a record is taken whole or not at all.
import { Failure, type FailureCode } from './failures.ts';
import type { JsonValue } from './json.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Reads typed members of a JSON object and fails with `code` at the first that does not fit. */
export interface RecordShape {
  text(name: string, pattern?: RegExp): string;
  whole(name: string): number;
  textOrNull(name: string, pattern?: RegExp): string | null;
  wholeOrNull(name: string): number | null;
  list<T>(name: string, read: (shape: RecordShape) => T): readonly T[];
  texts(name: string, pattern?: RegExp): readonly string[];
  mapOf<T>(name: string, accepts: (value: unknown) => value is T): Readonly<Record<string, T>>;
  /** A member of any shape, which has to be there. */
  json(name: string): JsonValue;
  has(name: string): boolean;
}

export const SHA256 = /^[0-9a-f]{64}$/;
export const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;
export const isText = (value: unknown): value is string => typeof value === 'string';
export const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
export const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
export const isJson = (value: unknown): value is JsonValue => value !== undefined;

/** A reader of `value`'s members. @throws {Failure} `code` when it is not an object. */
export function shapeOf(value: unknown, what: string, code: FailureCode): RecordShape {
  const fail = (detail: string): never => {
    throw new Failure(code, `${what} is not well formed: ${detail}`);
  };
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return fail('not an object');
  const fields = value as Fields;
  const take = <T>(name: string, accepts: (member: unknown) => member is T): T => {
    const member = fields[name];
    return accepts(member) ? member : fail(`member '${name}'`);
  };
  const matches =
    (pattern: RegExp | undefined) =>
    (member: unknown): member is string =>
      isText(member) && (pattern === undefined || pattern.test(member));
  return {
    text: (name, pattern) => take(name, matches(pattern)),
    whole: (name) => take(name, isWhole),
    textOrNull: (name, pattern) => (fields[name] === null ? null : take(name, matches(pattern))),
    wholeOrNull: (name) => (fields[name] === null ? null : take(name, isWhole)),
    list: (name, read) =>
      take(name, Array.isArray).map((one, index) => read(shapeOf(one, `${what}, ${name}[${index}]`, code))),
    texts: (name, pattern) =>
      take(name, Array.isArray).map((one) => (matches(pattern)(one) ? one : fail(`member '${name}'`))),
    mapOf: (name, accepts) => {
      const map = take(name, (one): one is Fields => one !== null && typeof one === 'object' && !Array.isArray(one));
      for (const [key, member] of Object.entries(map)) if (!accepts(member)) fail(`member '${name}.${key}'`);
      return map as never;
    },
    json: (name) => take(name, isJson),
    has: (name) => fields[name] !== undefined,
  };
}

/** JSON of `bytes`, as text. @throws {Failure} `code` when it is not JSON. */
export function parseJson(text: string, what: string, code: FailureCode): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Failure(code, `${what} is not JSON`, {}, cause);
  }
}
