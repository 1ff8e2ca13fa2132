// The failover's activities. The epoch, the approvals and the fence are at the witness; what keeps clients out is at the
// site itself.
import type { ApprovalWanted, GivenApproval } from '../approval.ts';
import type { Epoch, EpochRecord, Intent } from '../epoch.ts';
import type { FencePlan, FenceProof } from '../failover.ts';
import type { HandoverCommands } from '../planned-failover.ts';

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
  /** Sites that were the active one before, the last one first; a failover that was undone made none. */
  formerSites(input: Record<string, never>): Promise<readonly string[]>;
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
  /** Orders the fence, runs the site's commands, then looks at each of its stores. @throws {Failure} EPOCH_BROKEN. */
  fence(input: { readonly site: string; readonly epoch: number }): Promise<readonly FenceProof[]>;
  /** Looks at each store of a site, from the witness. */
  probeFence(input: { readonly site: string }): Promise<readonly FenceProof[]>;
  /** Starts a fenced site again and waits for its stores. @throws {Failure} TOOL_FAILED, STORE_UNREACHABLE. */
  undoFence(input: { readonly site: string }): Promise<readonly FenceProof[]>;
  /** What the configuration runs when one site hands over to another. */
  planHandover(input: { readonly from: string; readonly to: string }): Promise<HandoverCommands>;
}

/** On the queue of the site whose clients are meant. */
export interface QuiesceActivities {
  /** Keeps clients out. @throws {Failure} TOOL_FAILED. */
  quiesce(input: { readonly site: string }): Promise<void>;
  /** Lets them in again. @throws {Failure} TOOL_FAILED. */
  letClientsIn(input: { readonly site: string }): Promise<void>;
}
