// Terraform at the witness: activities `terraform.<verb>` on the queue `control`, offered where a site has `terraform`.
// A plan is a file there; what crosses Temporal is its digest and what it would do, never a value out of it.
import type { TerraformApplied, TerraformPlan } from '../terraform.ts';
import type { Finding } from './protected-system.ts';

export interface TerraformInput {
  readonly site: string;
  /** `<workflow id>/<run id>`: a run has one plan of a site at a time. */
  readonly run: string;
}

export interface ApplyTerraformInput extends TerraformInput {
  /** Of the plan that people were shown. */
  readonly digest: string;
}

export interface UnlockTerraformInput extends TerraformInput {
  /** The lock that a person has named; another one stays. */
  readonly lock: string;
}

export interface TerraformActivities {
  /**
   * Makes a plan and keeps its file when it changes anything.
   * @throws {Failure} TERRAFORM_REFUSED when what holds data would not stay, TERRAFORM_LOCKED naming who holds the
   * state, TERRAFORM_FAILED, VERSION_UNFIT, TOOL_MISSING.
   */
  planChanges(input: TerraformInput): Promise<TerraformPlan>;
  /**
   * Carries out exactly the plan of that digest, or what an earlier attempt of this run left of it.
   * @throws {Failure} PLAN_CHANGED when the state has moved on or the file is not that plan, else as `planChanges`.
   */
  applyPlan(input: ApplyTerraformInput): Promise<TerraformApplied>;
  /** Removes the run's plan file. */
  discardPlan(input: TerraformInput): Promise<void>;
  /** Takes away the lock of a run that is dead. @throws {Failure} TERRAFORM_FAILED when another one is held. */
  unlock(input: UnlockTerraformInput): Promise<void>;
  /** Whether a failover could use it now: program, providers, state, lock, and what it would change. */
  look(input: TerraformInput): Promise<readonly Finding[]>;
}
