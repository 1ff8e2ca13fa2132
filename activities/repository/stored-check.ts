// Looks at everything that one tier holds of one backup. A look that fails is a finding too: it counts as failed.
import { type CheckpointEntry, entryOf } from '../../domain/checkpoint.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import type { CheckStoredInput } from '../../domain/contracts/repository.ts';
import { Failure } from '../../domain/failures.ts';
import { keyNumber } from '../../domain/key-rotation.ts';
import { type BackupRef, isSafeName } from '../../domain/manifest.ts';
import { backupFolder, MANIFEST, refText, SIGNATURE } from '../../domain/repository-layout.ts';
import { progressOf } from '../shared/activity-context.ts';
import { newestCheckpoint, newestIn } from './checkpoints.ts';
import { type RepositoryContext, storeOf } from './context.ts';
import { type Part, requireBytes } from './copy.ts';
import { readManifest } from './manifests.ts';
import type { BackupStore, ReadableStore } from './store.ts';

/** Existence, signature, checkpoint, length and SHA-256 of a backup in one tier. */
export async function checkStored(
  context: RepositoryContext,
  { backup, tier }: CheckStoredInput,
): Promise<readonly Finding[]> {
  const store = storeOf(context, tier);
  const findings: Finding[] = [];
  const look = async <T>(
    subject: string,
    ok: string,
    work: (from: ReadableStore) => Promise<T>,
  ): Promise<T | undefined> => {
    try {
      const result = await work(store);
      findings.push({ level: 'ok', subject, message: ok, code: null });
      return result;
    } catch (error) {
      findings.push(await tamperedFinding(failedFinding(subject, error, backup), store, work));
      return undefined;
    }
  };
  const newest = await look('checkpoint', 'it is the newest, signed by a trusted key', () =>
    requireNewest(context, store),
  );
  const entry = entryOf(newest ?? null, backup);
  const manifest = await look('manifest.json', 'its signature is trusted and the checkpoint names it', (from) =>
    readManifest(context, from, newest ?? null, backup, true),
  );
  const parts = [...(manifest?.artifacts ?? []), ...(entry?.keys ?? [])];
  const names = await look('objects', 'nothing is there that was not sealed', () =>
    requireOnly(store, backup, parts, entry),
  );
  findings.push(...(names ?? []).map(looseKey));
  const onBytes = progressOf(
    `checking ${refText(backup)} in ${tier}`,
    parts.reduce((sum, one) => sum + one.storedBytes, 0),
  );
  for (const part of parts)
    await look(part.name, `${part.storedBytes} bytes, as they were sealed`, (from) =>
      requireBytes(from, backupFolder(backup) + part.name, part, backup.system, onBytes),
    );
  return findings;
}

// What was whole when it was first written did not decay: somebody has deleted or replaced it since.
async function tamperedFinding(
  finding: Finding,
  { firstVersions }: BackupStore,
  work: (from: ReadableStore) => Promise<unknown>,
): Promise<Finding> {
  const isWhole =
    firstVersions !== undefined &&
    (await work(firstVersions).then(
      () => true,
      () => false, // That is no answer to another question: the finding stays what it is.
    ));
  if (!isWhole) return finding;
  const message = `${finding.message}; somebody who may write there deleted or replaced it: the version that was written first is whole, and a restore reads it`;
  return { ...finding, message, mend: "take the account's rights away, then 'dr restore' or 'dr backup'" };
}

/** A failure told as a finding. */
export function failedFinding(subject: string, error: unknown, backup?: BackupRef): Finding {
  const code = error instanceof Failure ? error.code : 'COULD_NOT_VERIFY';
  const message = error instanceof Error ? error.message : String(error);
  const mend = backup === undefined ? {} : { mend: `dr backup ${backup.system}` };
  return { level: 'failed', subject, message, code, ...mend };
}

async function requireNewest(context: RepositoryContext, store: BackupStore) {
  const [newest, here] = await Promise.all([newestCheckpoint(context), newestIn(context, store)]);
  if (newest?.sha256 !== here?.sha256)
    throw new Failure(
      'CHECKPOINT_MISMATCH',
      `the newest checkpoint in tier '${store.name}' is ${here?.checkpoint.number ?? 0}, elsewhere it is ${newest?.checkpoint.number ?? 0}`,
    );
  return newest?.checkpoint ?? null;
}

// What a rotation has retired, or left when it was given up. It opens the backup for whom it should not any more.
const looseKey = (name: string): Finding => ({
  level: 'warning',
  subject: name,
  message: 'the newest checkpoint names another key: a rotation is under way or was not finished',
  code: null,
  mend: 'dr keys rotate',
});

// Readers never look at anything that the manifest does not name; but what is not ours in a backup's folder tells of
// a writer that should not be there. @returns names of keys that the checkpoint does not name.
async function requireOnly(
  store: BackupStore,
  backup: BackupRef,
  parts: readonly Part[],
  entry: CheckpointEntry | undefined,
) {
  const known = new Set([MANIFEST, SIGNATURE, ...parts.map(({ name }) => name)]);
  const folder = backupFolder(backup);
  const names = (await store.list(folder)).map(({ name }) => name.slice(folder.length));
  const others = names.filter((name) => !known.has(name) && isSafeName(name));
  const strange = others.filter((name) => keyNumber(name) === null);
  if (entry && strange.length > 0)
    throw new Failure('COULD_NOT_VERIFY', `tier '${store.name}' holds '${strange[0]}', which was never sealed`);
  return others.filter((name) => keyNumber(name) !== null);
}
