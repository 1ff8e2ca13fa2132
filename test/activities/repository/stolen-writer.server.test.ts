// faults 71: somebody has the credentials with which a site writes its backups. In a bucket with versions whose policy
// gives that account no right to delete versions, everything that was stored can still be restored.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LocalS3, startS3 } from '../../../local/s3.ts';
import { contentOf, makeRepository, store, type TestRepository, take } from '../../support/repository.ts';
import { s3Tier } from '../../support/s3.ts';

const WRITER = { accessKeyId: 'site-writer', secretAccessKey: 'site-writer-secret' };
const REF = { system: 'postgres', backupId: 'b1' } as const;
const CONTENTS = { 'dump.custom': randomBytes(6 * 1024 * 1024), 'globals.sql': Buffer.from('create role app;') };
const directory = mkdtempSync(join(tmpdir(), 'holdfast-stolen-'));
const made: TestRepository[] = [];
let s3: LocalS3;
let owner: S3Client;
let thief: S3Client;

beforeAll(async () => {
  s3 = await startS3({ directory, accounts: [WRITER] });
  const { endpoint, region, accessKeyId, secretAccessKey } = s3;
  const client = (credentials: typeof WRITER) =>
    new S3Client({ endpoint, region, forcePathStyle: true, credentials, maxAttempts: 1 });
  owner = client({ accessKeyId, secretAccessKey });
  thief = client(WRITER);
});
afterAll(async () => {
  owner.destroy();
  thief.destroy();
  for (const repository of made) repository.remove();
  await s3.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Everything that a site's worker does, and no word of deleting a version. */
const policyOf = (bucket: string) => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { AWS: [WRITER.accessKeyId] },
      Action: ['s3:ListBucket', 's3:ListBucketVersions', 's3:ListBucketMultipartUploads'],
      Resource: [`arn:aws:s3:::${bucket}`],
    },
    {
      Effect: 'Allow',
      Principal: { AWS: [WRITER.accessKeyId] },
      Action: ['s3:PutObject', 's3:GetObject', 's3:GetObjectVersion', 's3:DeleteObject'],
      Resource: [`arn:aws:s3:::${bucket}/*`],
    },
  ],
});

/** A sealed backup in a bucket alone, stored there with the owner's rights. */
async function storedIn(bucket: string): Promise<TestRepository> {
  await s3.createBucket(bucket, { versioned: true });
  await owner.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify(policyOf(bucket)) }));
  const repository = makeRepository(() => ({ away: s3Tier(s3, bucket) }));
  made.push(repository);
  await repository.activities.prepare({ run: 'r' });
  await store(repository, await take(repository, REF, CONTENTS), ['away']);
  await repository.activities.clearSpool({ backup: REF });
  return repository;
}

const versionsIn = (Bucket: string): Promise<ListObjectVersionsCommandOutput> =>
  owner.send(new ListObjectVersionsCommand({ Bucket }));

const ATTACKS: Readonly<Record<string, (Bucket: string, Key: string) => Promise<unknown>>> = {
  deletes: (Bucket, Key) => thief.send(new DeleteObjectCommand({ Bucket, Key })),
  overwrites: (Bucket, Key) => thief.send(new PutObjectCommand({ Bucket, Key, Body: 'ransom' })),
};

describe.each(Object.entries(ATTACKS))(
  "faults 71: a thief of the writer's account who %s everything",
  (what, attack) => {
    test('leaves every version, is told by every verification, and takes no backup away', async () => {
      const bucket = `thief-${what}`;
      const repository = await storedIn(bucket);
      const before = (await versionsIn(bucket)).Versions ?? [];
      expect(before.length).toBeGreaterThan(5);
      for (const { Key = '' } of before) await attack(bucket, Key);
      for (const { Key, VersionId } of before)
        await expect(thief.send(new DeleteObjectCommand({ Bucket: bucket, Key, VersionId }))).rejects.toMatchObject({
          name: 'AccessDenied',
        });
      const { Versions = [], DeleteMarkers = [] } = await versionsIn(bucket);
      expect(Versions.map(({ VersionId }) => VersionId)).toEqual(
        expect.arrayContaining(before.map(({ VersionId }) => VersionId)),
      );
      expect(DeleteMarkers.length).toBe(what === 'deletes' ? before.length : 0);

      await expect(repository.activities.listBackups({ system: null, tier: null })).rejects.toMatchObject({
        code: 'CHECKPOINT_MISMATCH',
      });
      const findings = await repository.activities.checkStored({ backup: REF, tier: 'away' });
      const failed = findings.filter(({ level }) => level === 'failed').map(({ subject }) => subject);
      expect(failed).toEqual(expect.arrayContaining(['checkpoint', 'manifest.json']));

      for (const [name, content] of Object.entries(CONTENTS))
        expect((await contentOf(repository, REF, name)).equals(content)).toBe(true);
      // A worker that never saw the witness, and reads with the thief's own rights.
      process.env.TEST_THIEF_ACCESS = WRITER.accessKeyId;
      process.env.TEST_THIEF_SECRET = WRITER.secretAccessKey;
      rmSync(join(repository.witnessDirectory, 'checkpoints'), { recursive: true });
      const other = repository.again((same) => ({
        ...same,
        tiers: {
          away: s3Tier(s3, bucket, {
            accessKeyId: '${env:TEST_THIEF_ACCESS}',
            secretAccessKey: '${env:TEST_THIEF_SECRET}',
          }),
        },
      }));
      expect((await contentOf(other, REF, 'dump.custom', 'away')).equals(CONTENTS['dump.custom'])).toBe(true);
    });
  },
);

test('faults 71: one artifact that was replaced is named, with what is left of it', async () => {
  const repository = await storedIn('thief-of-one');
  const Key = 'platform/backups/postgres/b1/dump.custom';
  await thief.send(new PutObjectCommand({ Bucket: 'thief-of-one', Key, Body: 'ransom' }));
  const findings = await repository.activities.checkStored({ backup: REF, tier: 'away' });
  expect(findings.filter(({ level }) => level === 'failed')).toMatchObject([
    { subject: 'dump.custom', code: 'ARTIFACT_DAMAGED', message: expect.stringContaining('deleted or replaced it') },
  ]);
  expect((await contentOf(repository, REF, 'dump.custom')).equals(CONTENTS['dump.custom'])).toBe(true);
});
