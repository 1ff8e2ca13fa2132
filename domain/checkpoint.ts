// A checkpoint says what the repository holds: the sequence and hash of every manifest, signed, each one naming the one
// before. An older copy of the repository, a removed or exchanged manifest and a short listing all differ from it.
import { Failure } from './failures.ts';
import type { BackupRef, KeyHolder } from './manifest.ts';
import { FORMAT, parseHolder, requireFormat, safeName } from './manifest-record.ts';
import { ISO_TIME, parseJson, type RecordShape, SHA256, shapeOf } from './record-shape.ts';
import { isSystemName } from './systems.ts';

export interface KeyRecord {
  readonly name: string;
  readonly storedBytes: number;
  readonly storedSha256: string;
  /** Who can open it, where that is no longer what the manifest says: the key was rotated after the seal. */
  readonly recipients?: readonly KeyHolder[];
}

export interface CheckpointEntry extends BackupRef {
  readonly sequence: number;
  readonly manifestSha256: string;
  /** Wrapped keys of the backup. They are here and not in the manifest, because they change when keys rotate. */
  readonly keys: readonly KeyRecord[];
  readonly parents: readonly string[];
  /** Tiers that must hold it. */
  readonly tiers: readonly string[];
}

export interface Checkpoint {
  readonly type: 'checkpoint';
  readonly format: 1;
  readonly platform: string;
  readonly number: number;
  /** SHA-256 of the text of the checkpoint before; null in the first. */
  readonly previousSha256: string | null;
  /** Highest sequence ever given to a backup. */
  readonly lastSequence: number;
  readonly writtenAt: string;
  /** Ordered by sequence. */
  readonly backups: readonly CheckpointEntry[];
}

/** A checkpoint with the hash of its text. */
export interface KnownCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly sha256: string;
}

export const isSameBackup = (a: BackupRef, b: BackupRef): boolean => a.system === b.system && a.backupId === b.backupId;

/** The entry of `ref`, or undefined when the checkpoint does not know it. */
export function entryOf(checkpoint: Checkpoint | null, ref: BackupRef): CheckpointEntry | undefined {
  return checkpoint?.backups.find((entry) => isSameBackup(entry, ref));
}

/** The checkpoint after `previous` in which `backups` are what the repository holds. */
export function nextCheckpoint(
  platform: string,
  previous: KnownCheckpoint | null,
  backups: readonly CheckpointEntry[],
  writtenAt: string,
): Checkpoint {
  const sequences = backups.map(({ sequence }) => sequence);
  return {
    type: 'checkpoint',
    format: FORMAT,
    platform,
    number: (previous?.checkpoint.number ?? 0) + 1,
    previousSha256: previous?.sha256 ?? null,
    lastSequence: Math.max(previous?.checkpoint.lastSequence ?? 0, ...sequences),
    writtenAt,
    backups: backups.toSorted((a, b) => a.sequence - b.sequence),
  };
}

/** The checkpoint in `text`. @throws {Failure} CHECKPOINT_MISMATCH when it is not well formed, VERSION_UNFIT. */
export function parseCheckpoint(text: string): Checkpoint {
  const shape = shapeOf(parseJson(text, 'checkpoint', 'CHECKPOINT_MISMATCH'), 'checkpoint', 'CHECKPOINT_MISMATCH');
  requireFormat(shape.whole('format'), 'checkpoint');
  shape.text('type', /^checkpoint$/);
  return {
    type: 'checkpoint',
    format: FORMAT,
    platform: shape.text('platform'),
    number: shape.whole('number'),
    previousSha256: shape.textOrNull('previousSha256', SHA256),
    lastSequence: shape.whole('lastSequence'),
    writtenAt: shape.text('writtenAt', ISO_TIME),
    backups: shape.list('backups', parseEntry),
  };
}

function parseEntry(shape: RecordShape): CheckpointEntry {
  const system = shape.text('system');
  if (!isSystemName(system)) throw new Failure('CHECKPOINT_MISMATCH', `checkpoint names an unknown system '${system}'`);
  return {
    system,
    backupId: safeName(shape, 'backupId'),
    sequence: shape.whole('sequence'),
    manifestSha256: shape.text('manifestSha256', SHA256),
    keys: shape.list('keys', parseKey),
    parents: shape.texts('parents'),
    tiers: shape.texts('tiers'),
  };
}

function parseKey(shape: RecordShape): KeyRecord {
  const key = {
    name: safeName(shape, 'name'),
    storedBytes: shape.whole('storedBytes'),
    storedSha256: shape.text('storedSha256', SHA256),
  };
  return shape.has('recipients') ? { ...key, recipients: shape.list('recipients', parseHolder) } : key;
}
