// A writer and a reader of backups over plain files, without compression, encryption or tiers: enough to test a
// protected system alone. What it promises is the contract's; the real one is tested with the repository.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  ArtifactSpec,
  BackupReader,
  BackupWriter,
  ByteSource,
  OpenBackup,
  StoredBackup,
} from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import {
  type Artifact,
  type BackupFacts,
  type BackupRef,
  isSafeName,
  type Manifest,
  type TakenBackup,
} from '../../domain/manifest.ts';

export interface PlainBackups {
  readonly writer: BackupWriter;
  readonly reader: BackupReader;
  /** Makes a taken backup exist for the reader, as sealing does. */
  sealTaken(taken: TakenBackup): Promise<void>;
}

const NOTHING = createHash('sha256').digest('hex');
const LOST_ATTEMPT = /^attempt-/;

/** Backups below `directory`: `<system>/<backupId>/attempt-*` while written, `sealed/` once sealed. */
export function createPlainBackups(directory: string): PlainBackups {
  const folderOf = (ref: BackupRef) => join(directory, ref.system, ref.backupId);
  return {
    writer: { begin: (ref) => begin(folderOf(ref)) },
    reader: {
      open: (ref) => openStored(folderOf(ref), ref),
      list: (system) => listStored(join(directory, system)),
    },
    sealTaken: (taken) => seal(directory, folderOf(taken.facts), taken),
  };
}

async function begin(folder: string): Promise<OpenBackup | { readonly alreadyTaken: TakenBackup }> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const taken = await readJson<TakenBackup>(join(folder, 'taken.json'));
  if (taken) return { alreadyTaken: taken };
  for (const name of await readdir(folder)) {
    if (LOST_ATTEMPT.test(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
  return openAttempt(folder, await mkdtemp(join(folder, 'attempt-')));
}

function openAttempt(folder: string, attempt: string): OpenBackup {
  return {
    addArtifact: (spec, source) => writeArtifact(attempt, spec, source),
    finish: async (facts: BackupFacts) => {
      const key = { name: 'key.1', storedBytes: 0, storedSha256: NOTHING };
      const taken: TakenBackup = { facts, spoolDirectory: attempt, recipients: [], key };
      await writeFile(join(folder, 'taken.json'), JSON.stringify(taken), { mode: 0o600 });
      return taken;
    },
    abandon: async () => {
      await rm(attempt, { recursive: true, force: true });
      await rm(join(folder, 'taken.json'), { force: true });
    },
  };
}

async function writeArtifact(attempt: string, spec: ArtifactSpec, source: ByteSource): Promise<Artifact> {
  if (!isSafeName(spec.name)) throw new Error(`not a safe artifact name: ${spec.name}`);
  const file = await open(join(attempt, spec.name), 'wx', 0o600);
  const hash = createHash('sha256');
  let plainBytes = 0;
  try {
    for await (const chunk of source) {
      hash.update(chunk);
      plainBytes += chunk.byteLength;
      await file.writeFile(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  const plainSha256 = hash.digest('hex');
  return { ...spec, plainBytes, plainSha256, storedBytes: plainBytes, storedSha256: plainSha256 };
}

async function seal(directory: string, folder: string, taken: TakenBackup): Promise<void> {
  const sequence = (await listStored(join(directory, taken.facts.system))).length + 1;
  const manifest: Manifest = {
    ...taken.facts,
    format: 1,
    platform: 'plain',
    sequence,
    sealedAt: new Date().toISOString(),
    recipients: [],
    run: 'plain',
  };
  const sealed = join(folder, 'sealed');
  await mkdir(sealed, { mode: 0o700 });
  for (const { name } of taken.facts.artifacts) await link(join(taken.spoolDirectory, name), join(sealed, name));
  await writeFile(join(sealed, 'manifest.json'), JSON.stringify(manifest), { mode: 0o600, flag: 'wx' });
  await rm(taken.spoolDirectory, { recursive: true, force: true });
}

async function openStored(folder: string, ref: BackupRef): Promise<StoredBackup> {
  const sealed = join(folder, 'sealed');
  const manifest = await readJson<Manifest>(join(sealed, 'manifest.json'));
  if (!manifest) throw new Failure('BACKUP_NOT_FOUND', `no backup "${ref.backupId}" of ${ref.system}`);
  const read = (name: string) => readArtifact(sealed, manifest, name);
  return { manifest, read, save: (name, path) => saveArtifact(read(name), path) };
}

async function* readArtifact(sealed: string, manifest: Manifest, name: string): ByteSource {
  const artifact = manifest.artifacts.find((one) => one.name === name);
  if (!artifact) throw new Failure('ARTIFACT_MISSING', `the manifest names no artifact "${name}"`);
  const path = join(sealed, name);
  if ((await hashOf(path, name)) !== artifact.storedSha256)
    throw new Failure('ARTIFACT_DAMAGED', `artifact "${name}" differs from the manifest`);
  yield* createReadStream(path);
}

async function hashOf(path: string, name: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk);
  } catch (cause) {
    throw new Failure('ARTIFACT_MISSING', `artifact "${name}" cannot be read`, {}, cause);
  }
  return hash.digest('hex');
}

async function saveArtifact(source: ByteSource, path: string): Promise<void> {
  const staged = `${path}.partial`;
  await rm(staged, { force: true });
  await writeFile(staged, source, { mode: 0o600, flag: 'wx' });
  try {
    await link(staged, path);
  } finally {
    await rm(staged, { force: true });
  }
}

async function listStored(folder: string): Promise<readonly Manifest[]> {
  const names = await readdir(folder).catch(() => []);
  const manifests = await Promise.all(
    names.map((name) => readJson<Manifest>(join(folder, name, 'sealed', 'manifest.json'))),
  );
  return manifests.filter((one) => one !== undefined).sort((a, b) => b.sequence - a.sequence);
}

async function readJson<T>(path: string): Promise<T | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
  return text === undefined ? undefined : (JSON.parse(text) as T);
}
