// What can be said to a run and asked of it: workflow inputs and results, updates, queries, search attributes.
// The CLI and the workflows share this file; every handler takes one object, so that the Web UI can send it too.
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Finding, RestorePlan, RestoreRequest } from '../domain/contracts/protected-system.ts';
import type { Question } from '../domain/contracts/questions.ts';
import type { FailoverPlan } from '../domain/failover.ts';
import type { FailoverRecord } from '../domain/failover-record.ts';
import type { FailureCode } from '../domain/failures.ts';
import type { RotationPlan } from '../domain/key-rotation.ts';
import type { BackupRef, BackupSummary } from '../domain/manifest.ts';
import type { PlannedFailoverPlan } from '../domain/planned-failover.ts';
import type { RecoveryPlan, RecoveryWish } from '../domain/recovery.ts';
import type { RetentionDecision } from '../domain/retention.ts';
import type { OperatorQuestion, RunReport, RunState } from '../domain/run-state.ts';
import type { SystemName } from '../domain/systems.ts';

export const CONTROL_QUEUE = 'control';
/** The queue of the workers that stand beside a site's stores. */
export const siteQueue = (site: string): string => `site.${site}`;

export const SEARCH_ATTRIBUTES = {
  platform: defineSearchAttributeKey('DrPlatform', SearchAttributeType.KEYWORD),
  system: defineSearchAttributeKey('DrSystem', SearchAttributeType.KEYWORD),
  site: defineSearchAttributeKey('DrSite', SearchAttributeType.KEYWORD),
  phase: defineSearchAttributeKey('DrPhase', SearchAttributeType.KEYWORD),
  outcome: defineSearchAttributeKey('DrOutcome', SearchAttributeType.KEYWORD),
} as const;

/** What every run is told: where it works, and who asked for it. */
export interface RunContext {
  readonly platform: string;
  readonly site: string;
  /** Names of the tiers that a backup must be in before it counts as stored, in reading order. */
  readonly tiers: readonly string[];
  readonly requestedBy: string;
  /** True when a schedule started it: such a run never waits for a person. */
  readonly scheduled: boolean;
  /** Seconds after which the run gives up, undoes and fails: well before its schedule starts the next one. */
  readonly limitSeconds?: number;
}

export interface BackUpSystemInput extends RunContext {
  readonly system: SystemName;
  readonly kind: string;
}

export interface BackUpSystemResult {
  readonly backup: BackupSummary;
  readonly findings: readonly Finding[];
  readonly report: RunReport;
}

export interface BackUpPlatformInput extends RunContext {
  readonly systems: readonly { readonly system: SystemName; readonly kinds: readonly string[] }[];
  readonly applyRetention: boolean;
}

export interface FailedBackup {
  readonly system: SystemName;
  readonly kind: string;
  readonly code: FailureCode;
  /** The three lines. */
  readonly message: string;
}

export interface BackUpPlatformResult {
  readonly backups: readonly BackupSummary[];
  readonly failed: readonly FailedBackup[];
  readonly findings: readonly Finding[];
  readonly report: RunReport;
}

export interface VerifyBackupsInput extends RunContext {
  readonly systems: readonly SystemName[];
  /** Oldest age allowed for the newest usable backup of each system, in seconds (the RPO objective). */
  readonly maximumAgeSeconds: Readonly<Partial<Record<SystemName, number>>>;
  /** Oldest age allowed for the newest proof of each kind, in seconds; absent where nothing is proven regularly. */
  readonly proofLimitSeconds?: number;
  /** `presence` looks at age and existence only; `stored` also reads every byte; `proof` also restores into scratch. */
  readonly depth: 'presence' | 'stored' | 'proof';
  /** One backup alone; null takes the newest of every system and kind. */
  readonly backup: BackupRef | null;
  /** True verifies every stored backup, not only the newest of each kind. */
  readonly all: boolean;
}

export interface VerifiedBackup {
  readonly backup: BackupRef;
  readonly kind: string;
  readonly verdict: 'proven' | 'stored' | 'failed';
  readonly findings: readonly Finding[];
}

export interface VerifyBackupsResult {
  readonly verdict: 'passed' | 'failed';
  readonly backups: readonly VerifiedBackup[];
  readonly findings: readonly Finding[];
  readonly report: RunReport;
}

export interface RestoreSystemInput extends RunContext {
  readonly system: SystemName;
  /** Without `run`, `platform` and `site`, which the workflow adds. `backup.backupId` may be `newest`. */
  readonly request: Omit<RestoreRequest, 'run' | 'platform' | 'site'>;
  /** True stops after the plan was made and shown. */
  readonly dryRun: boolean;
  /** A step that fails ends the run instead of waiting for a person: for runs that touch nothing live. */
  readonly unattended?: boolean;
  /** Workflow id of the recovery that this restore is part of: it approves, and it says whether the restore stays. */
  readonly coordinator?: string;
}

export interface KeptData {
  readonly what: string;
  readonly where: string;
  readonly removeWith: string;
}

export interface RestoreSystemResult {
  readonly plan: RestorePlan;
  readonly findings: readonly Finding[];
  readonly kept: readonly KeptData[];
  readonly report: RunReport;
}

