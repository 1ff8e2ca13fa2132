// The repository's activities, named `repository.<verb>`: copying to tiers, reading back, sealing, listing, proofs,
// holds and retention. Copying and reading back run where the spool is (`site.<name>`); the rest runs on `control`.
import type { KeyReport, RotationPlan } from '../key-rotation.ts';
import type { BackupRef, BackupSummary, ShownBackup, TakenBackup } from '../manifest.ts';
import type { RetentionPlan } from '../retention.ts';
import type { SystemName } from '../systems.ts';
import type { Finding } from './protected-system.ts';

export interface TierInput {
  readonly taken: TakenBackup;
  readonly tier: string;
}

/** Proof that one tier holds a backup: what was read there, byte by byte. */
export interface TierCopy {
  readonly tier: string;
  readonly objects: readonly {
    readonly name: string;
    readonly storedBytes: number;
    readonly storedSha256: string;
    /** Version id when the tier keeps versions. */
    readonly versionId?: string;
  }[];
}

export interface SealInput {
  readonly taken: TakenBackup;
  /** One read-back per configured tier; sealing refuses when one is missing or differs from the facts. */
  readonly copies: readonly TierCopy[];
  readonly run: string;
}

export interface ListInput extends ListLimits {
  readonly system: SystemName | null;
  /** Null lists the union over the tiers. */
  readonly tier: string | null;
}

/** What goes through a workflow must stay below Temporal's 2 MiB a message: some weeks of backups are more. */
export interface ListLimits {
  /** Only the backup of this id. */
  readonly backupId?: string;
  /** The newest so many of each system and kind, and beside them its newest proven and its oldest one. */
  readonly newestOfEach?: number;
  /** At most so many in all, the newest. */
  readonly most?: number;
  /** Only backups whose own moment is not after this ISO time; what is newest is counted among them. */
  readonly notAfter?: string;
}

export interface ProofInput {
  readonly backup: BackupRef;
  readonly run: string;
  /** What was compared, one line each. */
  readonly checks: readonly string[];
}

export interface CheckStoredInput {
  readonly backup: BackupRef;
  readonly tier: string;
}

export interface RotateKeysInput {
  /** Digest of the plan that was approved. */
  readonly digest: string;
  /** Sequence after which to go on. */
  readonly after: number;
  readonly most: number;
}

export interface RotatedKeys {
  /** Sequence of the last backup that was looked at; null when there was none left. */
  readonly after: number | null;
  readonly rotated: number;
  /** Backups whose key could not be rotated. */
  readonly findings: readonly Finding[];
}

export interface RepositoryFacts {
  readonly platform: string;
  readonly tiers: readonly {
    readonly name: string;
    readonly kind: 'folder' | 's3';
    readonly freeBytes: number | null;
    readonly createOnly: boolean;
  }[];
  readonly findings: readonly Finding[];
}

