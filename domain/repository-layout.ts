// Where everything lies in a repository. Names use `/` on every kind of tier. docs/repository-format.md says the same.
import type { BackupRef } from './manifest.ts';
import type { SystemName } from './systems.ts';

export const REPOSITORY_RECORD = 'repository.json';
export const RUNBOOK = 'runbook.md';
export const MANIFEST = 'manifest.json';
export const SIGNATURE = 'manifest.json.sig';
export const WITHDRAWAL = 'withdrawal.json';
export const BACKUPS = 'backups/';
export const CHECKPOINTS = 'checkpoints/';
export const SEQUENCES = 'sequences/';
export const PROOFS = 'proofs/';
export const HOLDS = 'holds/';
export const WITHDRAWN = 'withdrawn/';

/** Folder of one backup, ending in `/`. */
export const backupFolder = ({ system, backupId }: BackupRef): string => `${BACKUPS}${system}/${backupId}/`;

/** Folder of all backups of one system (or of all systems), ending in `/`. */
export const systemFolder = (system: SystemName | null): string => (system === null ? BACKUPS : `${BACKUPS}${system}/`);

/** Folder of the proofs of one backup, ending in `/`. */
export const proofFolder = ({ system, backupId }: BackupRef): string => `${PROOFS}${system}/${backupId}/`;

/** Folder where the manifest of a withdrawn backup waits until its data is deleted, ending in `/`. */
export const withdrawnFolder = ({ system, backupId }: BackupRef): string => `${WITHDRAWN}${system}/${backupId}/`;

// Ten digits, so that names sort as numbers do.
const numbered = (folder: string, number: number) => `${folder}${String(number).padStart(10, '0')}.json`;

export const checkpointName = (number: number): string => numbered(CHECKPOINTS, number);
export const sequenceName = (sequence: number): string => numbered(SEQUENCES, sequence);

/** The number in a name made by `checkpointName` or `sequenceName`, or null for any other name. */
export function numberIn(name: string): number | null {
  const digits = /\/(\d{10,15})\.json$/.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** Text that names a backup to people, in encryption contexts and in keys of maps. */
export const refText = ({ system, backupId }: BackupRef): string => `${system}/${backupId}`;
