// Keys in AWS KMS as recipients of backups: real encryption behind KMS' protocol, keys that are disabled, deleted, denied
// and out of reach, and the vendor's own keyring as the judge of the format.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildClient, CommitmentPolicy, KMS, KmsKeyringNode } from '@aws-crypto/client-node';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createConfig } from '../../../activities/config/index.ts';
import { KMS_LIMIT_MS } from '../../../activities/repository/kms-keys.ts';
import type { Configuration, KmsKeyConfiguration } from '../../../domain/configuration/schema.ts';
import { runbookText } from '../../../domain/runbook.ts';
import { judgeKeys } from '../../../domain/verification.ts';
import { type KmsAccount, type LocalKms, startKms } from '../../../local/kms.ts';
import { carryOut, ownFolder, restoreRequest } from '../../support/file-systems.ts';
import { contentOf, makeRepository, store, type TestRepository } from '../../support/repository.ts';

// RSA-4096 is slow, and every write is flushed, which a busy machine makes slower.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const TIERS = ['local', 'remote'];
const REF = { system: 'config', backupId: 'b1' } as const;
let west: LocalKms;
let east: LocalKms;
let arns: { west: string; east: string };
let repository: TestRepository;

beforeAll(async () => {
  [west, east] = await Promise.all([startKms('eu-central-1'), startKms('eu-west-1')]);
});
afterAll(() => Promise.all([west.close(), east.close()]));
beforeEach(() => {
  arns = { west: west.keys.make(west.region), east: east.keys.make(east.region) };
  for (const kms of [west, east]) kms.isSilent = false;
  repository = makeRepository();
});
// Each test removes its own: a hook would run before what it still does.
const removedAfterwards = () => onTestFinished(() => repository.remove());

type Change = (same: Configuration['repository']) => Configuration['repository'];

const keyOf = (kms: LocalKms, arn: string, { accessKeyId, secretAccessKey }: KmsAccount): KmsKeyConfiguration => ({
  name: kms === west ? 'kms-west' : 'kms-east',
  arn,
  endpoint: kms.endpoint,
  accessKeyId: `\${command:["printf","${accessKeyId}"]}`,
  secretAccessKey: `\${command:["printf","${secretAccessKey}"]}`,
  retired: false,
});

/** The keys of both regions beside the public key; the private half of that one is here only when `offline` is false. */
const withKms =
  (account = ({ owner }: LocalKms) => owner, offline = true): Change =>
  (same) => {
    const kms = [keyOf(west, arns.west, account(west)), keyOf(east, arns.east, account(east))];
    return { ...same, keys: { ...same.keys, kms, private: offline ? [] : same.keys.private } };
  };
const writersOf = (kms: LocalKms) => kms.accountFor('Encrypt', 'GenerateDataKey');
const readersOf = (kms: LocalKms) => kms.accountFor('Decrypt');

/** A sealed backup of the platform's configuration, written by an account that cannot open it. */
async function backedUp() {
  const folder = await ownFolder();
  const root = join(folder, 'etc');
  await mkdir(root);
  await writeFile(join(root, '.env'), 'PASSWORD=canary-2b7c\n', { mode: 0o600 });
  const configOf = (of: ReturnType<TestRepository['again']>) =>
    createConfig({
      ...{ platform: 'shop', site: 'west', workDirectory: join(folder, 'work'), scratchUser: undefined },
      ...{ configuration: { root, patterns: ['**'], exclude: [] }, writer: of.writerFor('west'), reader: of.reader },
    });
  const config = configOf(repository.again(withKms(writersOf)));
  const taken = await config.takeBackup({ site: 'west', backup: REF, kind: 'files', run: 'run-1' });
  await store(repository, taken, TIERS);
  let restores = 0;
  const restoreBy = async (change: Change) => {
    await writeFile(join(root, '.env'), 'lost');
    const by = configOf(repository.again(change));
    await carryOut(by, await by.planRestore(restoreRequest('config', { run: `restore-${++restores}` })));
    return readFile(join(root, '.env'), 'utf8');
  };
  return { taken, restoreBy, artifact: taken.facts.artifacts[0]?.name ?? '' };
}

