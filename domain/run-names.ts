// Workflow ids: readable, the same for the same thing, and therefore also the lock that keeps two runs apart.
import type { SystemName } from './systems.ts';

export const backUpWorkflowId = (platform: string, system: SystemName, kind: string): string =>
  `backup/${platform}/${system}/${kind}`;

/** Several systems, or several kinds, at once. */
export const platformBackUpWorkflowId = (platform: string): string => `backup/${platform}`;

export const restoreWorkflowId = (platform: string, system: SystemName): string => `restore/${platform}/${system}`;

/** One recovery of a platform at a time. */
export const recoverWorkflowId = (platform: string): string => `recover/${platform}`;

/** One failover of a platform at a time, to whichever site. */
export const failoverWorkflowId = (platform: string): string => `failover/${platform}`;

/** A plan of one changes nothing: it keeps no failover waiting, and no other plan. */
export const failoverPlanWorkflowId = (platform: string, unique: string): string =>
  `${failoverWorkflowId(platform)}/plan/${unique}`;

/** The proof of one backup has an id of its own, so that it neither waits for nor blocks a person's restore. */
export const proofWorkflowId = (platform: string, system: SystemName, backupId: string): string =>
  `proof/${platform}/${system}/${backupId}`;

/**
 * The name of one run for folders and kept data: when it started and the end of its id. The same for every retry, another
 * for every run, safe as a file name and short enough for a suffix of a database's name (23 characters).
 */
export function runName(startedAt: string, runId: string): string {
  return `${timeStamp(startedAt)}-${runId.replaceAll('-', '').slice(-6)}`.toLowerCase();
}

/** `2026-11-23T05:49:00.123Z` → `20261123t054900z`. */
export function timeStamp(isoTime: string): string {
  return `${isoTime.slice(0, 19).replaceAll('-', '').replaceAll(':', '')}z`.toLowerCase();
}
