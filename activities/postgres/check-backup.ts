// Reading a stored backup in full: every artifact in its own format.
import { join } from 'node:path';
import { artifactsOf, type ByteSource, type StoredBackup } from '../../domain/contracts/backup-content.ts';
import type { CheckBackupInput, CheckReport, Finding } from '../../domain/contracts/protected-system.ts';
import { Failure, type FailureCode } from '../../domain/failures.ts';
import type { Artifact } from '../../domain/manifest.ts';
import { totalBytes } from '../../domain/manifest.ts';
import { parseInventory } from '../../domain/systems/postgres-inventory.ts';
import { progressOf } from '../shared/activity-context.ts';
import { type RunningTool, startTool } from '../shared/run-tool.ts';
import { type Dependencies, withRunFolder } from './context.ts';
import { feed, outputOf } from './feed.ts';
import { majorOf } from './read-stored.ts';
import { parseLines } from './roles.ts';
import { findTools, type Tools } from './tools.ts';
import { unpackBase } from './unpack-base.ts';
import { type LAST_LINES, wholeText } from './whole-text.ts';

interface Work {
  readonly deps: Dependencies;
  readonly tools: Tools;
  readonly backup: StoredBackup;
  readonly folder: string;
}

type Check = (work: Work, artifact: Artifact, source: ByteSource) => Promise<string>;

/** What damage looks like; every other failure says nothing about the backup and is thrown. */
const DAMAGE: readonly FailureCode[] = ['ARTIFACT_DAMAGED', 'ARTIFACT_MISSING', 'TOOL_FAILED'];

/**
 * Does: decrypts every artifact and reads it with PostgreSQL's own tools; a base backup is unpacked and verified.
 * Repeat: removes what an earlier attempt unpacked and reads again. Undo: none, it changes nothing that stays.
 * @throws {Failure} what opening the backup throws, TOOL_MISSING, NO_SPACE. Damage is in the findings.
 */
export async function checkBackup(deps: Dependencies, input: CheckBackupInput): Promise<CheckReport> {
  const backup = await deps.reader.open(input.backup, input.tier ?? undefined);
  const tools = await findTools(deps.configuration.binDirectory, majorOf(backup.manifest));
  const findings = await withRunFolder(deps, input.run, `check-${input.backup.backupId}`, (folder) =>
    checkArtifacts({ deps, tools, backup, folder }),
  );
  return { backup: input.backup, findings, bytesRead: totalBytes(backup.manifest.artifacts).plainBytes };
}

async function checkArtifacts(work: Work): Promise<Finding[]> {
  const { artifacts } = work.backup.manifest;
  const findings = [...missingRoles(work.backup), ...(await missingParents(work))];
  for (const artifact of artifacts) findings.push(await checkOne(work, artifact));
  return findings;
}

const NEEDED: Readonly<Record<string, readonly string[]>> = {
  logical: ['globals', 'roles', 'dump', 'sql', 'inventory'],
  physical: ['base', 'inventory'],
  incremental: ['base', 'inventory'],
};

function missingRoles({ manifest }: StoredBackup): Finding[] {
  const missing = (NEEDED[manifest.kind] ?? []).filter((role) => artifactsOf(manifest, role).length === 0);
  return missing.map((role) => ({
    level: 'failed',
    subject: `backup ${manifest.backupId}`,
    message: `has no artifact of role ${role}`,
    code: 'ARTIFACT_MISSING',
  }));
}

async function missingParents({ deps, backup }: Work): Promise<Finding[]> {
  const looks = backup.manifest.parents.map(async (backupId): Promise<Finding[]> => {
    try {
      await deps.reader.open({ system: 'postgres', backupId });
      return [];
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'BACKUP_NOT_FOUND') throw error;
      const message = 'is not there, and this backup rests on it';
      return [{ level: 'failed', subject: `backup ${backupId}`, message, code: 'ARTIFACT_MISSING' }];
    }
  });
  return (await Promise.all(looks)).flat();
}