const findingsOf = async (change: Change) =>
  (await repository.again(change).activities.prepare({ run: 'r' })).findings.filter(({ level }) => level !== 'ok');

describe('a backup for keys in KMS', () => {
  it('is written by who cannot open it, names both keys, and is opened by either alone', async () => {
    removedAfterwards();
    const { taken, restoreBy, artifact } = await backedUp();
    expect(taken.recipients.map(({ keyId }) => keyId).slice(1)).toEqual([arns.west, arns.east]);
    expect(taken.facts.warnings).toEqual([]);
    const writer = repository.again(withKms(writersOf));
    await expect(contentOf(writer, REF, artifact)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    for (const one of ['kms-west', 'kms-east']) {
      const alone: Change = (same) => {
        const changed = withKms(readersOf)(same);
        return { ...changed, keys: { ...changed.keys, kms: changed.keys.kms.filter(({ name }) => name === one) } };
      };
      expect(await restoreBy(alone)).toContain('canary-2b7c');
    }
    expect((await repository.activities.showBackup({ backup: REF })).openedBy).toEqual(taken.recipients);
  });

  it("is opened by the vendor's own keyring, and holds what that one wrapped", async () => {
    removedAfterwards();
    await backedUp();
    const { decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
    const credentials = readersOf(east);
    const client = new KMS({ region: east.region, endpoint: east.endpoint, credentials });
    const keyring = new KmsKeyringNode({ keyIds: [arns.east], clientProvider: () => client as never });
    const wrapped = await readFile(join(repository.directory, 'local/backups/config/b1/key.1'));
    const { plaintext, messageHeader } = await decrypt(keyring, wrapped);
    expect(plaintext).toHaveLength(32);
    expect(messageHeader.encryptedDataKeys.map(({ providerId }) => providerId).slice(1)).toEqual([
      'aws-kms',
      'aws-kms',
    ]);
  });

  it('is taken also while a key cannot be used: it says so, and a rotation makes up for it', async () => {
    removedAfterwards();
    west.keys.disable(arns.west);
    const { taken, artifact } = await backedUp();
    expect(taken.recipients).toHaveLength(2);
    expect(taken.facts.warnings.join()).toMatch(/dr keys rotate.*'kms-west'.*DisabledException/);
    const witness = repository.again(withKms());
    await expect(witness.activities.planKeyRotation({})).rejects.toMatchObject({ code: 'KEY_DISABLED' });
    west.keys.enable(arns.west);
    const { digest, domains } = await witness.activities.planKeyRotation({});
    expect(domains[0]).toMatchObject({ added: [{ name: 'kms-west' }], stale: 1 });
    await witness.activities.rotateKeys({ digest, after: 0, most: 10 });
    expect(await witness.activities.removeRetiredKeys({})).toBe(2);
    east.keys.disable(arns.east);
    expect((await contentOf(witness, REF, artifact)).length).toBeGreaterThan(0);
  });
});

describe('faults 28: a key in KMS that is disabled or going', () => {
  const STATES = {
    disabled: () => west.keys.disable(arns.west),
    'pending deletion': () => west.keys.scheduleDeletion(arns.west),
    deleted: () => west.keys.delete(arns.west),
  };

  it.each(Object.entries(STATES))(
    '(%s) is passed over: the next key that this worker may use restores',
    async (_state, strike) => {
      removedAfterwards();
      const { restoreBy } = await backedUp();
      strike();
      expect(await restoreBy(withKms(readersOf))).toContain('canary-2b7c');
      expect(west.asked.at(-1)).toBe('Decrypt');
    },
  );

  it.each(Object.entries(STATES))('(%s) is KEY_DISABLED with its name when no other opens', async (_state, strike) => {
    removedAfterwards();
    const { restoreBy } = await backedUp();
    strike();
    east.keys.disable(arns.east);
    await expect(restoreBy(withKms(readersOf))).rejects.toMatchObject({
      code: 'KEY_DISABLED',
      message: expect.stringMatching(/'kms-west'.*'kms-east'/),
      details: { arn: arns.west },
    });
    expect(await restoreBy(withKms(readersOf, false))).toContain('canary-2b7c'); // The private key needs no KMS.
  });

  it.each(Object.entries(STATES))(
    '(%s) is alarmed by the daily verification, long before a restore, and stops no backup',
    async (_state, strike) => {
      removedAfterwards();
      expect(await findingsOf(withKms())).toEqual([]);
      strike();
      const found = await findingsOf(withKms());
      expect(found).toMatchObject([{ level: 'warning', subject: 'KMS key kms-west', code: 'KEY_DISABLED' }]);
      expect(found[0]?.mend).toBe(`aws kms describe-key --key-id ${arns.west} --region eu-central-1`);
      expect(judgeKeys(found)).toMatchObject([{ level: 'failed', code: 'KEY_DISABLED' }]);
    },
  );

  it('of another backup is WRONG_KEY, with the names of those that open it', async () => {
    removedAfterwards();
    const { restoreBy } = await backedUp();
    const other: Change = (same) => ({
      ...same,
      keys: { ...same.keys, kms: [keyOf(west, west.keys.make(west.region), west.owner)], private: [] },
    });
    await expect(restoreBy(other)).rejects.toMatchObject({
      code: 'WRONG_KEY',
      details: { recipients: 'restore, kms-west, kms-east' },
    });
  });
});

describe('faults 29: KMS of a region that is out of reach', () => {
  it('and takes requests without answering, is given up within 10 s, and the other region opens', async () => {
    removedAfterwards();
    expect(KMS_LIMIT_MS).toBeLessThanOrEqual(10_000);
    const { restoreBy } = await backedUp();
    west.isSilent = true;
    expect(await restoreBy(withKms(readersOf))).toContain('canary-2b7c');
    expect(west.asked.at(-1)).toBe('Decrypt');
    const before = west.asked.length;
    expect(await restoreBy(withKms(readersOf))).toContain('canary-2b7c');
    expect(west.asked.length).toBe(before); // What did not answer just now is asked last.
  });

  it('and refuses connections, with the other region too, is KEY_UNREACHABLE; the escrow key opens', async () => {
    removedAfterwards();
    const { restoreBy } = await backedUp();
    const gone = await startKms();
    await gone.close();
    const cutOff =
      (offline: boolean): Change =>
      (same) => {
        const { keys, ...rest } = withKms(readersOf, offline)(same);
        return { ...rest, keys: { ...keys, kms: keys.kms.map((key) => ({ ...key, endpoint: gone.endpoint })) } };
      };
    await expect(restoreBy(cutOff(true))).rejects.toMatchObject({ code: 'KEY_UNREACHABLE' });
    expect(await restoreBy(cutOff(false))).toContain('canary-2b7c');
    expect(judgeKeys(await findingsOf(cutOff(false)))).toMatchObject([
      { level: 'failed', code: 'KEY_UNREACHABLE' },
      { level: 'failed', code: 'KEY_UNREACHABLE' },
    ]);
  });
});

describe('the runbook', () => {
  it('says whose private key opens a backup, and plainly where KMS alone does', async () => {
    removedAfterwards();
    const { taken } = await backedUp();
    await repository.activities.recordProof({ backup: REF, run: 'v', checks: [] });
    const text = await repository.activities.makeRunbook({});
    expect(text).toContain(`KEY is the private key of restore. In KMS it is opened by kms-west (${arns.west}) or`);
    const manifest = await repository.activities.showBackup({ backup: REF });
    const openedBy = taken.recipients.slice(1, 2);
    const backups = [{ manifest, key: 'key.1', openedBy, provenAt: manifest.sealedAt, parents: [] }];
    const alone = runbookText({ platform: 'shop', madeAt: manifest.sealedAt, tiers: [], backups });
    expect(alone).toContain(`**No private key opens config/b1: only KMS does, with kms-west (${arns.west}).**`);
  });
});

describe('a worker that may encrypt and not decrypt', () => {
  it('is told so, and what KMS holds stays for others to try', async () => {
    removedAfterwards();
    const found = await findingsOf(withKms(writersOf));
    expect(found).toMatchObject([
      { level: 'warning', subject: 'KMS key kms-west', code: 'ACCESS_DENIED' },
      { level: 'warning', subject: 'KMS key kms-east', code: 'ACCESS_DENIED' },
    ]);
  });
});
