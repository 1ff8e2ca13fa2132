import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { canonicalJson } from '../../../domain/json.ts';
import type { BackupRef } from '../../../domain/manifest.ts';
import {
  contentOf,
  makeRecipient,
  makeRepository,
  makeSigner,
  store,
  type TestRepository,
  take,
} from '../../support/repository.ts';

// Every write is flushed to the disk, which a busy machine makes slow.
vi.setConfig({ testTimeout: 60_000 });

const TIERS = ['local', 'remote'];
const REF: BackupRef = { system: 'redis', backupId: 'b1' };
const CONTENT = randomBytes(3 * 1024 * 1024);
const made: TestRepository[] = [];
afterEach(() => {
  for (const repository of made.splice(0)) repository.remove();
});

/** A sealed backup of two artifacts whose spool is cleared, so that the tiers' files are their own. */
async function sealedRepository(): Promise<TestRepository> {
  const repository = makeRepository();
  made.push(repository);
  const contents = { 'dump.rdb': CONTENT, 'other.rdb': randomBytes(CONTENT.length) };
  await store(repository, await take(repository, REF, contents), TIERS);
  await repository.activities.clearSpool({ backup: REF });
  return repository;
}

const fileIn = (repository: TestRepository, tier: string, name: string, backupId = REF.backupId) =>
  join(repository.directory, tier, 'backups', 'redis', backupId, name);

/** Replaces a file; the tiers of a test may be hard links of one another. */
function rewrite(path: string, change: (bytes: Buffer) => Buffer): void {
  const bytes = readFileSync(path);
  rmSync(path);
  writeFileSync(path, change(bytes));
}

const readFrom = (repository: TestRepository, tier?: string) => contentOf(repository, REF, 'dump.rdb', tier);

async function expectDamageInRemote(repository: TestRepository): Promise<void> {
  await expect(readFrom(repository, 'remote')).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
  expect((await readFrom(repository, 'local')).equals(CONTENT)).toBe(true);
  const findings = await repository.activities.checkStored({ backup: REF, tier: 'remote' });
  expect(findings.filter(({ level }) => level === 'failed').map(({ subject }) => subject)).toContain('dump.rdb');
}

const FRAME_AT = 1024 * 1024;

test.each<[string, (bytes: Buffer) => Buffer]>([
  ['faults 22: one flipped bit', (bytes) => bytes.fill((bytes[2_000_000] ?? 0) ^ 1, 2_000_000, 2_000_001)],
  ['faults 23: a cut at the edge of a frame', (bytes) => bytes.subarray(0, bytes.length - (bytes.length % FRAME_AT))],
  ['faults 24: appended bytes', (bytes) => Buffer.concat([bytes, Buffer.from('tail')])],
])('%s is refused in one tier, found by checkStored, and read from the other tier', async (_what, change) => {
  const repository = await sealedRepository();
  rewrite(fileIn(repository, 'remote', 'dump.rdb'), change);
  await expectDamageInRemote(repository);
  const broken = repository.again((same) => {
    const { local, remote } = same.tiers;
    return { ...same, tiers: { ...(remote ? { remote } : {}), ...(local ? { local } : {}) } };
  });
  expect((await contentOf(broken, REF, 'dump.rdb')).equals(CONTENT)).toBe(true);
});

test('faults 25: two artifacts that were swapped are refused', async () => {
  const repository = await sealedRepository();
  const [one, other] = ['dump.rdb', 'other.rdb'].map((name) => fileIn(repository, 'remote', name)) as [string, string];
  renameSync(one, `${one}.tmp`);
  renameSync(other, one);
  renameSync(`${one}.tmp`, other);
  await expectDamageInRemote(repository);
});

test('faults 25: another backup in place of the one that was asked for is refused', async () => {
  const repository = await sealedRepository();
  const second = { system: 'redis', backupId: 'b2' } as const;
  await store(repository, await take(repository, second, { 'dump.rdb': Buffer.from('second') }), TIERS);
  for (const tier of TIERS) {
    rmSync(join(repository.directory, tier, 'backups', 'redis', 'b1'), { recursive: true });
    cpSync(
      join(repository.directory, tier, 'backups', 'redis', 'b2'),
      join(repository.directory, tier, 'backups', 'redis', 'b1'),
      { recursive: true },
    );
  }
  await expect(repository.reader.open(REF)).rejects.toMatchObject({ code: 'MANIFEST_UNTRUSTED' });
});

test('an artifact that is missing in both tiers is missing; the key too', async () => {
  const repository = await sealedRepository();
  for (const tier of TIERS) rmSync(fileIn(repository, tier, 'dump.rdb'));
  await expect(readFrom(repository)).rejects.toMatchObject({ code: 'ARTIFACT_MISSING' });
  for (const tier of TIERS) rmSync(fileIn(repository, tier, 'key.1'));
  await expect(contentOf(repository, REF, 'other.rdb')).rejects.toMatchObject({ code: 'ARTIFACT_MISSING' });
});

