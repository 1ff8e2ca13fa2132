// A full disk ends an isolated broker in many ways, none of which says so: here it is named.
import { Failure } from '../../domain/failures.ts';
import { roomIn } from '../shared/room.ts';

/** Below this an Erlang node cannot work: it blocks publishers (at 1 MB), or ends. */
export const WORKS_WITH_BYTES = 2 * 1024 * 1024;

/** The failure of an isolated broker as what it comes from. */
export async function orNoSpace(path: string, error: unknown): Promise<unknown> {
  const free = await roomIn(path).catch(() => Number.POSITIVE_INFINITY);
  if (free >= WORKS_WITH_BYTES || (error instanceof Failure && error.code === 'NO_SPACE')) return error;
  const what = `the disk under an isolated broker is full: ${error instanceof Error ? error.message : String(error)}`;
  return new Failure('NO_SPACE', what, { path, needBytes: WORKS_WITH_BYTES }, error);
}
