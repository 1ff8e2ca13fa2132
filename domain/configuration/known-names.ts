// Which names the schema knows at a place, and which of them was probably meant.
import type { z } from 'zod';
import type { PathPart } from './problem.ts';

interface Definition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly shape?: Record<string, z.ZodType>;
  readonly options?: readonly z.ZodType[];
}

const definitionOf = (schema: z.ZodType): Definition => schema.def as unknown as Definition;

function unwrap(schema: z.ZodType): z.ZodType {
  const { innerType } = definitionOf(schema);
  return innerType ? unwrap(innerType) : schema;
}

function branches(schema: z.ZodType): readonly z.ZodType[] {
  const plain = unwrap(schema);
  return definitionOf(plain).options?.map(unwrap) ?? [plain];
}

function children(schema: z.ZodType, part: PathPart): readonly z.ZodType[] {
  return branches(schema).flatMap((branch) => {
    const { shape, valueType, element } = definitionOf(branch);
    const child = shape?.[String(part)] ?? valueType ?? element;
    return child ? [child] : [];
  });
}

/** The names that a map at `path` may have; empty where any name may stand. */
export function namesAt(schema: z.ZodType, path: readonly PathPart[]): string[] {
  const at = path.reduce<readonly z.ZodType[]>(
    (schemas, part) => schemas.flatMap((one) => children(one, part)),
    [schema],
  );
  const names = at.flatMap(branches).flatMap((branch) => Object.keys(definitionOf(branch).shape ?? {}));
  return [...new Set(names)];
}

/** The candidate most like `name`, or null when none is near. */
export function nearestName(name: string, candidates: readonly string[]): string | null {
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best && best.distance <= Math.max(2, Math.floor(best.candidate.length / 3)) ? best.candidate : null;
}

// Levenshtein's distance with neighbours swapped counted once (optimal string alignment).
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) row.push(cell(a, b, i, j, row, last, beforeLast));
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

function cell(
  a: string,
  b: string,
  i: number,
  j: number,
  row: readonly number[],
  last: readonly number[],
  beforeLast: readonly number[],
): number {
  const at = (values: readonly number[], index: number) => values[index] ?? Number.POSITIVE_INFINITY;
  const differs = a[i - 1] === b[j - 1] ? 0 : 1;
  const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
  const swap = swapped ? at(beforeLast, j - 2) + 1 : Number.POSITIVE_INFINITY;
  return Math.min(at(row, j - 1) + 1, at(last, j) + 1, at(last, j - 1) + differs, swap);
}
