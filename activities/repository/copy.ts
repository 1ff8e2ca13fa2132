// Copying a taken backup into a tier, and reading back what arrived.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TierCopy } from '../../domain/contracts/repository.ts';
import { Failure } from '../../domain/failures.ts';
import type { TakenBackup } from '../../domain/manifest.ts';
import { backupFolder, refText } from '../../domain/repository-layout.ts';
import { progressOf, throwIfCancelled } from '../shared/activity-context.ts';
import { unless } from '../shared/durable-files.ts';
import { measure } from './measure.ts';
import { readOnceMore } from './read-once-more.ts';
import type { BackupStore, ReadableStore } from './store.ts';

export interface Part {
  readonly name: string;
  readonly storedBytes: number;
  readonly storedSha256: string;
}

/** Everything of a taken backup that goes into a tier: data first, then the key. */
export function partsOf({ facts, key }: TakenBackup): readonly Part[] {
  const record = ({ name, storedBytes, storedSha256 }: Part): Part => ({ name, storedBytes, storedSha256 });
  return [...facts.artifacts.map(record), record(key)];
}

const bytesOf = (parts: readonly Part[]) => parts.reduce((sum, { storedBytes }) => sum + storedBytes, 0);

/** Copies the parts into a tier, one after the other, continuing what is partly there. */
export async function copyParts(store: BackupStore, taken: TakenBackup): Promise<TierCopy> {
  const parts = partsOf(taken);
  const onBytes = progressOf(`copying ${refText(taken.facts)} to ${store.name}`, bytesOf(parts));
  for (const { name, storedBytes: bytes, storedSha256: sha256 } of parts) {
    throwIfCancelled();
    const path = join(taken.spoolDirectory, name);
    await requireSpooled(path, taken.facts.system);
    await store.createFromFile(backupFolder(taken.facts) + name, { path, bytes, sha256 }, onBytes);
  }
  return { tier: store.name, objects: parts };
}

async function requireSpooled(path: string, system: string): Promise<void> {
  if (await unless(['ENOENT'], () => stat(path))) return;
  throw new Failure('ARTIFACT_MISSING', `'${path}' is no longer in the spool`, { system });
}

/** Reads every byte of the parts in a tier. @throws {Failure} ARTIFACT_DAMAGED, ARTIFACT_MISSING. */
export async function readBackParts(store: BackupStore, taken: TakenBackup): Promise<TierCopy> {
  const parts = partsOf(taken);
  const onBytes = progressOf(`reading back ${refText(taken.facts)} from ${store.name}`, bytesOf(parts));
  const objects: TierCopy['objects'][number][] = [];
  for (const part of parts) objects.push(await readBackPart(store, taken, part, onBytes));
  return { tier: store.name, objects };
}

async function readBackPart(store: BackupStore, taken: TakenBackup, part: Part, onBytes: (bytes: number) => void) {
  throwIfCancelled();
  const object = backupFolder(taken.facts) + part.name;
  await requireBytes(store, object, part, taken.facts.system, onBytes);
  const versionId = (await store.stat(object))?.versionId;
  return { ...part, ...(versionId === undefined ? {} : { versionId }) };
}

/** Reads an object to its end. @throws {Failure} ARTIFACT_DAMAGED when length or hash differ from the record twice. */
export const requireBytes = (...what: Parameters<typeof compareBytes>): Promise<void> =>
  readOnceMore(() => compareBytes(...what));

async function compareBytes(
  store: ReadableStore,
  object: string,
  part: Part,
  system: string,
  onBytes?: (bytes: number) => void,
): Promise<void> {
  const found = await measure(store.read(object), (bytes) => {
    throwIfCancelled();
    onBytes?.(bytes);
  });
  if (found.bytes === part.storedBytes && found.sha256 === part.storedSha256) return;
  const what = found.bytes === part.storedBytes ? 'other bytes than' : `${found.bytes} bytes instead of`;
  const wanted = found.bytes === part.storedBytes ? 'were stored' : `${part.storedBytes}`;
  throw new Failure('ARTIFACT_DAMAGED', `'${object}' in tier '${store.name}' has ${what} ${wanted}`, {
    system,
    object,
  });
}
