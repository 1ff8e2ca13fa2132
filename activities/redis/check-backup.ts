// Reading a backup in full: every artifact to its last byte, and each format with its own tool.
import { join } from 'node:path';
import { artifactsOf, type StoredBackup } from '../../domain/contracts/backup-content.ts';
import type { CheckBackupInput, CheckReport, Finding } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { parseAcl } from '../../domain/systems/redis-acl.ts';
import { progressOf } from '../shared/activity-context.ts';
import { type RedisDependencies, withRunFolder } from './run-folder.ts';
import { onlyArtifact, placeAof } from './stored-content.ts';
import { checkAofFile, checkRdbStream, requireReadable } from './tools.ts';

/**
 * *Does*: decrypts and reads every artifact, checks the snapshot or the append-only files with Redis' own tools, and
 * compares their counts with the manifest. *Repeat*: reads again in a fresh folder. *Undo*: none, nothing is changed.
 * @throws {Failure} VERSION_UNFIT when the backup was written by a newer Redis than the tools here; what the reader
 * throws for damage.
 */
export async function checkBackup(deps: RedisDependencies, input: CheckBackupInput): Promise<CheckReport> {
  const stored = await deps.reader.open(input.backup, input.tier ?? undefined);
  await requireReadable(deps.configuration, String(stored.manifest.source.version ?? '0.0.0'));
  const read = counted(stored);
  const findings = await withRunFolder(deps, input.run, `check-${input.backup.backupId}`, async (folder) => [
    await (stored.manifest.kind === 'aof' ? checkAof(deps, stored, folder) : checkRdb(deps, read, stored, folder)),
    ...(await checkSides(read, stored)),
  ]);
  return { backup: input.backup, findings, bytesRead: read.total() + aofBytes(stored) };
}

interface CountedReader {
  bytes(artifact: string): AsyncGenerator<Uint8Array>;
  total(): number;
}

function counted(stored: StoredBackup): CountedReader {
  const count = progressOf(
    'reading the backup',
    stored.manifest.artifacts.reduce((sum, one) => sum + one.plainBytes, 0),
  );
  let total = 0;
  async function* bytes(artifact: string): AsyncGenerator<Uint8Array> {
    for await (const piece of stored.read(artifact)) {
      total += piece.length;
      count(piece.length);
      yield piece;
    }
  }
  return { bytes, total: () => total };
}

async function checkRdb(
  deps: RedisDependencies,
  read: CountedReader,
  { manifest }: StoredBackup,
  folder: string,
): Promise<Finding> {
  const source = read.bytes(onlyArtifact(manifest, 'rdb'));
  const found = await checkRdbStream(deps.configuration, join(folder, 'rdb-to-check'), source);
  if (found.keys !== manifest.counts.keys || found.expires !== manifest.counts.keysWithExpiry)
    throw new Failure(
      'ARTIFACT_DAMAGED',
      `the snapshot holds ${found.keys} keys, the manifest says ${manifest.counts.keys}`,
      { system: 'redis' },
    );
  const message = `redis-check-rdb finds ${found.keys} keys, ${found.expires} with an expiry, ${found.expired} expired by now`;
  return { level: 'ok', subject: 'snapshot', message, code: null };
}

async function checkAof(deps: RedisDependencies, stored: StoredBackup, folder: string): Promise<Finding> {
  await placeAof(stored, folder, { directory: 'aof', prefix: 'appendonly.aof' });
  await checkAofFile(deps.configuration, join(folder, 'aof', 'appendonly.aof.manifest'));
  const cut = Number(stored.manifest.report.unfinishedTailBytes ?? 0);
  const tail = cut === 0 ? '' : `; ${cut} bytes of a command that was being written are left out`;
  const message = `redis-check-aof finds ${stored.manifest.counts.files} files sound${tail}`;
  return { level: 'ok', subject: 'append-only files', message, code: null };
}

function aofBytes({ manifest }: StoredBackup): number {
  return artifactsOf(manifest, 'aof').reduce((sum, one) => sum + one.plainBytes, 0);
}

async function checkSides(read: CountedReader, { manifest }: StoredBackup): Promise<readonly Finding[]> {
  const sides = manifest.artifacts.filter(({ role }) => role !== 'rdb' && role !== 'aof');
  const findings: Finding[] = [];
  for (const { name, role } of sides) {
    const pieces: Uint8Array[] = [];
    for await (const piece of read.bytes(name)) pieces.push(piece);
    findings.push({ level: 'ok', subject: role, message: lookInto(role, Buffer.concat(pieces)), code: null });
  }
  return findings;
}

function lookInto(role: string, bytes: Buffer): string {
  try {
    if (role === 'acl') return `${parseAcl(bytes.toString('latin1')).length} users`;
    if (role === 'functions') return `${bytes.length} bytes`;
    return `${Object.keys(JSON.parse(bytes.toString('utf8')) as object).length} entries`;
  } catch (error) {
    throw new Failure(
      'ARTIFACT_DAMAGED',
      `the artifact of the role '${role}' is not what it should be`,
      { system: 'redis' },
      error,
    );
  }
}
