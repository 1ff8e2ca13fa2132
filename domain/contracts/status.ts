// What `dr status` is made of: what was seen, and what could not be seen. Whoever looks says only what it saw; what it
// means for the platform is decided in domain/status/.
import type { AuditRecord } from '../audit.ts';
import type { FailoverRecord } from '../failover-record.ts';
import type { BackupSummary } from '../manifest.ts';
import type { SystemStatus } from './system-status.ts';

/** The end of one look: what was seen, or why nothing was. */
export type Look<T> = { readonly seen: T } | { readonly unseen: Unseen };

export interface Unseen {
  /** Failure code. */
  readonly code: string;
  readonly message: string;
  /** True when nothing was heard at all within the limit: that says nothing about what was asked. */
  readonly silent: boolean;
}

/** How one tier is now. */
export interface TierStatus {
  readonly name: string;
  readonly kind: 'folder' | 's3';
  /** Null where there is no such limit. */
  readonly freeBytes: number | null;
  /** How many backups it holds, by the newest checkpoint in it, all of them listed. */
  readonly stored: number;
  /** Of each system and kind the newest with some before it, its newest proven one and its oldest; newest first. */
  readonly telling: readonly BackupSummary[];
}

/** Room on the disk that a folder lies on. */
export interface DiskStatus {
  readonly path: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** What an application answered to its check. */
export interface ApplicationStatus {
  readonly well: boolean;
  /** `status 200`, or what was wrong. */
  readonly message: string;
}

/** Everything that was looked at beside the stores, each by its own name. */
export interface Seen {
  /** ISO time of the look's end. */
  readonly at: string;
  readonly systems: Readonly<Record<string, Look<SystemStatus>>>;
  /** The stores of every other site, by its name. */
  readonly otherSites: Readonly<Record<string, Readonly<Record<string, Look<SystemStatus>>>>>;
  readonly tiers: Readonly<Record<string, Look<TierStatus>>>;
  readonly applications: Readonly<Record<string, Look<ApplicationStatus>>>;
  readonly disks: Readonly<Record<string, Look<DiskStatus>>>;
  /** Records of restores and recoveries among the newest of the audit log, oldest first. */
  readonly restores: Look<readonly AuditRecord[]>;
  /** The newest failover's account in the ledger; null before the first. */
  readonly failover: Look<FailoverRecord | null>;
}

export interface ScheduleStatus {
  readonly id: string;
  /** True of a run that never ends and acts on changes, instead of at times. */
  readonly watches: boolean;
  readonly nextAt: string | null;
  readonly lastAt: string | null;
  readonly paused: boolean;
  readonly note: string;
  /** Runs that were never started because their time had passed. */
  readonly missed: number;
  /** How it differs from the configuration; null when it does not. */
  readonly differs: string | null;
}

export interface QueueStatus {
  readonly queue: string;
  readonly workers: readonly { readonly identity: string; readonly build: string | null }[];
}

/** What Temporal told. */
export interface TemporalSeen {
  readonly schedules: Look<readonly ScheduleStatus[]>;
  readonly queues: Look<readonly QueueStatus[]>;
}
