// Small artifacts and facts of a stored backup.
import { artifactsOf, type StoredBackup } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import type { Artifact, Manifest } from '../../domain/manifest.ts';
import { type InventoryLine, parseInventory } from '../../domain/systems/postgres-inventory.ts';
import { parseLines, type RoleLine } from './roles.ts';

/** Major version of the server that a backup came from. */
export function majorOf(manifest: Manifest): number {
  const major = Number.parseInt(String(manifest.source.version), 10);
  if (Number.isNaN(major)) throw new Failure('BUG', `the manifest of "${manifest.backupId}" names no version`);
  return major;
}

/** True of a backup of the cluster's files, whole or of what changed. */
export const isBaseBackup = ({ kind }: Manifest): boolean => kind === 'physical' || kind === 'incremental';

/** The inventory, read to its end. */
export async function readInventory(backup: StoredBackup): Promise<InventoryLine[]> {
  return parseInventory(await textOf(backup, oneOf(backup, 'inventory')));
}

/** The roles; empty for a base backup, which carries them inside. */
export async function readStoredRoles(backup: StoredBackup): Promise<RoleLine[]> {
  return parseLines<RoleLine>(await textOf(backup, oneOf(backup, 'roles')));
}

/** The artifact of a role that exists once, or once per database. @throws {Failure} PART_NOT_FOUND. */
export function oneOf(backup: StoredBackup, role: string, subject?: string): Artifact {
  const found = artifactsOf(backup.manifest, role).find((one) => subject === undefined || one.subject === subject);
  if (found) return found;
  const what = subject === undefined ? `an artifact of role ${role}` : `a ${role} of database "${subject}"`;
  const { backupId } = backup.manifest;
  throw new Failure('PART_NOT_FOUND', `backup "${backupId}" holds no ${what}`, { backup: backupId });
}

/** A small artifact as text. */
export async function textOf(backup: StoredBackup, artifact: Artifact): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of backup.read(artifact.name)) parts.push(chunk);
  return Buffer.concat(parts).toString('utf8');
}