export interface RecoverPlatformInput extends RunContext, RecoveryWish {
  readonly target: 'live' | 'scratch';
  readonly dryRun: boolean;
  /** The systems' own choices, as for a restore. */
  readonly options: Readonly<Partial<Record<SystemName, Readonly<Record<string, string>>>>>;
  /** What a store is now that is not the one which its backup was taken from: it was built anew. */
  readonly identities?: Readonly<Partial<Record<SystemName, string>>>;
}

export interface RecoverPlatformResult {
  readonly plan: RecoveryPlan;
  readonly findings: readonly Finding[];
  readonly kept: readonly KeptData[];
  readonly report: RunReport;
}

/** How another site becomes the active one, whichever way: `site` is that one. */
export interface TakeoverInput extends RunContext {
  readonly systems: readonly SystemName[];
  /** True stops after the plan was made. */
  readonly dryRun: boolean;
  readonly options: RecoverPlatformInput['options'];
  /** True where the configuration has public names to move. */
  readonly movesNames: boolean;
  /** True where Terraform makes what the site stands on. */
  readonly provisions: boolean;
  /** What is backed up at the new site as soon as it is open. */
  readonly protect: BackUpPlatformInput['systems'];
}

export interface FailOverInput extends TakeoverInput, RecoveryWish {}

export interface FailOverResult {
  readonly plan: FailoverPlan;
  /** What it took and lost, as the ledger has it; null for a plan alone, or when the ledger took no record. */
  readonly record: FailoverRecord | null;
  readonly findings: readonly Finding[];
  readonly kept: readonly KeptData[];
  readonly report: RunReport;
}

/** A planned failover takes its own backups, of the kinds of the newest ones where no other is asked for. */
export interface HandOverInput extends TakeoverInput {
  readonly kinds: RecoveryWish['kinds'];
}

export interface HandOverResult {
  readonly plan: PlannedFailoverPlan;
  /** The final backups, which were restored; empty for a plan alone. */
  readonly finalBackups: readonly BackupRef[];
  /** What proves that nothing was lost, a line for each system. */
  readonly loss: readonly string[];
  /** As of a failover. */
  readonly record: FailoverRecord | null;
  readonly findings: readonly Finding[];
  readonly kept: readonly KeptData[];
  readonly report: RunReport;
}

export interface ApplyRetentionInput extends RunContext {
  readonly dryRun: boolean;
}

export interface ApplyRetentionResult {
  readonly decisions: readonly RetentionDecision[];
  readonly refusals: readonly string[];
  readonly findings: readonly Finding[];
  readonly report: RunReport;
}

export interface RotateKeysInput extends RunContext {
  /** True stops after the plan was made. */
  readonly dryRun: boolean;
  /** Digest of the plan that a person approved; the run refuses any other. */
  readonly digest: string;
}

export interface RotateKeysResult {
  readonly plan: RotationPlan;
  readonly rotated: number;
  /** Old wrapped keys, counted in every tier. */
  readonly removed: number;
  readonly findings: readonly Finding[];
  readonly report: RunReport;
}

export interface ChangeHoldInput extends RunContext {
  readonly backup: BackupRef;
  readonly hold: boolean;
  readonly reason: string;
}

export interface AskInput extends RunContext {
  readonly question: Question;
}

/** Answers the step that waits for a person. */
export interface StepDecision {
  readonly step: string;
  readonly action: 'go' | 'retry' | 'skip' | 'abort';
  readonly reason: string;
  readonly person?: string;
  /** Corrected input for a retry. */
  readonly input?: Readonly<Record<string, string>>;
}

/** Agrees to a plan: bound to its digest, and to the platform's name typed by a person. */
export interface PlanApproval {
  readonly digest: string;
  readonly platform: string;
  readonly person: string;
}

export const resolveStep = defineUpdate<{ step: string; action: string }, [StepDecision]>('resolveStep');
/** Who has approved so far. */
export interface ApprovalsSoFar {
  readonly people: readonly string[];
  readonly needed: number;
}

/** Hands in one signed approval, as `dr approve` prints it. */
export const approveFailover = defineUpdate<ApprovalsSoFar, [{ readonly text: string }]>('approveFailover');
export const approvePlan = defineUpdate<{ approved: true }, [PlanApproval]>('approvePlan');
/** The state of any run: steps, question, plan, outcome. */
export const runState = defineQuery<RunState>('runState');

/** What a restore tells the recovery that it is part of. */
export type MemberNews = { readonly system: SystemName } & (
  | { readonly kind: 'planned'; readonly plan: RestorePlan }
  | { readonly kind: 'waiting'; readonly question: OperatorQuestion | null }
  | { readonly kind: 'restored' }
);

export const memberNews = defineSignal<[MemberNews]>('memberNews');
/** Lets a member carry out the plan of this digest. */
export const releaseMember = defineSignal<[{ readonly digest: string }]>('releaseMember');
/** Passes on what a person answered to the recovery. */
export const answerMember = defineSignal<[StepDecision]>('answerMember');
export const concludeMember = defineSignal<[{ readonly keep: boolean; readonly reason: string }]>('concludeMember');
