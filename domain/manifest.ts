// What a backup is: its artifacts, its facts and the signed manifest that makes it exist.
// docs/repository-format.md describes the same shapes for readers in other languages.
import type { JsonValue } from './json.ts';
import { timeStamp } from './run-names.ts';
import type { SystemName } from './systems.ts';

/** Names one backup. `backupId` sorts by time within a system. */
export interface BackupRef {
  readonly system: SystemName;
  readonly backupId: string;
}

/** One stored object of a backup. Lengths in bytes; hashes are lower-case hex SHA-256. */
export interface Artifact {
  /** File name in the backup's folder: `[a-z0-9][a-z0-9._-]*`, chosen by us, never taken from outside. */
  readonly name: string;
  /** What it is for: dump, sql, globals, base, wal, rdb, aof, definitions, messages, archive, inventory, … */
  readonly role: string;
  /** The thing inside (a database, a queue), exactly as the store names it. Data: never a path, never a word. */
  readonly subject?: string;
  readonly plainBytes: number;
  readonly plainSha256: string;
  readonly storedBytes: number;
  readonly storedSha256: string;
}

/** Everything a writer knows when a backup is taken; sealing adds the rest. */
export interface BackupFacts {
  readonly system: SystemName;
  readonly backupId: string;
  readonly kind: string;
  readonly site: string;
  /** ISO times (UTC): start of the taking, the artifact's own moment, end of the taking. */
  readonly startedAt: string;
  readonly momentAt: string;
  readonly finishedAt: string;
  /** Where it came from: system identifier, version, locale libraries, LSN, timeline, offsets, node name. */
  readonly source: Readonly<Record<string, JsonValue>>;
  readonly tools: Readonly<Record<string, string>>;
  readonly artifacts: readonly Artifact[];
  /** Totals at the artifact's own moment; the detail is in the artifact of role `inventory`. */
  readonly counts: Readonly<Record<string, number>>;
  /** Backups this one needs in order to be restored. */
  readonly parents: readonly string[];
  readonly marker: number | null;
  /** Plain sentences a reader of every report must see, for example "definitions only: messages are not in it". */
  readonly warnings: readonly string[];
  /** The system's own account, for example RabbitMQ's semantics report. Small. */
  readonly report: Readonly<Record<string, JsonValue>>;
}

/** Someone who can open a backup's key. */
export interface KeyHolder {
  readonly name: string;
  /** SHA-256 of the public key (SubjectPublicKeyInfo, DER) in lower-case hex, or the ARN of a key in AWS KMS. */
  readonly keyId: string;
}

export interface Manifest extends BackupFacts {
  readonly format: 1;
  readonly platform: string;
  /** Rises by one at each seal in this repository: the order of backups, whatever the clocks say. */
  readonly sequence: number;
  readonly sealedAt: string;
  /** Those who could open the backup's key when it was sealed. After a rotation the checkpoint says who can. */
  readonly recipients: readonly KeyHolder[];
  readonly run: string;
}

/** A manifest with who can open the backup now. */
export interface ShownBackup extends Manifest {
  readonly openedBy: readonly KeyHolder[];
}

/** Result of taking a backup: facts, and where the writer's encrypted files wait to be copied. */
export interface TakenBackup {
  readonly facts: BackupFacts;
  /** Folder on the site's worker that holds the encrypted artifacts and the wrapped key. */
  readonly spoolDirectory: string;
  readonly recipients: readonly KeyHolder[];
  /** Name and stored length and hash of the wrapped key. */
  readonly key: { readonly name: string; readonly storedBytes: number; readonly storedSha256: string };
}

/** A backup's standing: taken, then in every tier with every byte read back, then restored and checked. */
export type Standing = 'written' | 'stored' | 'proven';

/** One line of a list of backups. */
export interface BackupSummary extends BackupRef {
  readonly kind: string;
  readonly site: string;
  readonly sequence: number;
  readonly momentAt: string;
  readonly sealedAt: string;
  readonly standing: Standing;
  readonly provenAt: string | null;
  readonly held: boolean;
  readonly tiers: readonly string[];
  readonly plainBytes: number;
  readonly storedBytes: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly parents: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * A backup's id: the moment its run started, its kind, and six hex characters of the run's id.
 * The same run always gets the same id, so a retry meets what an earlier attempt left.
 * @param startedAt ISO time in UTC, for example `2026-11-23T05:49:00.000Z`.
 * @param runId a UUID (Temporal's first execution run id).
 */
export function backupIdFor(startedAt: string, kind: string, runId: string): string {
  return `${timeStamp(startedAt)}-${kind}-${runId.replaceAll('-', '').slice(-6)}`.toLowerCase();
}

/** The kind in a backup's id, or null in one that `backupIdFor` did not make. */
export function kindIn(backupId: string): string | null {
  return /^\d{8}t\d{6}z-([a-z0-9-]+)-[0-9a-f]{6}$/.exec(backupId)?.[1] ?? null;
}

const SAFE_NAME = /^[a-z0-9][a-z0-9._-]{0,199}$/;

/** True when `name` may be a file in a backup's folder: it cannot leave the folder and means nothing to a shell. */
export function isSafeName(name: string): boolean {
  return SAFE_NAME.test(name) && !name.includes('..');
}

/** Sum of the plain and stored lengths of the artifacts, in bytes. */
export function totalBytes(artifacts: readonly Artifact[]): { plainBytes: number; storedBytes: number } {
  return artifacts.reduce(
    (sum, one) => ({ plainBytes: sum.plainBytes + one.plainBytes, storedBytes: sum.storedBytes + one.storedBytes }),
    { plainBytes: 0, storedBytes: 0 },
  );
}
