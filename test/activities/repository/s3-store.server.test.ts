import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openS3Store } from '../../../activities/repository/s3-store.ts';
import { type LocalS3, startS3 } from '../../../local/s3.ts';
import { backupStoreKeepsItsContract } from '../../contracts/backup-store.ts';
import { s3Tier } from '../../support/s3.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-s3-'));
let s3: LocalS3;
beforeAll(async () => {
  s3 = await startS3({ directory });
});
afterAll(async () => {
  await s3.stop();
  rmSync(directory, { recursive: true, force: true });
});

for (const versioned of [false, true])
  backupStoreKeepsItsContract(
    versioned ? 'a bucket with versions' : 'a bucket',
    async () => {
      const bucket = versioned ? 'with-versions' : 'without-versions';
      await s3.createBucket(bucket, { versioned });
      return { store: openS3Store('away', s3Tier(s3, bucket)), end: async () => undefined };
    },
    12 * 1024 * 1024 + 1,
  );

test('a wrong secret is told as denied access, a bucket that is not there and a dead server as unreachable', async () => {
  const stat = (change: object) => openS3Store('away', { ...s3Tier(s3, 'none-such'), ...change }).stat('a');
  process.env.TEST_WRONG_SECRET = 'wrong';
  await expect(stat({ secretAccessKey: '${env:TEST_WRONG_SECRET}' })).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  await expect(openS3Store('away', s3Tier(s3, 'none-such')).list('')).rejects.toMatchObject({
    code: 'STORE_UNREACHABLE',
  });
  await expect(stat({ endpoint: 'http://127.0.0.1:1' })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
});
