// The failover's activities: the epoch, the approvals and the fence. All of them run at the witness.
import type { ApprovalWanted, GivenApproval } from '../approval.ts';
import type { Epoch, EpochRecord, Intent } from '../epoch.ts';
import type { FencePlan, FenceProof } from '../failover.ts';

export interface TakeEpochInput {
  /** The number that the caller saw: the next one is taken. */
  readonly after: number;
  readonly from: string;
  readonly to: string;
  /** `<workflow id>/<run id>`. */
  readonly run: string;
  readonly intent: Intent;
  readonly person: string;
}

export interface FailoverActivities {
  /** The epoch that holds. @throws {Failure} EPOCH_BROKEN. */
  readEpoch(input: Record<string, never>): Promise<Epoch>;
  /** Takes the number after `after`. @throws {Failure} EPOCH_TAKEN naming who has it, EPOCH_BROKEN. */
  takeEpoch(input: TakeEpochInput): Promise<EpochRecord>;
  /** Checks one signed statement and uses it up. @throws {Failure} APPROVAL_REFUSED. */
  acceptApproval(input: { readonly text: string; readonly wanted: ApprovalWanted }): Promise<GivenApproval>;
  /** How many people have to approve. */
  approvalsNeeded(
    input: Record<string, never>,
  ): Promise<{ readonly count: number; readonly people: readonly string[] }>;
  /** What will fence a site. */
  planFence(input: { readonly site: string }): Promise<FencePlan>;
  /** Runs the site's fence commands, then looks at each of its stores. @throws {Failure} TOOL_FAILED. */
  fence(input: { readonly site: string; readonly epoch: number }): Promise<readonly FenceProof[]>;
  /** Looks at each store of a site, from the witness. */
  probeFence(input: { readonly site: string }): Promise<readonly FenceProof[]>;
}
