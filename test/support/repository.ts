// A real repository in a temporary folder for tests: keys made on the spot, folder tiers, removed afterwards.
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRepository, type Repository } from '../../activities/repository/index.ts';
import { type Configuration, configurationSchema } from '../../domain/configuration/schema.ts';
import type { OpenBackup } from '../../domain/contracts/backup-content.ts';
import type { BackupFacts, BackupRef, BackupSummary, TakenBackup } from '../../domain/manifest.ts';

export interface TestRepository extends Repository {
  readonly directory: string;
  readonly configuration: Configuration['repository'];
  readonly witnessDirectory: string;
  /** Another instance on the same folders; `change` edits the configuration, for example to take keys away. */
  again(
    change?: (configuration: Configuration['repository']) => Configuration['repository'],
    now?: () => Date,
  ): Repository;
  remove(): void;
}

export const PLATFORM = 'test-platform';

const pemOf = ({ publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject }) => ({
  publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
});

/** Writes a key pair of an RSA recipient and returns its paths. */
export function makeRecipient(directory: string, name: string): { publicKey: string; privateKey: string } {
  return writePair(directory, name, pemOf(generateKeyPairSync('rsa', { modulusLength: 4096 })));
}

/** Writes an Ed25519 key pair and returns its paths. */
export function makeSigner(directory: string, name: string): { publicKey: string; privateKey: string } {
  return writePair(directory, name, pemOf(generateKeyPairSync('ed25519')));
}

function writePair(directory: string, name: string, pair: { publicKey: string; privateKey: string }) {
  const paths = { publicKey: join(directory, `${name}.pub.pem`), privateKey: join(directory, `${name}.pem`) };
  writeFileSync(paths.publicKey, pair.publicKey);
  writeFileSync(paths.privateKey, pair.privateKey, { mode: 0o600 });
  return paths;
}

/** Makes a repository with the folder tiers `local` and `remote`, or with other tiers. It lies in memory where it can. */
export function makeRepository(
  tiers?: (directory: string) => object,
  now?: () => Date,
  parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir(),
): TestRepository {
  const directory = mkdtempSync(join(parent, 'holdfast-repository-'));
  const witnessDirectory = join(directory, 'witness');
  for (const name of ['spool', 'witness', 'local', 'remote', 'keys']) mkdirSync(join(directory, name), { mode: 0o700 });
  const configuration = configurationIn(directory, tiers?.(directory) ?? folderTiers(directory));
  const open = (repository: Configuration['repository'], clock = now) =>
    createRepository({ platform: PLATFORM, repository, witnessDirectory, ...(clock ? { now: clock } : {}) });
  return {
    ...open(configuration),
    directory,
    configuration,
    witnessDirectory,
    again: (change = (same) => same, clock) => open(change(configuration), clock),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

const folderTiers = (directory: string) => ({
  local: { kind: 'folder', path: join(directory, 'local') },
  remote: { kind: 'folder', path: join(directory, 'remote') },
});

let recipientPair: ReturnType<typeof pemOf> | undefined;

function configurationIn(directory: string, tiers: object): Configuration['repository'] {
  const keys = join(directory, 'keys');
  // Making an RSA key takes long; one for all repositories of a test file is enough.
  recipientPair ??= pemOf(generateKeyPairSync('rsa', { modulusLength: 4096 }));
  const restore = writePair(keys, 'restore', recipientPair);
  const signer = makeSigner(keys, 'sealer');
  return configurationSchema.shape.repository.parse({
    spool: join(directory, 'spool'),
    tiers,
    keys: {
      recipients: [{ name: 'restore', publicKey: restore.publicKey }],
      private: [{ name: 'restore', key: `\${file:${restore.privateKey}}` }],
    },
    signing: {
      name: 'sealer',
      key: `\${file:${signer.privateKey}}`,
      trusted: [{ name: 'sealer', publicKey: signer.publicKey }],
    },
  });
}

/** Plausible facts of a backup; `some` replaces what matters to a test. */
export function factsOf(ref: BackupRef, some: Partial<BackupFacts> = {}): BackupFacts {
  return {
    ...ref,
    kind: 'rdb',
    site: 'alpha',
    startedAt: '2026-11-23T05:00:00.000Z',
    momentAt: '2026-11-23T05:00:01.000Z',
    finishedAt: '2026-11-23T05:00:02.000Z',
    source: { version: '7.0.15' },
    tools: { 'redis-server': '7.0.15' },
    artifacts: [],
    counts: { keys: 3 },
    parents: [],
    marker: null,
    warnings: [],
    report: {},
    ...some,
  };
}

export type Contents = Readonly<Record<string, Uint8Array | AsyncIterable<Uint8Array>>>;

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Takes a backup of the given artifacts. */
export async function take(
  repository: Repository,
  ref: BackupRef,
  contents: Contents,
  some: Partial<BackupFacts> = {},
): Promise<TakenBackup> {
  const open = await repository.writerFor(some.site ?? 'alpha').begin(ref);
  if ('alreadyTaken' in open) return open.alreadyTaken;
  const artifacts = await writeAll(open, contents);
  return open.finish(factsOf(ref, { ...some, artifacts }));
}

function writeAll(open: OpenBackup, contents: Contents) {
  return Promise.all(
    Object.entries(contents).map(([name, content]) =>
      open.addArtifact({ name, role: 'dump' }, content instanceof Uint8Array ? once(content) : content),
    ),
  );
}

/** Copies a taken backup to every tier, reads it back and seals it. */
export async function store(
  repository: Repository,
  taken: TakenBackup,
  tiers: readonly string[],
  run = 'run-1',
): Promise<BackupSummary> {
  const { activities } = repository;
  for (const tier of tiers) await activities.copyToTier({ taken, tier });
  const copies = await Promise.all(tiers.map((tier) => activities.readBack({ taken, tier })));
  return activities.seal({ taken, copies, run });
}

/** All bytes of a stored artifact. */
export async function contentOf(repository: Repository, ref: BackupRef, name: string, tier?: string): Promise<Buffer> {
  const stored = await repository.reader.open(ref, tier);
  const chunks: Uint8Array[] = [];
  for await (const chunk of stored.read(name)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
