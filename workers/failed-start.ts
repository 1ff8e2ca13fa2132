// How a program that lasts ends when it cannot go on: three lines and the exit code of its failure.
import { describeFailure, EXIT, FAILURES, Failure } from '../domain/failures.ts';

/** Says why, and ends the process. */
export function exitTelling(error: unknown): never {
  process.stderr.write(`${tell(error)}\n`);
  // Temporal's native runtime keeps a process alive after a failed start; it must not look like one that works.
  process.exit(error instanceof Failure ? FAILURES[error.code].exit : EXIT.failed);
}

function tell(error: unknown): string {
  if (error instanceof Failure) return describeFailure(error.code, error.message, error.details);
  return describeFailure('BUG', error instanceof Error ? (error.stack ?? error.message) : String(error));
}
