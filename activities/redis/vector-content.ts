// A vector set (Redis 8) read element by element: loading turns the order around that its packed form has.
import type { Redis } from 'ioredis';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { batch } from './commands.ts';
import type { Item } from './key-content.ts';

const ELEMENTS_AT_ONCE = 500;
/** More than there are: then every element is told once. */
const ALL = 2 ** 31 - 1;

/** What holds for the whole set: how its vectors are packed, and their dimension. */
export async function vectorSetNature(redis: Redis, key: Buffer): Promise<Item> {
  const flat = (await redis.callBuffer('VINFO', key)) as unknown[];
  const told = new Map(Array.from({ length: flat.length / 2 }, (_, at) => [String(flat[at * 2]), flat[at * 2 + 1]]));
  return ['quant-type', 'vector-dim', 'projection-input-dim', 'hnsw-m'].map((name) =>
    Buffer.from(String(told.get(name))),
  );
}

/** Every element with its vector as the server keeps it and its attributes, in no order. */
export async function* vectorsOf(redis: Redis, key: Buffer): AsyncGenerator<readonly Item[]> {
  const elements = (await redis.callBuffer('VRANDMEMBER', key, ALL)) as Buffer[];
  for (let from = 0; from < elements.length; from += ELEMENTS_AT_ONCE) {
    throwIfCancelled();
    const some = elements.slice(from, from + ELEMENTS_AT_ONCE);
    const answers = await batch(
      redis,
      some.flatMap((element) => [
        ['VEMB', key, element, 'RAW'],
        ['VGETATTR', key, element],
      ]),
    );
    yield some.map((element, index) => [element, ...partsOf(answers[index * 2]), ...partsOf(answers[index * 2 + 1])]);
  }
}

// An element without attributes answers null, which is not the empty attribute.
function partsOf(answer: unknown): Buffer[] {
  if (answer === null) return [];
  const parts = Array.isArray(answer) ? answer : [answer];
  return parts.map((part) => (Buffer.isBuffer(part) ? part : Buffer.from(String(part))));
}
