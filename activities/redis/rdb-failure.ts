// What it means when the walk through an RDB stops.
import { Failure } from '../../domain/failures.ts';
import { RdbError, UnknownRdbForm } from '../../domain/systems/byte-cursor.ts';

/**
 * An error of the walk as a failure of ours; others pass unchanged.
 * @param otherwise what damage means here: a transfer that went wrong, or a stored artifact.
 */
export function rdbFailure(error: unknown, otherwise: 'TOOL_FAILED' | 'ARTIFACT_DAMAGED'): unknown {
  if (error instanceof UnknownRdbForm)
    return new Failure('VERSION_UNFIT', `${error.message}: it was written by a newer Redis than Holdfast knows`, {
      need: 'a Holdfast that knows this form of RDB, or an older Redis',
    });
  if (error instanceof RdbError) return new Failure(otherwise, error.message, { system: 'redis' }, error);
  return error;
}
