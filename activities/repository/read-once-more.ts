// One bad answer is not a bad object: what differs from its record is read a second time before it counts as damaged.
import { Failure } from '../../domain/failures.ts';

/** Reads, and once more when that ended with ARTIFACT_DAMAGED; the second answer counts. `read` may run twice. */
export async function readOnceMore<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'ARTIFACT_DAMAGED')) throw error;
    return read();
  }
}
