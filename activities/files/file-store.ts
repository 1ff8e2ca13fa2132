// A protected system made of files: the contract's verbs over one collection. Configuration and certificates differ only
// in which files there are and in what their content means.
import { Readable } from 'node:stream';
import type { ArtifactSpec, OpenBackup } from '../../domain/contracts/backup-content.ts';
import type {
  CheckBackupInput,
  CheckReport,
  Finding,
  ProtectedSystem,
  RestoreRequest,
  TakeBackupInput,
} from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { Artifact, TakenBackup } from '../../domain/manifest.ts';
import { removeRunFolder } from '../shared/run-folder.ts';
import type { SystemDependencies } from '../shared/system-dependencies.ts';
import { readArchive, readInventory } from './archive-reader.ts';
import { type WrittenArchive, writeArchive } from './archive-writer.ts';
import type { FileCollection } from './collection.ts';
import { observeFiles } from './observe.ts';
import { readPosition } from './position.ts';
import { FileRestore } from './restore.ts';
import { makeEmpty, runFolders } from './run-folders.ts';
import { Staging } from './staging.ts';
import { countKinds, inspectFiles, leftOutFinding, sourceOf } from './survey.ts';

type Dependencies = Pick<SystemDependencies<unknown>, 'workDirectory' | 'writer' | 'reader'>;

/** What a system stores beside its files, and what to tell when it could not. */
export interface Beside {
  readonly artifacts: readonly { readonly spec: ArtifactSpec; readonly bytes: Uint8Array }[];
  readonly findings: readonly Finding[];
}

export interface FileStoreOptions {
  readonly collection: FileCollection;
  readonly beside?: () => Promise<Beside>;
  /** Decides whether findings of the stored content stop a live restore. @throws {Failure} when they do. */
  readonly admit?: (request: RestoreRequest, findings: readonly Finding[]) => void;
}

/** The verbs of a system of files. */
export function createFileStore(deps: Dependencies, options: FileStoreOptions): ProtectedSystem {
  const { collection, admit = () => undefined } = options;
  const { reader, workDirectory } = deps;
  const restore = new FileRestore({ reader, workDirectory, collection, admit });
  return {
    inspect: () => inspectFiles(collection),
    observe: () => observeFiles(collection),
    countMarkers: async () => null,
    readPosition: () => readPosition(collection),
    takeBackup: (input) => takeBackup(deps, options, input),
    checkBackup: (input) => checkBackup(deps, collection, input),
    planRestore: (request) => restore.plan(request),
    runRestoreStep: (input) => restore.runStep(input),
    undoRestoreStep: (input) => restore.undoStep(input),
    finishRestore: (input) => restore.finish(input),
  };
}

/**
 * Does: archives every file of the collection with its inventory.
 * Repeat: finds the finished backup of an earlier attempt, or begins anew in a folder of its own.
 * Undo: `abandon` on any failure; nothing else was touched.
 */
async function takeBackup(
  deps: Dependencies,
  { collection, beside }: FileStoreOptions,
  input: TakeBackupInput,
): Promise<TakenBackup> {
  if (input.kind !== 'files') throw new Failure('USAGE', `${collection.system} has no kind '${input.kind}'`);
  const startedAt = new Date().toISOString();
  const backup = await deps.writer.begin(input.backup);
  if ('alreadyTaken' in backup) return backup.alreadyTaken;
  const { scratch } = runFolders(deps.workDirectory, input.run, `${collection.system}-backup`);
  try {
    const written = await writeArchive(collection, backup, await makeEmpty(scratch));
    const also = await addBeside(backup, beside);
    return await backup.finish(await factsOf(collection, input, startedAt, withBeside(written, also)));
  } catch (error) {
    await backup.abandon();
    throw error;
  } finally {
    await removeRunFolder(scratch);
  }
}

interface AddedBeside {
  readonly artifacts: readonly Artifact[];
  readonly findings: readonly Finding[];
}

async function addBeside(backup: OpenBackup, beside: FileStoreOptions['beside']): Promise<AddedBeside> {
  const { artifacts, findings } = (await beside?.()) ?? { artifacts: [], findings: [] };
  const added = artifacts.map(({ spec, bytes }) => backup.addArtifact(spec, Readable.from([bytes])));
  return { artifacts: await Promise.all(added), findings };
}

const withBeside = (written: WrittenArchive, { artifacts, findings }: AddedBeside): WrittenArchive => ({
  ...written,
  artifacts: [...written.artifacts, ...artifacts],
  lacking: [...findings, ...written.lacking],
});

async function factsOf(collection: FileCollection, input: TakeBackupInput, startedAt: string, written: WrittenArchive) {
  const { entries, leftOut, lacking, artifacts, read } = written;
  const paths = entries.map(({ path }) => path);
  const judgement = (await collection.judge?.(read, paths)) ?? { findings: [], report: {} };
  const warnings = [
    ...lacking,
    ...leftOut.map(leftOutFinding),
    ...judgement.findings.filter(({ level }) => level !== 'ok'),
  ];
  return {
    system: collection.system,
    backupId: input.backup.backupId,
    kind: input.kind,
    site: input.site,
    startedAt,
    momentAt: startedAt, // Each file has its own moment; none is older than this.
    finishedAt: new Date().toISOString(),
    source: sourceOf(collection),
    tools: { node: process.version },
    artifacts,
    counts: { ...countKinds(entries), leftOut: leftOut.length },
    parents: [],
    marker: null,
    warnings: warnings.slice(0, 100).map(({ subject, message }) => `${subject} ${message}`),
    report: judgement.report,
  };
}

/**
 * Does: reads the whole backup and compares every entry and byte with the inventory; judges the stored content.
 * Repeat: reads again. Undo: none needed; the run's scratch goes at the end.
 */
async function checkBackup(
  deps: Dependencies,
  collection: FileCollection,
  input: CheckBackupInput,
): Promise<CheckReport> {
  const stored = await deps.reader.open(input.backup, input.tier ?? undefined);
  const entries = await readInventory(stored, collection.root);
  requireCounts(stored.manifest.counts, countKinds(entries));
  const subject = `backup '${input.backup.backupId}'`;
  const message = `${entries.length} entries are whole and agree with the inventory`;
  const agreed: Finding = { level: 'ok', subject, message, code: null };
  if (collection.judge === undefined) {
    return { backup: input.backup, findings: [agreed], bytesRead: await readArchive(stored, entries) };
  }
  const { scratch } = runFolders(deps.workDirectory, input.run, `${collection.system}-check`);
  try {
    const staging = new Staging(scratch);
    const bytesRead = await staging.fill(stored, entries, entries);
    const { findings } = await collection.judge(
      await staging.contents(entries),
      entries.map(({ path }) => path),
    );
    return { backup: input.backup, findings: [agreed, ...findings], bytesRead };
  } finally {
    await removeRunFolder(scratch);
  }
}

function requireCounts(recorded: Readonly<Record<string, number>>, found: Readonly<Record<string, number>>): void {
  for (const [what, count] of Object.entries(found)) {
    if (recorded[what] === count) continue;
    throw new Failure(
      'ARTIFACT_DAMAGED',
      `the manifest counts ${recorded[what]} ${what} and the inventory holds ${count}`,
    );
  }
}
