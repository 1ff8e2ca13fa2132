// What a rebuild reads: Holdfast's own file, from one copy of the repository and one private key. Nothing of ours is on
// this machine, so who sealed the repository is for a person to confirm: until then its content is only looked at.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { type Checkpoint, type CheckpointEntry, type KeyRecord, parseCheckpoint } from '../../domain/checkpoint.ts';
import type { TierConfiguration } from '../../domain/configuration/schema.ts';
import type { TextTier } from '../../domain/contracts/repository.ts';
import { Failure, type FailureCode } from '../../domain/failures.ts';
import { currentKey } from '../../domain/key-rotation.ts';
import type { Artifact, BackupRef, Manifest } from '../../domain/manifest.ts';
import { parseManifest, requireFormat } from '../../domain/manifest-record.ts';
import { OWN_FILE, type OwnFile, parseOwnFile } from '../../domain/own-file.ts';
import { isText, parseJson, SHA256, shapeOf } from '../../domain/record-shape.ts';
import {
  backupFolder,
  CHECKPOINTS,
  checkpointName,
  MANIFEST,
  numberIn,
  REPOSITORY_RECORD,
  refText,
} from '../../domain/repository-layout.ts';
import { publishBytes } from '../shared/durable-files.ts';
import { keyIdOf, readPublicKey } from '../shared/public-keys.ts';
import { resolveSecret } from '../shared/secrets.ts';
import { checkStoredBytes, decryptedBytes } from './artifact-reading.ts';
import { type FoundCheckpoint, newestIn } from './checkpoints.ts';
import { backupKeyring, contextOf } from './cipher.ts';
import type { RepositoryContext } from './context.ts';
import { readManifest } from './manifests.ts';
import { sha256Of } from './measure.ts';
import { parseSignature } from './signing.ts';
import { type BackupStore, missing, readText, textTierOf } from './store.ts';
import { openTiers } from './tiers.ts';
import { openBackupKey } from './wrapped-keys.ts';

/** More than any configuration and its keys have. */
const MOST_BYTES = 4 * 1024 * 1024;

export interface RebuildInput {
  /** The copy of the repository to read. */
  readonly tier: TierConfiguration;
  /** The file of a recipient's private key. */
  readonly keyFile: string;
  /** Who may have sealed it: key ids, and public keys in files. */
  readonly trust: readonly string[];
  /** A private folder for what is read; the caller removes it. */
  readonly scratch: string;
}

/** A key that was believed, and because of what. */
export interface TrustedSealer {
  readonly keyId: string;
  readonly ground: 'file' | 'id';
}

export interface RebuildSource {
  readonly platform: string;
  readonly own: OwnFile;
  readonly backup: BackupRef;
  readonly sealedAt: string;
  /** Id of the key that opened it. */
  readonly openedBy: string;
  readonly checkpoint: FoundCheckpoint;
  readonly sealers: readonly TrustedSealer[];
  /** Newer configuration backups that could not be used, and why. */
  readonly passedOver: readonly string[];
  /** The repository's texts, for the rooms that keep some there. */
  readonly texts: TextTier;
  /** The newest checkpoint of another copy, judged by the same keys; null where there is none. */
  newestOf(tier: TierConfiguration): Promise<FoundCheckpoint | null>;
}

/**
 * Does: finds who sealed the copy, requires that the operator confirms it, and reads the newest good configuration backup.
 * Repeat: reads again. Undo: none needed, nothing but `scratch` is written.
 * @throws {Failure} SEALER_UNCONFIRMED, WRONG_KEY, BACKUP_NOT_FOUND, MANIFEST_UNTRUSTED, CHECKPOINT_MISMATCH.
 */
export async function readRebuildSource(input: RebuildInput): Promise<RebuildSource> {
  const store = openOne(input.tier);
  const platform = await platformOf(store);
  const openedBy = await keyIdIn(input.keyFile);
  const context = contextFor(input, store, platform);
  const claimed = await claimedCheckpoint(store);
  const offered = await newestOwn(context, store, claimed.checkpoint, unprovenManifest);
  const sealers = await confirmedSealers(input.trust, publicKeysOf(offered.own));
  requireConfirmed(claimed, sealers);
  const trusting = await trustingContext(context, input.scratch, sealers);
  const checkpoint = await requireCheckpoint(trusting, store);
  const found = await newestOwn(trusting, store, checkpoint.checkpoint, (one, entry) =>
    readManifest(trusting, one, checkpoint.checkpoint, entry),
  );
  return {
    ...{ platform, checkpoint, openedBy, ...found },
    sealers: sealers.map(({ keyId, ground }) => ({ keyId, ground })),
    texts: textTierOf(store),
    newestOf: (tier) => newestIn(trusting, openOne(tier)),
  };
}