export interface RepositoryActivities {
  /**
   * Checks every tier (reachable, writable, create-only, ours) and writes `repository.json` where it is absent.
   * @throws {Failure} REPOSITORY_FOREIGN, REPOSITORY_UNSAFE, STORE_UNREACHABLE.
   */
  prepare(input: { readonly run: string }): Promise<RepositoryFacts>;
  /** Copies every artifact and the wrapped key of a taken backup into one tier, resuming what is partly there. */
  copyToTier(input: TierInput): Promise<TierCopy>;
  /** Reads every byte of the copy and compares it with the facts. @throws {Failure} ARTIFACT_DAMAGED, ARTIFACT_MISSING. */
  readBack(input: TierInput): Promise<TierCopy>;
  /** Writes and signs the manifest in every tier, then the next checkpoint. The backup exists from here on. */
  seal(input: SealInput): Promise<BackupSummary>;
  /** Removes the spool of a backup, sealed or given up. */
  clearSpool(input: { readonly backup: BackupRef }): Promise<void>;
  /** Removes what an unsealed backup left in the tiers (undo of copyToTier). Refuses a sealed one. */
  discardUnsealed(input: { readonly backup: BackupRef }): Promise<void>;
  /** Backups, newest first by sequence, within the limits asked for. */
  listBackups(input: ListInput): Promise<readonly BackupSummary[]>;
  showBackup(input: { readonly backup: BackupRef }): Promise<ShownBackup>;
  /** Which keys open what, whatever the number of backups. */
  reportKeys(input: Readonly<Record<string, never>>): Promise<KeyReport>;
  /** What wrapping the keys of stored backups for the configured recipients would change. */
  planKeyRotation(input: Readonly<Record<string, never>>): Promise<RotationPlan>;
  /** Wraps the keys of the next backups, proves them in every tier, and names them in the next checkpoint. @throws PLAN_CHANGED. */
  rotateKeys(input: RotateKeysInput): Promise<RotatedKeys>;
  /** Removes wrapped keys that the newest checkpoint no longer names. @returns how many. */
  removeRetiredKeys(input: Readonly<Record<string, never>>): Promise<number>;
  /** Existence, signature, checkpoint, length and SHA-256 of everything a tier holds of one backup. */
  checkStored(input: CheckStoredInput): Promise<readonly Finding[]>;
  /** Records that a backup was restored and compared: it counts as proven from here on. */
  recordProof(input: ProofInput): Promise<void>;
  holdBackup(input: { readonly backup: BackupRef; readonly reason: string; readonly person: string }): Promise<void>;
  releaseBackup(input: { readonly backup: BackupRef; readonly reason: string; readonly person: string }): Promise<void>;
  /** The way back without Holdfast, made of the newest proven backups. */
  makeRunbook(input: Readonly<Record<string, never>>): Promise<string>;
  /** Writes `runbook.md` into every tier. */
  writeRunbook(input: Readonly<Record<string, never>>): Promise<void>;
  planRetention(input: { readonly run: string }): Promise<RetentionPlan>;
  /** First phase: withdraws the manifests. Second phase (after the grace): deletes data. @throws PLAN_CHANGED. */
  applyRetention(input: {
    readonly plan: RetentionPlan;
    readonly phase: 'withdraw' | 'delete';
  }): Promise<readonly Finding[]>;
}

/** A tier as a place for small texts of other rooms. */
export interface TextTier {
  readonly name: string;
  /** Stores text, create-only. @throws {Failure} ALREADY_EXISTS_DIFFERENT. */
  create(name: string, text: string): Promise<unknown>;
  /** Text, or null when it is not there. */
  read(name: string): Promise<string | null>;
  list(prefix: string): Promise<readonly { readonly name: string }[]>;
}

/** What a person or a machine outside is told. Sent as a CloudEvent. */
export interface Notice {
  readonly type: string;
  readonly level: 'info' | 'warning' | 'alarm';
  readonly subject: string;
  readonly message: string;
  readonly run: string;
  readonly facts: Readonly<Record<string, string | number | boolean | null>>;
}

export interface NotificationActivities {
  /** Sends to every channel. @throws {Failure} NOTIFICATION_FAILED when a channel did not take it after its retries. */
  notify(input: Notice): Promise<void>;
}

/** One act worth answering for: who, what, when, on what, why. */
export interface AuditEntry {
  readonly act: string;
  readonly subject: string;
  readonly person: string;
  readonly run: string;
  readonly reason: string;
  readonly facts: Readonly<Record<string, string | number | boolean | null>>;
}

export interface AuditActivities {
  /** Appends to the hash chain at the witness. The same run and act are recorded once. */
  record(input: AuditEntry): Promise<void>;
  /** Copies new records into every tier. Apart from `record`: no act waits for a tier that is down. */
  copyToTiers(input: Readonly<Record<string, never>>): Promise<void>;
  /** Walks the chain and looks at its copies. */
  verify(input: { readonly head?: string }): Promise<readonly Finding[]>;
}
