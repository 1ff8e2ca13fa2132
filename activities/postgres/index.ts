// PostgreSQL as a protected system. What each function does, repeats and undoes stands where it is written.
import type { ProtectedSystem } from '../../domain/contracts/protected-system.ts';
import { checkBackup } from './check-backup.ts';
import type { Dependencies } from './context.ts';
import { countMarkers } from './count-markers.ts';
import { inspect } from './inspect.ts';
import { observe } from './observe.ts';
import { readPosition } from './position.ts';
import { finishRestore, planRestore, runRestoreStep, undoRestoreStep } from './restore.ts';
import { takeBackup } from './take-backup.ts';

/** The activities of PostgreSQL at one site. */
export function createPostgres(deps: Dependencies): ProtectedSystem {
  return {
    inspect: (input) => inspect(deps, input),
    observe: () => observe(deps),
    countMarkers: () => countMarkers(deps),
    readPosition: () => readPosition(deps),
    takeBackup: (input) => takeBackup(deps, input),
    checkBackup: (input) => checkBackup(deps, input),
    planRestore: (request) => planRestore(deps, request),
    runRestoreStep: (input) => runRestoreStep(deps, input),
    undoRestoreStep: (input) => undoRestoreStep(deps, input),
    finishRestore: (input) => finishRestore(deps, input),
  };
}