function openOne(tier: TierConfiguration): BackupStore {
  const [store] = openTiers({ from: tier });
  if (!store) throw new Failure('BUG', 'no tier was opened');
  return store;
}

async function requireCheckpoint(context: RepositoryContext, store: BackupStore): Promise<FoundCheckpoint> {
  const checkpoint = await newestIn(context, store);
  if (checkpoint === null) throw noBackup('it has no checkpoint');
  return checkpoint;
}

const noBackup = (why: string) =>
  new Failure('BACKUP_NOT_FOUND', `this repository cannot bring Holdfast back: ${why}`, {});

async function platformOf(store: BackupStore): Promise<string> {
  const text = await readText(store, REPOSITORY_RECORD, MOST_BYTES);
  if (text === null) throw noBackup(`'${REPOSITORY_RECORD}' is not there`);
  const shape = shapeOf(
    parseJson(text, REPOSITORY_RECORD, 'REPOSITORY_FOREIGN'),
    REPOSITORY_RECORD,
    'REPOSITORY_FOREIGN',
  );
  requireFormat(shape.whole('format'), REPOSITORY_RECORD);
  return shape.text('platform', /^[a-z][a-z0-9-]{0,39}$/);
}

async function keyIdIn(file: string): Promise<string> {
  const pem = await resolveSecret(`\${file:${file}}`);
  try {
    return keyIdOf(createPublicKey(pem));
  } catch {
    // The cause could quote the key.
    throw new Failure('SECRET_UNRESOLVED', `'${file}' is not a private key in PEM`);
  }
}

function contextFor({ tier, keyFile, scratch }: RebuildInput, store: BackupStore, platform: string): RepositoryContext {
  const given = { name: 'given', key: `\${file:${keyFile}}` };
  return {
    platform,
    stores: [store],
    witnessDirectory: join(scratch, 'no-witness'),
    now: () => new Date(),
    configuration: {
      ...{ spool: scratch, tiers: { from: tier }, keys: { recipients: [], kms: [], private: [given] } },
      ...{ signing: { name: 'nobody', trusted: [] }, compressionLevel: 3, minimumKept: 2 },
      ...{ proofLimit: '7d', deleteGrace: '1d' },
    },
  };
}

interface Claimed {
  readonly checkpoint: Checkpoint;
  /** Who is said to have sealed it. */
  readonly keyId: string;
}

// What the newest checkpoint says, before anybody is believed.
async function claimedCheckpoint(store: BackupStore): Promise<Claimed> {
  const numbers = (await store.list(CHECKPOINTS)).map(({ name }) => numberIn(name)).filter((one) => one !== null);
  const name = checkpointName(Math.max(0, ...numbers));
  const text = numbers.length === 0 ? null : await readText(store, name);
  if (text === null) throw noBackup('it has no checkpoint');
  const { keyId } = parseSignature(text, name, 'CHECKPOINT_MISMATCH');
  const { record } = JSON.parse(text) as { record?: unknown };
  return { checkpoint: parseCheckpoint(isText(record) ? record : ''), keyId };
}

async function unprovenManifest(store: BackupStore, entry: CheckpointEntry): Promise<Manifest> {
  const text = await readText(store, backupFolder(entry) + MANIFEST);
  if (text === null) throw missing(store, backupFolder(entry) + MANIFEST);
  const manifest = parseManifest(text);
  if (sha256Of(text) === entry.manifestSha256 && refText(manifest) === refText(entry)) return manifest;
  throw new Failure(
    'CHECKPOINT_MISMATCH',
    `the manifest of ${refText(entry)} is not the one that the checkpoint names`,
  );
}

// Candidates by their ids: a person, or a file from elsewhere, says which of them is the sealer's.
function publicKeysOf({ publicKeys }: OwnFile): ReadonlyMap<string, string> {
  return new Map(publicKeys.map(({ path, pem }) => [keyIdOf(parsePublicKey(pem, path)), pem]));
}

function parsePublicKey(pem: string, path: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch (cause) {
    throw new Failure('ARTIFACT_DAMAGED', `the public key of '${path}' in '${OWN_FILE}' cannot be read`, {}, cause);
  }
}

interface Sealer extends TrustedSealer {
  readonly pem: string;
}

