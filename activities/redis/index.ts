// Redis as a protected system.
import type { ProtectedSystem } from '../../domain/contracts/protected-system.ts';
import { checkBackup } from './check-backup.ts';
import { countMarkers } from './count-markers.ts';
import { inspect } from './inspect.ts';
import { observe } from './observe.ts';
import { planRestore } from './plan-restore.ts';
import { readPosition } from './position.ts';
import { finishRestore, runRestoreStep, undoRestoreStep } from './restore-steps.ts';
import type { RedisDependencies } from './run-folder.ts';
import { takeBackup } from './take-backup.ts';

/** Builds the activities of Redis for one site. */
export function createRedis(deps: RedisDependencies): ProtectedSystem {
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
