// How a protected system writes and reads the bytes of a backup. The repository implements both sides; systems know
// nothing of compression, keys or tiers. Plain `AsyncIterable`s keep the contract free of Node's types; in practice
// they are Node streams, so `pipeline(Readable.from(...))` works on them.
import type { Artifact, BackupFacts, BackupRef, Manifest, TakenBackup } from '../manifest.ts';
import type { SystemName } from '../systems.ts';

export type ByteSource = AsyncIterable<Uint8Array>;

export interface ArtifactSpec {
  /** File name in the backup, see `isSafeName`. */
  readonly name: string;
  readonly role: string;
  readonly subject?: string;
}

/** A backup being written: a private folder of encrypted files that counts for nothing until it is sealed. */
export interface OpenBackup {
  /**
   * Compresses, encrypts and stores one stream. Streams only: memory does not grow with the data.
   * Several artifacts may be written at the same time. A chunk of `source` is not looked at any more once the next one
   * is asked for: the source may use its buffer again.
   * @returns the artifact's record once every byte is on the disk (fsync).
   * @throws {Failure} NO_SPACE when the disk is full. An error of `source` passes through unchanged.
   */
  addArtifact(spec: ArtifactSpec, source: ByteSource): Promise<Artifact>;
  /** Closes the backup: nothing can be added. Records the facts in the spool, so that a later attempt can find them. */
  finish(facts: BackupFacts): Promise<TakenBackup>;
  /** Removes what was written. Safe to call at any time, also twice, also after `finish` failed. */
  abandon(): Promise<void>;
}

/** The writing side. It holds public keys only: it can make backups and cannot open any. */
export interface BackupWriter {
  /**
   * Begins the backup in a folder of this attempt's own and removes what earlier attempts of the same backup left.
   * @returns the finished backup of an earlier attempt when there is one (its result was lost on the way).
   */
  begin(ref: BackupRef): Promise<OpenBackup | { readonly alreadyTaken: TakenBackup }>;
}

/** A stored backup, opened for reading. Its manifest was checked against the trusted keys before. */
export interface StoredBackup {
  readonly manifest: Manifest;
  /**
   * The artifact's plain bytes. Length and SHA-256 of the stored bytes are checked against the manifest first, then it
   * is decrypted, decompressed, and the plain length and hash are checked at the end.
   * @throws {Failure} ARTIFACT_MISSING, ARTIFACT_DAMAGED (also when the stream ends and the hash differs), WRONG_KEY,
   * KEY_MISSING. A consumer must treat bytes as unproven until the stream has ended without an error.
   */
  read(artifactName: string): ByteSource;
  /** Like `read`, into a file (mode 0600) that appears under `path` only when it is whole. Replaces nothing. */
  save(artifactName: string, path: string): Promise<void>;
}

/** The reading side, for workers that hold a private key. */
export interface BackupReader {
  /**
   * Opens a sealed backup.
   * @param tier name of the tier to read from; without it the tiers are tried in the configured order, and a damaged
   * copy in one is passed over for a whole one in the next.
   * @throws {Failure} BACKUP_NOT_FOUND, MANIFEST_UNTRUSTED, CHECKPOINT_MISMATCH.
   */
  open(ref: BackupRef, tier?: string): Promise<StoredBackup>;
  /** Manifests of one system, newest first (by sequence). Used by planners that look for parents or history. */
  list(system: SystemName): Promise<readonly Manifest[]>;
}

/** The artifacts of a manifest that have `role`, in the manifest's order. */
export function artifactsOf(manifest: { readonly artifacts: readonly Artifact[] }, role: string): readonly Artifact[] {
  return manifest.artifacts.filter((artifact) => artifact.role === role);
}