async function confirmedSealers(trust: RebuildInput['trust'], offered: ReadonlyMap<string, string>) {
  return Promise.all(
    trust.map((word): Sealer | Promise<Sealer> => (SHA256.test(word) ? fromId(word, offered) : fromFile(word))),
  );
}

function fromId(keyId: string, offered: ReadonlyMap<string, string>): Sealer {
  const pem = offered.get(keyId);
  if (pem !== undefined) return { keyId, pem, ground: 'id' };
  throw new Failure('MANIFEST_UNTRUSTED', `no configuration backup here carries the public key '${keyId}'`, { keyId });
}

async function fromFile(path: string): Promise<Sealer> {
  const key = await readPublicKey(path);
  const pem = key.export({ type: 'spki', format: 'pem' }).toString();
  return { keyId: keyIdOf(key), pem, ground: 'file' };
}

function requireConfirmed({ checkpoint, keyId }: Claimed, sealers: readonly Sealer[]): void {
  if (sealers.some((one) => one.keyId === keyId)) return;
  const { number, platform, writtenAt } = checkpoint;
  throw new Failure(
    'SEALER_UNCONFIRMED',
    `checkpoint ${number} of platform '${platform}' (${writtenAt}) was sealed by key '${keyId}', which nobody has confirmed`,
    { keyId },
  );
}

async function trustingContext(
  context: RepositoryContext,
  scratch: string,
  sealers: readonly Sealer[],
): Promise<RepositoryContext> {
  const trusted = await Promise.all(
    sealers.map(async ({ keyId, pem }, index) => {
      const publicKey = join(scratch, `${keyId}.pub`);
      await publishBytes(publicKey, scratch, Buffer.from(pem));
      return { name: `sealer-${index}`, publicKey };
    }),
  );
  return { ...context, configuration: { ...context.configuration, signing: { name: 'nobody', trusted } } };
}

type Found = Pick<RebuildSource, 'own' | 'backup' | 'sealedAt' | 'passedOver'>;

async function newestOwn(
  context: RepositoryContext,
  store: BackupStore,
  { backups }: Checkpoint,
  read: (store: BackupStore, entry: CheckpointEntry) => Promise<Manifest>,
): Promise<Found> {
  const refusals: Failure[] = [];
  for (const entry of backups.filter(({ system }) => system === 'config').toReversed()) {
    try {
      const manifest = await read(store, entry);
      if (ownArtifact(manifest.artifacts) === undefined) continue; // Made before Holdfast's own file was part of it.
      const own = await readOwnFile(context, store, manifest, currentKey(entry));
      const { system, backupId, sealedAt } = manifest;
      return { own, sealedAt, backup: { system, backupId }, passedOver: refusals.map(({ message }) => message) };
    } catch (error) {
      refusals.push(asUnusable(error));
    }
  }
  throw refusals[0] ?? noBackup(`no configuration backup in it holds '${OWN_FILE}'`);
}

const ownArtifact = (artifacts: readonly Artifact[]) => artifacts.find(({ name }) => name === OWN_FILE);

async function readOwnFile(
  context: RepositoryContext,
  store: BackupStore,
  manifest: Manifest,
  record: KeyRecord | undefined,
): Promise<OwnFile> {
  const artifact = ownArtifact(manifest.artifacts);
  if (artifact === undefined || artifact.plainBytes > MOST_BYTES || artifact.storedBytes > MOST_BYTES)
    throw new Failure('ARTIFACT_DAMAGED', `'${OWN_FILE}' of ${refText(manifest)} is too large`, { system: 'config' });
  const keyring = backupKeyring(manifest, await openBackupKey(context, [store], manifest, record));
  const checked = await checkStoredBytes(store, manifest, artifact, context.configuration.spool);
  try {
    const part = contextOf(context.platform, manifest, OWN_FILE);
    const chunks: Uint8Array[] = [];
    for await (const chunk of decryptedBytes(checked.source(), artifact, keyring, part)) chunks.push(chunk);
    return parseOwnFile(Buffer.concat(chunks).toString('utf8'));
  } finally {
    await checked.release();
  }
}

// A backup that fails with one of these says nothing of the one before it.
const NEXT_BACKUP: readonly FailureCode[] = [
  'WRONG_KEY',
  'ARTIFACT_DAMAGED',
  'ARTIFACT_MISSING',
  'MANIFEST_UNTRUSTED',
  'CHECKPOINT_MISMATCH',
  'VERSION_UNFIT',
];

function asUnusable(error: unknown): Failure {
  if (error instanceof Failure && NEXT_BACKUP.includes(error.code)) return error;
  throw error;
}
