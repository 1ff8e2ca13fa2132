// One place where the repository's objects lie: a folder or a bucket. Every tier keeps this contract and passes
// test/contracts/backup-store.ts. Names are relative, with `/`.
import type { ByteSource } from '../../domain/contracts/backup-content.ts';
import type { TextTier } from '../../domain/contracts/repository.ts';
import { Failure } from '../../domain/failures.ts';
import { readOnceMore } from './read-once-more.ts';

export interface StoredObject {
  readonly name: string;
  readonly bytes: number;
  /** ISO time by the store's own clock. */
  readonly modifiedAt: string;
  /** Version id when the store keeps versions. */
  readonly versionId?: string;
}

/** A file on this machine that is to be stored, and what its bytes must be. */
export interface FileToStore {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** `created`: it was not there. `identical`: the very same bytes were there already, for example from an earlier try. */
export type Creation = 'created' | 'identical';

/** What was begun in a store and never completed. */
export interface Unfinished {
  readonly removed: number;
  /** Too young to be removed: somebody may be working on it. */
  readonly left: number;
}

/** What reading needs of a store. */
export interface ReadableStore {
  readonly name: string;
  readonly kind: 'folder' | 's3';
  /**
   * Every object whose name starts with `prefix` (a folder, ending in `/`, or empty), ordered by name.
   * @throws {Failure} LISTING_INCOMPLETE or STORE_UNREACHABLE when it could not be read to its end: never a part of it.
   */
  list(prefix: string): Promise<readonly StoredObject[]>;
  /** What is stored under `name`, or null. */
  stat(name: string): Promise<StoredObject | null>;
  /** Bytes of an object, from `start` on. @throws {Failure} ARTIFACT_MISSING. */
  read(name: string, start?: number): ByteSource;
}

export interface BackupStore extends ReadableStore {
  /**
   * Stores a small object, create-only, flushed to the disk before it returns.
   * @throws {Failure} ALREADY_EXISTS_DIFFERENT when other bytes have that name.
   */
  create(name: string, bytes: Uint8Array): Promise<Creation>;
  /**
   * Stores a file, create-only. A second call continues what the first left and never replaces anything.
   * @throws {Failure} ALREADY_EXISTS_DIFFERENT, NO_SPACE, ARTIFACT_DAMAGED when the file is not what it should be.
   */
  createFromFile(name: string, file: FileToStore, onBytes: (bytes: number) => void): Promise<Creation>;
  /** Removes an object with all its versions. Removing what is not there is fine. */
  remove(name: string): Promise<void>;
  /**
   * Ends uploads under `prefix` that were never completed and began before that moment of the store's own clock, or all of
   * them (null). A folder keeps all its unfinished files in one place and removes those that are at least a day old.
   */
  removeUnfinished(prefix: string, before: Date | null): Promise<Unfinished>;
  /**
   * What was first stored under each name, where the store keeps versions. Nothing is ever replaced by us, so this is the
   * repository as it was before somebody with the right to write deleted or replaced objects.
   */
  readonly firstVersions?: ReadableStore;
  /** Free space in bytes, or null where there is no such limit. */
  freeBytes(): Promise<number | null>;
}

/** A small object as text, or null when it is not there. @throws {Failure} ARTIFACT_DAMAGED when it is larger than `most`. */
export async function readText(store: ReadableStore, name: string, most = 64 * 1024 * 1024): Promise<string | null> {
  return (await readSmall(store, name, most))?.toString('utf8') ?? null;
}

/** A small object, or null when it is not there. @throws {Failure} ARTIFACT_DAMAGED when it is larger than `most`. */
export function readSmall(store: ReadableStore, name: string, most: number): Promise<Buffer | null> {
  return readOnceMore(() => collectSmall(store, name, most));
}

async function collectSmall(store: ReadableStore, name: string, most: number): Promise<Buffer | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of store.read(name)) {
      bytes += chunk.length;
      if (bytes > most) throw new Failure('ARTIFACT_DAMAGED', `'${name}' in tier '${store.name}' is too large`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof Failure && error.code === 'ARTIFACT_MISSING') return null;
    throw error;
  }
  return Buffer.concat(chunks);
}

/** Stores text, create-only. */
export function createText(store: BackupStore, name: string, text: string): Promise<Creation> {
  return store.create(name, Buffer.from(text));
}

/** A tier as a place for small texts that other rooms keep there. */
export const textTierOf = (store: BackupStore): TextTier => ({
  name: store.name,
  create: (name, text) => createText(store, name, text),
  read: (name) => readText(store, name),
  list: (prefix) => store.list(prefix),
});

/** The failure for an object that is not there. */
export function missing(store: { readonly name: string }, name: string, cause?: unknown): Failure {
  return new Failure('ARTIFACT_MISSING', `'${name}' is not in tier '${store.name}'`, { name, tier: store.name }, cause);
}

/** The failure for a name that other bytes have. */
export function existsDifferent(store: { readonly name: string }, name: string): Failure {
  return new Failure('ALREADY_EXISTS_DIFFERENT', `'${name}' in tier '${store.name}' holds other bytes already`, {
    name,
  });
}

/** The stores, and behind each what was first written into it. */
export function withFirstVersions(stores: readonly BackupStore[]): readonly ReadableStore[] {
  return [...stores, ...stores.flatMap(({ firstVersions }) => firstVersions ?? [])];
}