async function checkOne(work: Work, artifact: Artifact): Promise<Finding> {
  const subject = artifact.subject === undefined ? artifact.name : `${artifact.name} of "${artifact.subject}"`;
  const check = CHECKS[artifact.role] ?? checkReadable;
  try {
    const message = await check(work, artifact, watched(artifact, work.backup.read(artifact.name)));
    return { level: 'ok', subject, message, code: null };
  } catch (error) {
    if (!(error instanceof Failure) || !DAMAGE.includes(error.code)) throw error;
    const code = error.code === 'TOOL_FAILED' ? 'ARTIFACT_DAMAGED' : error.code;
    return { level: 'failed', subject, message: error.message, code };
  }
}

async function* watched(artifact: Artifact, source: ByteSource): ByteSource {
  const progress = progressOf(`reading ${artifact.name}`, artifact.plainBytes);
  for await (const chunk of source) {
    progress(chunk.byteLength);
    yield chunk;
  }
}

const checkDump: Check = async ({ tools, backup }, artifact, source) => {
  const read = startTool({ command: tools.path('pg_restore'), args: ['--file=/dev/null'], install: tools.install });
  await feed(source, read);
  const list = startTool({ command: tools.path('pg_restore'), args: ['--list'], install: tools.install });
  const entries = await countEntries(list, backup.read(artifact.name));
  return `pg_restore read it to the end: ${entries} entries`;
};

// The list is at the dump's beginning: pg_restore ends long before the stream does.
async function countEntries(list: RunningTool, source: ByteSource): Promise<number> {
  const giving = give(list, source);
  let text = '';
  for await (const chunk of outputOf(list)) text += Buffer.from(chunk).toString('utf8');
  await giving;
  return text.split('\n').filter((line) => /^\d+;/.test(line)).length;
}

async function give(list: RunningTool, source: ByteSource): Promise<void> {
  let ended = false;
  const end = () => {
    ended = true;
  };
  list.finished.then(end, end);
  for await (const chunk of source) {
    if (ended || list.stdin.destroyed) return;
    if (!list.stdin.write(chunk))
      await Promise.race([new Promise((go) => list.stdin.once('drain', go)), list.finished]);
  }
  list.stdin.end();
}

const checkText: Check = async (_work, artifact, source) => {
  const cut = () => new Failure('ARTIFACT_DAMAGED', `${artifact.name} does not end as pg_dump ends its output`);
  for await (const _ of wholeText(artifact.role as keyof typeof LAST_LINES, source, cut)) {
    // Reading to the end checks length, hashes and the last line.
  }
  return 'complete to its last line';
};

const checkBase: Check = async ({ deps, tools, backup, folder }) => {
  const tablespaceFolder = (oid: string) => join(folder, `tablespace-${oid}`);
  const directory = join(folder, 'base');
  await unpackBase({ tools, backup, directory, tablespaceFolder, owner: deps.scratchUser });
  return 'every file and the WAL match the manifest (pg_verifybackup)';
};

const checkLines =
  (parse: (text: string) => readonly unknown[]): Check =>
  async (_work, artifact, source) => {
    const parts: Uint8Array[] = [];
    for await (const chunk of source) parts.push(chunk);
    try {
      return `${parse(Buffer.concat(parts).toString('utf8')).length} lines`;
    } catch (cause) {
      throw new Failure('ARTIFACT_DAMAGED', `${artifact.name} is not JSON lines`, {}, cause);
    }
  };

const checkReadable: Check = async (_work, _artifact, source) => {
  for await (const _ of source) {
    // Reading to the end checks length and hashes.
  }
  return 'read to the end';
};

const CHECKS: Readonly<Record<string, Check>> = {
  dump: checkDump,
  sql: checkText,
  globals: checkText,
  roles: checkLines(parseLines),
  settings: checkLines(parseLines),
  inventory: checkLines(parseInventory),
  base: checkBase,
};
