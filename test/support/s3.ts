// Configuration of a tier in a bucket of the local S3 server.
import type { S3Configuration } from '../../activities/repository/s3-client.ts';
import type { LocalS3 } from '../../local/s3.ts';

/** The tier's configuration as the schema would give it; the secrets go through the environment. */
export function s3Tier(s3: LocalS3, bucket: string, change: Partial<S3Configuration> = {}): S3Configuration {
  process.env.TEST_S3_ACCESS = s3.accessKeyId;
  process.env.TEST_S3_SECRET = s3.secretAccessKey;
  return {
    kind: 's3',
    bucket,
    prefix: 'platform/',
    region: s3.region,
    endpoint: s3.endpoint,
    accessKeyId: '${env:TEST_S3_ACCESS}',
    secretAccessKey: '${env:TEST_S3_SECRET}',
    storageClass: 'STANDARD_IA',
    keep: '30d',
    partBytes: 5 * 1024 * 1024,
    ...change,
  };
}
