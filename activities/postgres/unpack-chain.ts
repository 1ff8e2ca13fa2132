// An incremental base backup made whole: every backup of its chain is unpacked and verified, then PostgreSQL's own tool
// puts them together, and the result is verified too.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackupReader, StoredBackup } from '../../domain/contracts/backup-content.ts';
import { runTool } from '../shared/run-tool.ts';
import { giveTo } from './context.ts';
import { tablespacesOf, type Unpacking, unpackBase, verifyBase } from './unpack-base.ts';

/** The backups that one needs, oldest first, and itself at the end. */
export async function openChain(
  reader: BackupReader,
  backup: StoredBackup,
  tier: string | null,
): Promise<StoredBackup[]> {
  const chain: StoredBackup[] = [];
  for (const backupId of backup.manifest.parents)
    chain.push(await reader.open({ system: 'postgres', backupId }, tier ?? undefined));
  return [...chain, backup];
}

/** Folder beside `directory` where the parts of a chain lie while they are put together. */
export const chainFolder = (directory: string): string => `${directory}.chain`;

/**
 * Unpacks a base backup, also one that holds only what changed, as a data folder.
 * @throws {Failure} ARTIFACT_DAMAGED when a part or the whole does not match its manifest, and what reading throws.
 */
export async function unpackWhole(work: Unpacking, chain: readonly StoredBackup[]): Promise<void> {
  if (chain.length === 1) return unpackBase(work);
  const folder = chainFolder(work.directory);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { mode: 0o700 });
  await giveTo(work.owner, folder);
  const parts = chain.map((backup, position) => partOf(work, backup, join(folder, String(position))));
  for (const part of parts) await unpackBase(part);
  await combine(work, parts);
  await rm(folder, { recursive: true, force: true });
  await Promise.all([verifyBase(work), work.meanwhile?.()]);
}

const partOf = (work: Unpacking, backup: StoredBackup, directory: string): Unpacking => ({
  ...work,
  backup,
  directory,
  meanwhile: undefined, // A part goes again.
  tablespaceFolder: (oid) => `${directory}.tablespace-${oid}`,
});

async function combine(work: Unpacking, parts: readonly Unpacking[]): Promise<void> {
  const last = parts.at(-1) as Unpacking;
  const spaces = tablespacesOf(work.backup).map(({ oid, location }) => ({
    from: last.tablespaceFolder(oid, location),
    to: work.tablespaceFolder(oid, location),
  }));
  for (const path of [work.directory, ...spaces.map(({ to }) => to)]) await rm(path, { recursive: true, force: true });
  const mappings = spaces.map(({ from, to }) => `--tablespace-mapping=${escaped(from)}=${escaped(to)}`);
  await mkdir(work.directory, { mode: 0o700 });
  await giveTo(work.owner, work.directory);
  for (const { to } of spaces) {
    await mkdir(to, { mode: 0o700 });
    await giveTo(work.owner, to);
  }
  await runTool({
    command: work.tools.path('pg_combinebackup'),
    args: [`--output=${work.directory}`, ...mappings, '--', ...parts.map(({ directory }) => directory)],
    ...(work.owner === undefined ? {} : { user: work.owner }),
    install: work.tools.install,
    cwd: '/',
  });
}

// The tool splits a mapping at the first plain `=`.
const escaped = (path: string) => path.replaceAll('=', '\\=');
