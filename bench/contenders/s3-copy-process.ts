// The S3 copy of a backup script: `s3-copy-process.ts SETTINGS FILE KEY`, in parts, two of them on their way at a time.
import { open, readFile } from 'node:fs/promises';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';

const PART_BYTES = 16 * 1024 * 1024;
const [, , settings = '', path = '', Key = ''] = process.argv;
const { Bucket, ...options } = JSON.parse(await readFile(settings, 'utf8'));
const client = new S3Client({ ...options, forcePathStyle: true, requestChecksumCalculation: 'WHEN_REQUIRED' });
const file = await open(path);
const { size } = await file.stat();
const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
const numbers = Array.from({ length: Math.max(1, Math.ceil(size / PART_BYTES)) }, (_, index) => index + 1);
const Parts: { PartNumber: number; ETag: string | undefined }[] = [];

async function send(): Promise<void> {
  for (let PartNumber = numbers.shift(); PartNumber !== undefined; PartNumber = numbers.shift()) {
    const from = (PartNumber - 1) * PART_BYTES;
    const Body = Buffer.alloc(Math.min(PART_BYTES, size - from));
    await file.read(Body, 0, Body.length, from);
    const { ETag } = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }));
    Parts.push({ PartNumber, ETag });
  }
}
await Promise.all([send(), send()]);
Parts.sort((a, b) => a.PartNumber - b.PartNumber);
await client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }));
await file.close();
