// Resumable uploads: an interrupted one is found again in the bucket, and the parts that are there are not sent twice.
// A part counts as there only when the store's SHA-256 of it is that of the file's bytes.
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import {
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  type MultipartUpload,
  type Part,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Failure } from '../../domain/failures.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { type Bucket, withSignal } from './s3-client.ts';
import type { FileToStore } from './store.ts';

export const DATA_TAG = 'dr=data';
const MOST_PARTS = 10_000;
const MOST_AHEAD = 3;

const base64Sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('base64');

/** The largest object of S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const MOST_BYTES = 5 * 1024 ** 4;

/**
 * Bytes of a part: the configured size, or more where the object would have more than 10,000 parts.
 * @throws {Failure} STORE_UNFIT for more than one object can hold.
 */
export function partBytesFor(bytes: number, configured: number): number {
  if (bytes > MOST_BYTES)
    throw new Failure('STORE_UNFIT', `${bytes} bytes are more than one object of S3 can hold (${MOST_BYTES})`);
  return Math.max(configured, Math.ceil(bytes / MOST_PARTS));
}

// Parts wait in memory while they are on their way: large ones go one by one.
const MOST_WAITING_BYTES = 64 * 1024 * 1024;

/** How many parts of that size may be on their way while the next one is read. */
export function partsAhead(partBytes: number): number {
  return Math.max(0, Math.min(MOST_AHEAD, Math.floor(MOST_WAITING_BYTES / partBytes) - 1));
}

/** Sends a file in parts and completes it create-only. @throws the store's error, 412 when the name is taken. */
export async function uploadInParts(
  bucket: Bucket,
  key: string,
  file: FileToStore,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const partBytes = partBytesFor(file.bytes, bucket.configuration.partBytes); // What cannot end is not begun.
  const upload = await findOrCreateUpload(bucket, key);
  const sent = await listParts(bucket, key, upload);
  const source = await open(file.path, 'r');
  try {
    const parts = await sendParts({ bucket, key, upload, sent, source, file, partBytes, onBytes });
    await complete(bucket, key, upload, parts);
  } finally {
    await source.close();
  }
}

async function complete({ client, configuration }: Bucket, Key: string, UploadId: string, Parts: CompletedPart[]) {
  const input = { Bucket: configuration.bucket, Key, UploadId, MultipartUpload: { Parts }, IfNoneMatch: '*' };
  await client.send(new CompleteMultipartUploadCommand(input));
}

async function findOrCreateUpload(bucket: Bucket, key: string): Promise<string> {
  const open = (await listUploads(bucket, key)).filter((upload) => upload.Key === key);
  const [newest] = open.sort((a, b) => (b.Initiated?.getTime() ?? 0) - (a.Initiated?.getTime() ?? 0));
  if (newest?.UploadId) return newest.UploadId;
  const { bucket: Bucket, storageClass: StorageClass } = bucket.configuration;
  const checksum = { ChecksumAlgorithm: 'SHA256', ChecksumType: 'COMPOSITE' } as const;
  const input = { Bucket, Key: key, StorageClass, Tagging: DATA_TAG, ...checksum };
  const { UploadId } = await bucket.client.send(new CreateMultipartUploadCommand(input));
  return required(UploadId, 'the id of an upload');
}

/** Uploads below a key that were never completed. */
export async function listUploads({ client, configuration }: Bucket, prefix: string): Promise<MultipartUpload[]> {
  const uploads: MultipartUpload[] = [];
  let from: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
  for (;;) {
    const input = { Bucket: configuration.bucket, Prefix: prefix, ...from };
    const page = await client.send(new ListMultipartUploadsCommand(input));
    uploads.push(...(page.Uploads ?? []));
    if (!page.IsTruncated) return uploads;
    from = { KeyMarker: required(page.NextKeyMarker, 'the next key'), UploadIdMarker: page.NextUploadIdMarker };
  }
}

async function listParts({ client, configuration }: Bucket, Key: string, UploadId: string): Promise<Map<number, Part>> {
  const parts = new Map<number, Part>();
  let PartNumberMarker: string | undefined;
  for (;;) {
    const input = { Bucket: configuration.bucket, Key, UploadId, PartNumberMarker };
    const page = await client.send(new ListPartsCommand(input));
    for (const part of page.Parts ?? []) parts.set(part.PartNumber ?? 0, part);
    if (!page.IsTruncated) return parts;
    PartNumberMarker = required(page.NextPartNumberMarker, 'the next part number');
  }
}

interface Sending {
  readonly bucket: Bucket;
  readonly key: string;
  readonly upload: string;
  readonly sent: ReadonlyMap<number, Part>;
  readonly source: FileHandle;
  readonly file: FileToStore;
  readonly partBytes: number;
  readonly onBytes: (bytes: number) => void;
}

// The file is read in order and hashed as a whole; a few parts are on their way at the same time, in buffers that are used
// again: a new one for each part fills the memory faster than the collector empties it.
async function sendParts(sending: Sending): Promise<CompletedPart[]> {
  const { file, source, partBytes: size } = sending;
  const ahead = partsAhead(size);
  const whole = createHash('sha256');
  const parts: Promise<CompletedPart>[] = [];
  const free: Buffer[] = [];
  for (let start = 0, number = 1; start < file.bytes; start += size, number++) {
    throwIfCancelled();
    const buffer = free.pop() ?? Buffer.allocUnsafeSlow(Math.min(size, file.bytes));
    const bytes = await readPart(source, start, buffer.subarray(0, file.bytes - start), file);
    whole.update(bytes);
    const part = sendPart(sending, number, bytes);
    part.then(
      () => free.push(buffer), // What failed may still be read by its connection.
      () => undefined, // Awaited below; not an unhandled rejection before that.
    );
    parts.push(part);
    await parts[number - 1 - ahead];
  }
  const sent = await Promise.all(parts);
  if (whole.digest('hex') !== file.sha256)
    throw new Failure('ARTIFACT_DAMAGED', `'${file.path}' is not what was written there`, { path: file.path });
  return sent;
}

async function readPart(source: FileHandle, start: number, bytes: Buffer, file: FileToStore): Promise<Buffer> {
  for (let filled = 0; filled < bytes.length; ) {
    const { bytesRead } = await source.read(bytes, filled, bytes.length - filled, start + filled);
    if (bytesRead === 0)
      throw new Failure('ARTIFACT_DAMAGED', `'${file.path}' is shorter than recorded`, { path: file.path });
    filled += bytesRead;
  }
  return bytes;
}

async function sendPart(sending: Sending, PartNumber: number, bytes: Uint8Array): Promise<CompletedPart> {
  const { bucket, key: Key, upload: UploadId, sent, onBytes } = sending;
  const ChecksumSHA256 = base64Sha256(bytes);
  const found = sent.get(PartNumber);
  if (found?.ChecksumSHA256 === ChecksumSHA256 && found.Size === bytes.length) {
    onBytes(bytes.length);
    return { PartNumber, ETag: found.ETag, ChecksumSHA256 };
  }
  const input = { Bucket: bucket.configuration.bucket, Key, UploadId, PartNumber, Body: bytes, ChecksumSHA256 };
  const { ETag } = await bucket.client.send(new UploadPartCommand(input), withSignal());
  onBytes(bytes.length);
  return { PartNumber, ETag, ChecksumSHA256 };
}

/** @throws {Failure} LISTING_INCOMPLETE when an answer lacks what it must have. */
export function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Failure('LISTING_INCOMPLETE', `the store's answer lacks ${what}`);
  return value;
}
