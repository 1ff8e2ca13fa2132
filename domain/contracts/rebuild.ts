// What `dr rebuild` is told when Holdfast was brought back: the program beside the activities prints it as JSON.
import type { BackupRef } from '../manifest.ts';

export interface RebuildRequest {
  /** The copy of the repository, as a tier of the configuration; its account by reference. */
  readonly tier: Readonly<Record<string, string | number>>;
  readonly keyFile: string;
  /** Key ids, or files of public keys. */
  readonly trust: readonly string[];
  /** Absolute. */
  readonly directory: string;
}

export interface RebuildReport {
  readonly platform: string;
  readonly backup: BackupRef;
  readonly sealedAt: string;
  /** Absolute path of the new configuration. */
  readonly file: string;
  readonly openedBy: string;
  readonly checkpoint: { readonly number: number; readonly writtenAt: string; readonly backups: number };
  /** Why a key was believed: it lay in a file that the operator gave, or the operator named its id. */
  readonly sealers: readonly { readonly keyId: string; readonly ground: 'file' | 'id' }[];
  readonly written: readonly string[];
  readonly alreadyThere: readonly string[];
  readonly changes: readonly string[];
  /** Secrets that are in no backup. */
  readonly secrets: readonly RebuildSecret[];
  /** Programs that the configuration lets Holdfast run. */
  readonly programs: readonly string[];
  /** Records of the audit log that are back; null when the witness folder is elsewhere. */
  readonly auditRecords: number | null;
  readonly warnings: readonly string[];
  /** Tiers of the new configuration. */
  readonly tiers: readonly string[];
}

export interface RebuildSecret {
  readonly usedBy: string;
  readonly reference: string;
  /** A command is not run to find out. */
  readonly state: 'there' | 'missing' | 'not tried';
}