test('faults 27: a manifest edited in any one place is refused', async () => {
  const repository = await sealedRepository();
  const path = fileIn(repository, 'local', 'manifest.json');
  const text = readFileSync(path, 'utf8');
  const edits = fc.tuple(fc.nat({ max: text.length - 1 }), fc.integer({ min: 32, max: 126 }));
  await fc.assert(
    fc.asyncProperty(edits, async ([at, code]) => {
      fc.pre(text.charCodeAt(at) !== code);
      rewrite(path, () => Buffer.from(text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1)));
      await expect(repository.reader.open(REF, 'local')).rejects.toMatchObject({ code: 'MANIFEST_UNTRUSTED' });
    }),
    { numRuns: 30 },
  );
  expect((await repository.reader.open(REF)).manifest).toMatchObject(REF);
});

test('faults 27: what an unknown key has signed is refused, with the id of that key', async () => {
  const repository = await sealedRepository();
  const other = makeSigner(repository.directory, 'other');
  const foreign = repository.again((same) => ({
    ...same,
    signing: { ...same.signing, trusted: [{ name: 'other', publicKey: other.publicKey }] },
  }));
  await expect(foreign.reader.open(REF)).rejects.toMatchObject({
    code: 'CHECKPOINT_MISMATCH',
    message: expect.stringMatching(/key '[0-9a-f]{64}'/),
  });
});

test('faults 27: a manifest of a future format is refused by its number', async () => {
  const { parseManifest } = await import('../../../domain/manifest-record.ts');
  const repository = await sealedRepository();
  const manifest = JSON.parse(readFileSync(fileIn(repository, 'local', 'manifest.json'), 'utf8'));
  expect(() => parseManifest(canonicalJson({ ...manifest, format: 2 }))).toThrow('manifest has format 2');
  expect(() =>
    parseManifest(canonicalJson({ ...manifest, artifacts: [{ ...manifest.artifacts[0], name: '../x' }] })),
  ).toThrow("'../x'");
});

test('faults 26: an older copy of the whole repository is refused', async () => {
  const repository = await sealedRepository();
  for (const tier of TIERS)
    cpSync(join(repository.directory, tier), join(repository.directory, `${tier}.old`), { recursive: true });
  await store(repository, await take(repository, { system: 'redis', backupId: 'b2' }, {}), TIERS);
  for (const tier of TIERS) {
    rmSync(join(repository.directory, tier), { recursive: true });
    renameSync(join(repository.directory, `${tier}.old`), join(repository.directory, tier));
  }
  await expect(repository.reader.open(REF)).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
  await expect(repository.activities.listBackups({ system: null, tier: null })).rejects.toMatchObject({
    code: 'CHECKPOINT_MISMATCH',
  });
});

test('faults 26: an older copy of one tier is found by checkStored, and the other tier still serves', async () => {
  const repository = await sealedRepository();
  cpSync(join(repository.directory, 'local'), join(repository.directory, 'local.old'), { recursive: true });
  await store(
    repository,
    await take(repository, { system: 'redis', backupId: 'b2' }, { 'dump.rdb': Buffer.from('2') }),
    TIERS,
  );
  rmSync(join(repository.directory, 'local'), { recursive: true });
  renameSync(join(repository.directory, 'local.old'), join(repository.directory, 'local'));
  const [finding] = await repository.activities.checkStored({ backup: REF, tier: 'local' });
  expect(finding).toMatchObject({ level: 'failed', code: 'CHECKPOINT_MISMATCH' });
  expect((await contentOf(repository, { system: 'redis', backupId: 'b2' }, 'dump.rdb')).toString()).toBe('2');
});

test('faults 28: another private key, and none at all, are told apart, and the next one that fits is tried', async () => {
  const repository = await sealedRepository();
  const other = makeRecipient(repository.directory, 'other');
  const withKeys = (keys: { name: string; key: string }[]) =>
    repository.again((same) => ({ ...same, keys: { ...same.keys, private: keys } }));
  const wrong = withKeys([{ name: 'other', key: `\${file:${other.privateKey}}` }]);
  await expect(contentOf(wrong, REF, 'dump.rdb')).rejects.toMatchObject({
    code: 'WRONG_KEY',
    details: { recipients: 'restore' },
  });
  await expect(contentOf(withKeys([]), REF, 'dump.rdb')).rejects.toMatchObject({ code: 'KEY_MISSING' });
  const [right] = repository.configuration.keys.private;
  if (!right) throw new Error('no private key is configured');
  const several = withKeys([{ name: 'other', key: `\${file:${other.privateKey}}` }, right]);
  expect((await contentOf(several, REF, 'dump.rdb')).length).toBeGreaterThan(0); // The next one fits.
});

