// A base backup back as a data folder, checked file by file against its manifest before anything is started on it.
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { artifactsOf, type ByteSource, type StoredBackup } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import type { Artifact } from '../../domain/manifest.ts';
import { progressOf } from '../shared/activity-context.ts';
import { runTool, startTool } from '../shared/run-tool.ts';
import { giveTo } from './context.ts';
import { feed } from './feed.ts';
import type { Tools } from './tools.ts';

export interface Unpacking {
  readonly tools: Tools;
  readonly backup: StoredBackup;
  /** The data folder to be made; what is there is removed first. */
  readonly directory: string;
  /** Folder that a further tablespace, told by its number and its location at the source, is put into. */
  tablespaceFolder(oid: string, location: string): string;
  /** User who shall own the files, when the worker is root. */
  readonly owner: string | undefined;
  /** What else is done with the unpacked files while they are verified. */
  readonly meanwhile?: (() => Promise<void>) | undefined;
}

/**
 * Unpacks every tar and runs pg_verifybackup (which parses the WAL too) over the result.
 * @throws {Failure} ARTIFACT_DAMAGED when it does not match the backup's manifest, and what reading artifacts throws.
 */
export async function unpackBase(work: Unpacking): Promise<void> {
  const base = one(work.backup, 'base');
  await freshFolder(work, work.directory);
  await untar(work, base, work.directory);
  for (const space of tablespacesOf(work.backup)) await unpackTablespace(work, space);
  await addManifest(work);
  await Promise.all([verifyBase(work), work.meanwhile?.()]);
}

function one(backup: StoredBackup, role: string): Artifact {
  const [artifact] = artifactsOf(backup.manifest, role);
  if (!artifact) throw new Failure('ARTIFACT_MISSING', `the backup has no artifact of role ${role}`);
  return artifact;
}

async function freshFolder({ owner }: Unpacking, folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await giveTo(owner, folder);
}

async function untar({ backup, owner }: Unpacking, artifact: Artifact, folder: string): Promise<void> {
  const tool = startTool({
    command: 'tar',
    args: [
      '--extract',
      '--file=-',
      `--directory=${folder}`,
      '--no-same-owner',
      '--preserve-permissions',
      '--delay-directory-restore',
    ],
    ...(owner === undefined ? {} : { user: owner }),
    install: 'apt-get install tar',
  });
  await feed(measured(`unpacking ${artifact.name}`, artifact, backup.read(artifact.name)), tool);
}

async function* measured(what: string, artifact: Artifact, source: ByteSource): ByteSource {
  const progress = progressOf(what, artifact.plainBytes);
  for await (const chunk of source) {
    progress(chunk.byteLength);
    yield chunk;
  }
}

const OID = /^tablespace-(\d+)\.tar$/;

/** A tablespace of the backup beside the cluster's own two. */
export interface StoredTablespace {
  readonly oid: string;
  /** Its folder at the source. */
  readonly location: string;
  readonly artifact: Artifact;
}

/** @throws {Failure} ARTIFACT_DAMAGED when an artifact is not named as a tablespace is. */
export function tablespacesOf({ manifest }: StoredBackup): StoredTablespace[] {
  return artifactsOf(manifest, 'tablespace').map((artifact) => {
    const oid = OID.exec(artifact.name)?.[1];
    if (oid === undefined) throw new Failure('ARTIFACT_DAMAGED', `not a tablespace's name: '${artifact.name}'`);
    return { oid, location: artifact.subject ?? '', artifact };
  });
}

async function unpackTablespace(work: Unpacking, { oid, location, artifact }: StoredTablespace): Promise<void> {
  const folder = work.tablespaceFolder(oid, location);
  await freshFolder(work, folder);
  await untar(work, artifact, folder);
  await linkTablespace(work.directory, oid, folder);
}

/** Lets the data folder find a tablespace; a link that was there is replaced. */
export async function linkTablespace(directory: string, oid: string, folder: string): Promise<void> {
  const link = join(directory, 'pg_tblspc', oid);
  await rm(link, { force: true });
  await symlink(folder, link);
}

// With one tablespace pg_basebackup puts the manifest into the tar; otherwise it is an artifact of its own.
async function addManifest(work: Unpacking): Promise<void> {
  const [manifest] = artifactsOf(work.backup.manifest, 'base-manifest');
  const path = join(work.directory, 'backup_manifest');
  if (manifest) await writeFile(path, work.backup.read(manifest.name), { mode: 0o600 });
  if (manifest) await giveTo(work.owner, path);
}

/** Compares a data folder, file by file and with its WAL, with the manifest in it. @throws {Failure} ARTIFACT_DAMAGED. */
export async function verifyBase({ tools, directory, owner, backup }: Unpacking): Promise<void> {
  try {
    await runTool({
      command: tools.path('pg_verifybackup'),
      args: ['--exit-on-error', directory],
      ...(owner === undefined ? {} : { user: owner }),
      install: tools.install,
    });
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'TOOL_FAILED') throw error;
    const what = `base backup "${backup.manifest.backupId}" differs from its own manifest: ${error.details.words}`;
    throw new Failure('ARTIFACT_DAMAGED', what, { system: 'postgres' }, error);
  }
}

/** Points the recovery's tablespace map to where the tablespaces were unpacked. Only after `unpackBase`. */
export async function remapTablespaces({ backup, directory, tablespaceFolder }: Unpacking): Promise<void> {
  const spaces = tablespacesOf(backup);
  if (spaces.length === 0) return;
  const lines = spaces.map(({ oid, location }) => `${oid} ${tablespaceFolder(oid, location)}\n`);
  await writeFile(join(directory, 'tablespace_map'), lines.join(''));
}
