// The activities around who can open what is stored.
import type { RepositoryActivities } from '../../domain/contracts/repository.ts';
import type { RepositoryContext } from './context.ts';
import { planRotation, reportHeldKeys } from './held-keys.ts';
import { removeRetiredKeys, rotateKeys } from './key-rotation.ts';

type KeyActivities = Pick<RepositoryActivities, 'reportKeys' | 'planKeyRotation' | 'rotateKeys' | 'removeRetiredKeys'>;

/** Showing and rotating the keys of stored backups. */
export function keyActivities(context: RepositoryContext): KeyActivities {
  return {
    /**
     * Does: reads the newest checkpoint and the manifests.
     * Repeat: reads again.
     * Undo: none needed, nothing is changed.
     */
    reportKeys: () => reportHeldKeys(context),
    /**
     * Does: compares who can open each backup with the configured recipients.
     * Repeat: compares again.
     * Undo: none needed, nothing is changed.
     */
    planKeyRotation: () => planRotation(context),
    /**
     * Does: writes the next keys into every tier, proves them, and names them in the next checkpoint.
     * Repeat: finds the keys of an earlier try, proves them and goes on; what is rotated already is left alone.
     * Undo: a rotation with the earlier recipients; the old keys open everything that was not rotated yet.
     */
    rotateKeys: (input) => rotateKeys(context, input),
    /**
     * Does: removes wrapped keys that the newest checkpoint does not name.
     * Repeat: removes the rest.
     * Undo: none: the key that the checkpoint names was read whole before.
     */
    removeRetiredKeys: () => removeRetiredKeys(context),
  };
}