test('a writer with public keys only takes a backup, and finds nothing in the spool or the tiers to read it with', async () => {
  const repository = await sealedRepository();
  const writer = repository.again((same) => ({
    ...same,
    keys: { ...same.keys, private: [] },
    signing: { ...same.signing, key: undefined },
  }));
  const ref = { system: 'redis', backupId: 'b2' } as const;
  const secret = Buffer.from('canary-5f0c2a');
  const taken = await take(writer, ref, { 'dump.rdb': secret });
  await expect(store(writer, taken, TIERS)).rejects.toMatchObject({ code: 'SECRET_UNRESOLVED' });
  await store(repository, taken, TIERS);
  await expect(contentOf(writer, ref, 'dump.rdb')).rejects.toMatchObject({ code: 'KEY_MISSING' });
  for (const name of readdirSync(taken.spoolDirectory))
    expect(readFileSync(join(taken.spoolDirectory, name)).includes(secret)).toBe(false);
});

test('certificates are encrypted for their own recipients', async () => {
  const repository = await sealedRepository();
  const own = makeRecipient(repository.directory, 'vault');
  const withOwn = (keys: 'mine' | 'none') =>
    repository.again((same) => ({
      ...same,
      tlsKeys: {
        recipients: [{ name: 'vault', publicKey: own.publicKey }],
        kms: [],
        private: keys === 'mine' ? [{ name: 'vault', key: `\${file:${own.privateKey}}` }] : same.keys.private,
      },
    }));
  const ref = { system: 'tls', backupId: 't1' } as const;
  await store(withOwn('mine'), await take(withOwn('mine'), ref, { 'files.tar': Buffer.from('pem') }), TIERS);
  expect((await contentOf(withOwn('mine'), ref, 'files.tar')).toString()).toBe('pem');
  await expect(contentOf(withOwn('none'), ref, 'files.tar')).rejects.toMatchObject({ code: 'WRONG_KEY' });
});

test('seal refuses a copy that differs, and a tier that was not read back', async () => {
  const repository = await sealedRepository();
  const taken = await take(repository, { system: 'redis', backupId: 'b2' }, { 'dump.rdb': Buffer.from('2') });
  const { activities } = repository;
  const [local, remote] = await Promise.all(TIERS.map((tier) => activities.copyToTier({ taken, tier })));
  if (!local || !remote) throw new Error('two copies');
  await expect(activities.seal({ taken, copies: [local], run: 'r' })).rejects.toMatchObject({
    code: 'COULD_NOT_VERIFY',
  });
  const objects = remote.objects.map((one) => ({ ...one, storedSha256: '0'.repeat(64) }));
  await expect(activities.seal({ taken, copies: [local, { ...remote, objects }], run: 'r' })).rejects.toMatchObject({
    code: 'ARTIFACT_DAMAGED',
  });
  truncateSync(fileIn(repository, 'remote', 'dump.rdb', 'b2'), 3);
  await expect(activities.readBack({ taken, tier: 'remote' })).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
});

test('faults 66: a plain size beyond the manifest ends the reading at once', async () => {
  const { decryptedBytes } = await import('../../../activities/repository/artifact-reading.ts');
  const { backupKeyring, contextOf, encryption } = await import('../../../activities/repository/cipher.ts');
  const { createZstdCompress } = await import('node:zlib');
  const { Readable } = await import('node:stream');
  const keyring = backupKeyring(REF, new Uint8Array(32));
  const context = contextOf('p', REF, 'bomb.bin');
  const zeros = Readable.from(Array.from({ length: 512 }, () => Buffer.alloc(1024 * 1024)));
  const bomb = zeros.pipe(createZstdCompress()).pipe(encryption(keyring, context));
  const artifact = {
    name: 'bomb.bin',
    role: 'dump',
    plainBytes: 1000,
    plainSha256: '',
    storedBytes: 0,
    storedSha256: '',
  };
  let seen = 0;
  const reading = (async () => {
    for await (const chunk of decryptedBytes(bomb, artifact, keyring, context)) seen += chunk.length;
  })();
  await expect(reading).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
  expect(seen).toBe(0);
});

test('bytes appended to a hard link of the spool are found by the read-back', async () => {
  const repository = await sealedRepository();
  const taken = await take(repository, { system: 'redis', backupId: 'b2' }, { 'dump.rdb': Buffer.from('2') });
  await repository.activities.copyToTier({ taken, tier: 'local' });
  linkSync(join(taken.spoolDirectory, 'dump.rdb'), join(repository.directory, 'alias'));
  appendFileSync(join(repository.directory, 'alias'), 'x');
  await expect(repository.activities.readBack({ taken, tier: 'local' })).rejects.toMatchObject({
    code: 'ARTIFACT_DAMAGED',
  });
  expect(existsSync(fileIn(repository, 'local', 'manifest.json', 'b2'))).toBe(false);
});
