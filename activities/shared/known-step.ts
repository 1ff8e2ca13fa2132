// A plan outlives the worker that made it: another version of Holdfast may have to carry it out.
import { Failure } from '../../domain/failures.ts';
import type { SystemName } from '../../domain/systems.ts';

/** Never guesses at a step of another version, neither forward nor back. @throws {Failure} VERSION_UNFIT. */
export function requireKnownStep(system: SystemName, known: readonly string[], stepId: string): void {
  if (!known.includes(stepId)) throw unknownStep(system, stepId);
}

/** The failure for a step that this version does not know. */
export function unknownStep(system: SystemName, stepId: string): Failure {
  return new Failure(
    'VERSION_UNFIT',
    `this worker knows no step '${stepId}' of a restore of ${system}: another version of Holdfast made the plan`,
    { need: 'a worker of the version that made the plan carries it out or undoes it' },
  );
}
