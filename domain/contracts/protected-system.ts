// The one contract of a protected system. A workflow calls these as activities named `<system>.<verb>` on the queue
// `site.<name>`; each system's folder implements all of them. Everything in and out is small JSON: references and
// facts, never data, never secrets.
import type { JsonValue } from '../json.ts';
import type { BackupRef, TakenBackup } from '../manifest.ts';
import type { RestoreScopeKind, SystemName } from '../systems.ts';
import type { SystemStatus } from './system-status.ts';

/** One thing found out by a check. `code` is a failure code or null for plain information. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'failed';
  /** What was looked at, for example `database "orders"`. */
  readonly subject: string;
  readonly message: string;
  readonly code: string | null;
  /** The command that mends it, when there is one. */
  readonly mend?: string;
}

export interface InspectInput {
  readonly site: string;
  /** Kinds that are about to be taken; empty for a general look. */
  readonly kinds: readonly string[];
}

/** What is there now: who the store is, whether a backup can be taken, how large it will be. */
export interface SystemFacts {
  /** What the store says it is (system identifier, run id, node name); a restore refuses any other. */
  readonly identity: string;
  readonly version: string;
  /** Estimate of the plain bytes that a backup will hold. */
  readonly estimatedBytes: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly source: Readonly<Record<string, JsonValue>>;
  /** A finding with level `failed` means that a backup would fail or be wrong. */
  readonly findings: readonly Finding[];
}

export interface TakeBackupInput {
  readonly site: string;
  readonly backup: BackupRef;
  readonly kind: string;
  readonly run: string;
}

export interface CheckBackupInput {
  readonly site: string;
  readonly backup: BackupRef;
  /** Tier to read from; null lets the reader choose. */
  readonly tier: string | null;
  readonly run: string;
}

/** Result of reading a backup in full: every artifact decrypted, decompressed and looked at in its own format. */
export interface CheckReport {
  readonly backup: BackupRef;
  readonly findings: readonly Finding[];
  readonly bytesRead: number;
}

export interface RestoreScope {
  readonly kind: RestoreScopeKind;
  /** Names within the scope: database, schema and table; pattern and database number; vhost and queue; file. */
  readonly names: Readonly<Record<string, string>>;
}

export interface RestoreRequest {
  readonly run: string;
  readonly platform: string;
  readonly site: string;
  readonly backup: BackupRef;
  readonly tier: string | null;
  readonly scope: RestoreScope;
  /** `scratch`: an isolated throw-away target that is compared and removed. `live`: the site's own store. */
  readonly target: 'scratch' | 'live';
  /** Identity the target must have; null takes the identity recorded in the backup. */
  readonly expectedIdentity: string | null;
  /** The system's own choices, for example `{ "form": "sql" }` or `{ "ttl": "floor" }`. */
  readonly options: Readonly<Record<string, string>>;
}

/** Where a store stands between its clients' writes. */
export interface StorePosition {
  /**
   * Changes with every write of a client. Two equal ones prove that no client wrote in between; two different ones do not
   * prove that one did, because some of a store's own work moves it too.
   */
  readonly position: string;
  /** The same for people, with what moves by itself: `transaction 812, WAL at 0/3000148`. */
  readonly detail: string;
}

/** One step of a restore, as data. The workflow shows it, does it, and knows how to undo it. */
export interface RestoreStep {
  readonly id: string;
  readonly title: string;
  /** May an operator skip it? Never true where skipping could lose data or hide a difference. */
  readonly skippable: boolean;
  /** False only when there is nothing to undo (the step changes nothing, or only scratch). */
  readonly hasUndo: boolean;
  /** What can wait until morning when this step stops: one sentence for the operator. */
  readonly safeToLeave: string;
}

/** What a restore will do, made before anything is touched. */
export interface RestorePlan {
  readonly request: RestoreRequest;
  /** Plain lines a person reads before agreeing: what is replaced, how much, what is kept and where. */
  readonly summary: readonly string[];
  /** Small machine-readable account of the differences found, for example rows added, changed and removed. */
  readonly difference: Readonly<Record<string, JsonValue>>;
  readonly warnings: readonly string[];
  readonly steps: readonly RestoreStep[];
  /** Facts of the world the plan rests on; a step refuses (PLAN_CHANGED) when they no longer hold. */
  readonly observed: Readonly<Record<string, JsonValue>>;
  /** SHA-256 of the canonical JSON of all the above: what an approval binds to. */
  readonly digest: string;
}

export interface RestoreStepInput {
  readonly plan: RestorePlan;
  readonly stepId: string;
  /** Corrected input that an operator gave with `retry`; empty otherwise. */
  readonly input: Readonly<Record<string, string>>;
}

export interface RestoreStepResult {
  /** One line for the step table. */
  readonly summary: string;
  readonly findings: readonly Finding[];
  /** Small facts for the report, for example `{ "rows": 1200 }`. */
  readonly facts: Readonly<Record<string, JsonValue>>;
}

export interface FinishRestoreInput {
  readonly plan: RestorePlan;
  readonly outcome: 'succeeded' | 'undone' | 'stuck';
}

/** What was kept of the replaced data, and how to be rid of it. */
export interface FinishRestoreResult {
  readonly kept: readonly { readonly what: string; readonly where: string; readonly removeWith: string }[];
}

/**
 * A protected system. Every function may be called twice with the same input: the second call finds what the first did
 * and finishes it. Long ones heartbeat `Progress` and end their child processes when cancelled.
 */
export interface ProtectedSystem {
  inspect(input: InspectInput): Promise<SystemFacts>;
  /** How the store is now, for `dr status`: asks only, starts no tool, and is quick. */
  observe(input: Readonly<Record<string, never>>): Promise<SystemStatus>;
  /** How many markers of a workload the store holds, see `MARKERS`; null for a system that holds none. Asks only. */
  countMarkers(input: Readonly<Record<string, never>>): Promise<number | null>;
  /** Where the store stands, once what its clients wrote before the call is counted. */
  readPosition(input: Readonly<Record<string, never>>): Promise<StorePosition>;
  takeBackup(input: TakeBackupInput): Promise<TakenBackup>;
  checkBackup(input: CheckBackupInput): Promise<CheckReport>;
  planRestore(request: RestoreRequest): Promise<RestorePlan>;
  runRestoreStep(input: RestoreStepInput): Promise<RestoreStepResult>;
  /** Accepts that the step never happened, or happened in part. */
  undoRestoreStep(input: RestoreStepInput): Promise<RestoreStepResult>;
  /** Ends scratch servers and removes the run's folder, whatever the outcome. Keeps what the live restore replaced. */
  finishRestore(input: FinishRestoreInput): Promise<FinishRestoreResult>;
}

/** What a long activity heartbeats; the CLI draws its progress bar from it. */
export interface Progress {
  readonly what: string;
  readonly doneBytes: number;
  /** Null when the whole is not known. */
  readonly totalBytes: number | null;
  readonly bytesPerSecond: number;
}

/** The activity type of a system's verb, as the Web UI shows it: `postgres.takeBackup`. */
export function activityName(
  system:
    | SystemName
    | 'repository'
    | 'notification'
    | 'audit'
    | 'recovery'
    | 'dns'
    | 'failover'
    | 'terraform'
    | 'ledger',
  verb: string,
): string {
  return `${system}.${verb}`;
}
