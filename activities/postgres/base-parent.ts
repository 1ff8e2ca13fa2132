// What an incremental base backup rests on. pg_basebackup needs the manifest of the earlier one, which lists files and
// their checksums. A worker that takes backups can only encrypt, so it cannot read that out of the repository: it keeps a
// copy of each that it took itself. The sealed manifest holds the copy's hash, so no other file passes for it.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../domain/failures.ts';
import type { Manifest } from '../../domain/manifest.ts';
import { kindOf } from '../../domain/systems.ts';
import type { Session } from './connection.ts';
import type { Dependencies } from './context.ts';
import { majorOf } from './read-stored.ts';

export interface Parent {
  readonly manifest: Manifest;
  /** The copy of its `backup_manifest`. */
  readonly path: string;
}

/** PostgreSQL that takes incremental base backups. */
export const INCREMENTAL_SINCE = 17;

const KEPT = 50;
const SUFFIX = '.backup_manifest';

const folderOf = ({ workDirectory }: Dependencies) => join(workDirectory, 'postgres-base-manifests');

/** Where the manifest of a base backup that is being taken is kept for later ones. Only the newest stay. */
export async function placeForManifest(deps: Dependencies, backupId: string): Promise<string> {
  const folder = folderOf(deps);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const names = (await readdir(folder)).sort().reverse();
  for (const name of names.slice(KEPT)) await rm(join(folder, name), { force: true });
  return join(folder, backupId + SUFFIX);
}

/** True when the server writes down which blocks change, without which no later backup can rest on this one. */
export async function summarizesWal(session: Session): Promise<boolean> {
  const { is } = await session.row<{ is: boolean | null }>(
    "select current_setting('summarize_wal', true) = 'on' as is",
  );
  return is === true;
}

/** Facts of the server that a parent must fit. */
export interface Server {
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly major: number;
}

/**
 * The newest sealed base backup that the next may rest on, or the reason why there is none.
 * @throws {Failure} what reading manifests throws, but for one that is not there (any more).
 */
export async function findParent(
  deps: Dependencies,
  session: Session,
  server: Server,
  kind: string,
): Promise<Parent | string> {
  const names = (await readdir(folderOf(deps)).catch(() => [] as string[])).filter((name) => name.endsWith(SUFFIX));
  for (const name of names.sort().reverse()) {
    const manifest = await openManifest(deps, name.slice(0, -SUFFIX.length));
    if (manifest === null) continue;
    const path = join(folderOf(deps), name);
    const reason = reasonAgainst(manifest, server, kind) ?? (await reasonAgainstCopy(manifest, path));
    return reason ?? (await reasonOfSummaries(session, manifest)) ?? { manifest, path };
  }
  return 'this worker has taken no base backup yet that later ones can rest on';
}

async function openManifest(deps: Dependencies, backupId: string): Promise<Manifest | null> {
  try {
    return (await deps.reader.open({ system: 'postgres', backupId })).manifest;
  } catch (error) {
    if (error instanceof Failure && error.code === 'BACKUP_NOT_FOUND') return null; // Not sealed, or expired.
    throw error;
  }
}

function reasonAgainst(manifest: Manifest, server: Server, kind: string): string | null {
  const rule = kindOf('postgres', kind)?.restsOn;
  const { backupId, source, parents } = manifest;
  if (!rule?.kinds.includes(manifest.kind)) return `"${backupId}" is a ${manifest.kind} backup`;
  if (parents.length >= rule.most) return `the chain of "${backupId}" has ${parents.length} backups already`;
  if (source.systemIdentifier !== server.systemIdentifier || majorOf(manifest) !== server.major)
    return `"${backupId}" is of another server`;
  return source.timeline === server.timeline ? null : `"${backupId}" is of another timeline`;
}

async function reasonAgainstCopy({ backupId, report }: Manifest, path: string): Promise<string | null> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex') === report.baseManifestSha256 ? null : `the kept manifest of "${backupId}" is not its own`;
}

// Asked before, because pg_basebackup waits a minute for summaries that never come.
async function reasonOfSummaries(session: Session, { backupId, source }: Manifest): Promise<string | null> {
  const { covered } = await session.row<{ covered: boolean | null }>(
    'select min(start_lsn) <= $1::pg_lsn as covered from pg_available_wal_summaries() where tli = $2::bigint',
    [source.startLsn, source.timeline],
  );
  return covered === true ? null : `the server has no summaries of WAL back to "${backupId}"`;
}
