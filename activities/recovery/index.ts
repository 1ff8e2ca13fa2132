// What a recovery needs from outside of its workflow.
import { createHash } from 'node:crypto';
import type { RecoveryActivities } from '../../domain/contracts/recovery.ts';
import { canonicalJson } from '../../domain/json.ts';

export function createRecovery(): RecoveryActivities {
  return {
    /**
     * Does: hashes a plan.
     * Repeat: the same plan has the same digest.
     * Undo: none needed, nothing is changed.
     */
    digestPlan: async ({ plan }) => ({ digest: createHash('sha256').update(canonicalJson(plan)).digest('hex') }),
  };
}
