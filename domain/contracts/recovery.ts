// The recovery's one activity of its own: workflows cannot hash.
import type { FailoverPlan } from '../failover.ts';
import type { RecoveryPlan } from '../recovery.ts';

export interface RecoveryActivities {
  /** SHA-256 (lower-case hex) of the plan's canonical JSON: what an approval binds to. */
  digestPlan(input: {
    readonly plan: Omit<RecoveryPlan, 'digest'> | Omit<FailoverPlan, 'digest'>;
  }): Promise<{ readonly digest: string }>;
}
