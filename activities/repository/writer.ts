// The writing side: source → zstd → AES-256-GCM → file, all as streams. It holds public keys only.
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress, type ZstdCompress } from 'node:zlib';
import type { KeyringNode } from '@aws-crypto/client-node';
import type { ArtifactSpec, BackupWriter, ByteSource, OpenBackup } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import type { Artifact, BackupFacts, BackupRef, TakenBackup } from '../../domain/manifest.ts';
import { currentSignal, requireCurrentAttempt } from '../shared/activity-context.ts';
import { asDiskFailure, createPrivateFile, flushFolder, publishBytes } from '../shared/durable-files.ts';
import { backupKeyring, contextOf, encryption, type PartContext } from './cipher.ts';
import type { RepositoryContext } from './context.ts';
import { gathered, Measure, type Measured, sha256Of } from './measure.ts';
import { keySetOf, wrapKey } from './recipients.ts';
import { newAttempt, settleEarlierAttempts, sweepSpool, writeRecord } from './spool.ts';

const KEY_NAME = 'key.1';
const PIECE_BYTES = 1024 * 1024;

/** The writer of one site. */
export function createWriter(context: RepositoryContext, site: string): BackupWriter {
  return {
    async begin(ref) {
      requireCurrentAttempt(); // It removes what earlier attempts left, never what a later one writes.
      await sweepSpool(context.configuration.spool, Date.now());
      const alreadyTaken = await settleEarlierAttempts(context.configuration.spool, ref);
      return alreadyTaken ? { alreadyTaken } : await openBackup(context, site, ref);
    },
  };
}

async function openBackup(context: RepositoryContext, site: string, ref: BackupRef): Promise<OpenBackup> {
  const folder = await newAttempt(context.configuration.spool, ref).catch((error) => {
    throw asDiskFailure(error, context.configuration.spool);
  });
  const key = randomBytes(32);
  const keyring = backupKeyring(ref, key);
  const names = new Set<string>([KEY_NAME, 'manifest.json', 'manifest.json.sig', 'taken.json']);
  const level = context.configuration.compressionLevel;
  let isOpen = true;
  return {
    async addArtifact(spec, source) {
      if (!isOpen) throw new Failure('BUG', `backup '${ref.backupId}' is closed; '${spec.name}' came too late`);
      if (names.has(spec.name)) throw new Failure('BUG', `artifact '${spec.name}' is written twice`);
      names.add(spec.name);
      const sealing = { keyring, context: contextOf(context.platform, ref, spec.name), level };
      return writeArtifact(spec, source, join(folder, spec.name), sealing);
    },
    async finish(facts) {
      isOpen = false;
      requireOwnFacts(facts, ref, site);
      const { leftOut, ...wrapped } = await wrapOwnKey(context, ref, key, folder);
      const warnings = [...facts.warnings, ...leftOut.map(notWrapped)];
      const taken: TakenBackup = { facts: { ...facts, warnings }, spoolDirectory: folder, ...wrapped };
      await writeRecord(folder, taken);
      return taken;
    },
    async abandon() {
      isOpen = false;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function requireOwnFacts(facts: BackupFacts, ref: BackupRef, site: string): void {
  if (facts.system !== ref.system || facts.backupId !== ref.backupId || facts.site !== site)
    throw new Failure('BUG', `the facts of backup '${facts.backupId}' are not those of '${ref.backupId}' at '${site}'`);
}

async function wrapOwnKey(context: RepositoryContext, ref: BackupRef, key: Uint8Array, folder: string) {
  const keys = keySetOf(context.configuration, ref.system);
  const { wrapped, recipients, leftOut } = await wrapKey(keys, key, contextOf(context.platform, ref, KEY_NAME));
  const path = join(folder, KEY_NAME);
  if (!(await publishBytes(path, folder, wrapped).catch((error) => Promise.reject(asDiskFailure(error, path)))))
    throw new Failure('BUG', `backup '${ref.backupId}' was finished twice`);
  const record = { name: KEY_NAME, storedBytes: wrapped.length, storedSha256: sha256Of(wrapped) };
  return { recipients, key: record, leftOut };
}

const notWrapped = ({ message }: Failure): string =>
  `a recipient cannot open it until 'dr keys rotate' has wrapped its key again: ${message}`;

interface Sealing {
  readonly keyring: KeyringNode;
  readonly context: PartContext;
  readonly level: number;
}

async function writeArtifact(
  spec: ArtifactSpec,
  source: ByteSource,
  path: string,
  sealing: Sealing,
): Promise<Artifact> {
  const watched = watch(source);
  try {
    const { plain, stored } = await writeEncrypted(watched.source, path, sealing);
    return {
      name: spec.name,
      role: spec.role,
      ...(spec.subject === undefined ? {} : { subject: spec.subject }),
      plainBytes: plain.bytes,
      plainSha256: plain.sha256,
      storedBytes: stored.bytes,
      storedSha256: stored.sha256,
    };
  } catch (error) {
    await rm(path, { force: true });
    throw watched.hasFailed() ? error : asDiskFailure(error, path);
  }
}

// An error of the source is the system's own and passes unchanged, also when it has a file system's code.
function watch(source: ByteSource): { source: ByteSource; hasFailed: () => boolean } {
  let failed = false;
  async function* watched() {
    try {
      yield* source;
    } catch (error) {
      failed = true;
      throw error;
    }
  }
  return { source: watched(), hasFailed: () => failed };
}

async function writeEncrypted(source: ByteSource, path: string, { keyring, context, level }: Sealing) {
  const plain = new Measure();
  const stored = new Measure();
  const file = await createPrivateFile(path);
  try {
    const signal = currentSignal();
    const compressor = compression(level);
    void compress(plain.pass(source), compressor);
    await pipeline(
      compressor,
      encryption(keyring, context),
      stored.through(),
      async (encrypted: ByteSource) => {
        for await (const chunk of encrypted) await file.writeFile(chunk);
      },
      ...(signal ? [{ signal }] : []),
    );
    await file.sync();
  } finally {
    await file.close();
  }
  await flushFolder(join(path, '..'));
  return { plain: plain.result(), stored: stored.result() } satisfies Record<string, Measured>;
}

// Never rejects: what goes wrong destroys the compressor, and so fails the pipeline behind it, or has come from there.
// While a thread compresses one piece the next one is read and hashed. No buffer is made on the way: the collector
// would have to go through the worker's whole heap for each few of them.
async function compress(source: ByteSource, compressor: ZstdCompress): Promise<void> {
  try {
    let taken = Promise.resolve(true);
    for await (const piece of gathered(source, PIECE_BYTES)) {
      if (!(await taken)) return;
      taken = new Promise((resolve) => compressor.write(piece, (error) => resolve(!error)));
    }
    if (await taken) compressor.end();
  } catch (error) {
    compressor.destroy(error as Error);
  }
}

function compression(level: number): ZstdCompress {
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
  const options = { params, chunkSize: PIECE_BYTES / 4, readableHighWaterMark: PIECE_BYTES };
  return createZstdCompress(options);
}
