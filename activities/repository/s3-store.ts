// A tier in a bucket of S3 or of a store that speaks its protocol. Every write says "only if absent"; an answer is not
// believed where it can be compared.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  type ObjectStorageClass,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { Failure } from '../../domain/failures.ts';
import { measure, sha256Of } from './measure.ts';
import { readOnceMore } from './read-once-more.ts';
import {
  type Bucket,
  connectBucket,
  isAbsent,
  isPreconditionFailed,
  type S3Clients,
  type S3Configuration,
  talking,
  withSignal,
} from './s3-client.ts';
import { readResuming } from './s3-reading.ts';
import { DATA_TAG, listUploads, required, uploadInParts } from './s3-upload.ts';
import { firstVersionsOf, listVersions } from './s3-versions.ts';
import {
  type BackupStore,
  type Creation,
  existsDifferent,
  type FileToStore,
  type StoredObject,
  type Unfinished,
} from './store.ts';

/** Opens the tier. Nothing is reached before the first use. @param clients those of the tiers beside it. */
export function openS3Store(name: string, configuration: S3Configuration, clients: S3Clients = new Map()): BackupStore {
  const bucket = connectBucket(name, configuration, clients);
  return {
    name,
    kind: 's3',
    list: (prefix) => talking(bucket, 'listing', () => listObjects(bucket, prefix)),
    stat: (object) => talking(bucket, 'looking at an object', () => statObject(bucket, object)),
    create: (object, bytes) =>
      talking(bucket, 'storing an object', () =>
        createOnly(bucket, object, sha256Of(bytes), () => putObject(bucket, object, bytes, {})),
      ),
    createFromFile: (object, file, onBytes) =>
      talking(bucket, 'storing a file', () => storeFile(bucket, object, file, onBytes)),
    read: (object, start = 0) => readResuming(bucket, object, start),
    remove: (object) => talking(bucket, 'removing an object', () => removeVersions(bucket, object)),
    removeUnfinished: (prefix, before) =>
      talking(bucket, 'ending unfinished uploads', () => abortUploads(bucket, prefix, before)),
    firstVersions: firstVersionsOf(bucket),
    freeBytes: async () => null,
  };
}

// 412 tells that the name is taken: by ourselves when an answer got lost, or by another writer. The bytes decide.
async function createOnly(bucket: Bucket, object: string, sha256: string, put: () => Promise<void>): Promise<Creation> {
  try {
    await put();
    return 'created';
  } catch (error) {
    if (!isPreconditionFailed(error)) throw error;
    return requireIdentical(bucket, object, sha256);
  }
}

// Two answers must say that others' bytes are there: a single one may be short.
async function requireIdentical(bucket: Bucket, object: string, sha256: string): Promise<Creation> {
  const holds = async () => (await readOnceMore(() => measure(readResuming(bucket, object, 0)))).sha256 === sha256;
  if (!((await holds()) || (await holds()))) throw existsDifferent({ name: bucket.tier }, object);
  await abortUploads(bucket, object, null, (key) => key === bucket.keyOf(object));
  return 'identical';
}

async function storeFile(bucket: Bucket, object: string, file: FileToStore, onBytes: (bytes: number) => void) {
  // In parts the name is claimed at the very end: look first, and do not send everything a second time.
  const isThere = file.bytes > bucket.configuration.partBytes && (await statObject(bucket, object)) !== null;
  if (isThere) return requireIdentical(bucket, object, file.sha256);
  return createOnly(bucket, object, file.sha256, () => putFile(bucket, object, file, onBytes));
}

interface PutOptions {
  readonly StorageClass?: ObjectStorageClass;
  readonly Tagging?: string;
}

async function putObject(bucket: Bucket, object: string, Body: Uint8Array, options: PutOptions): Promise<void> {
  const ChecksumSHA256 = createHash('sha256').update(Body).digest('base64');
  const place = { Bucket: bucket.configuration.bucket, Key: bucket.keyOf(object) };
  await bucket.client.send(new PutObjectCommand({ ...place, Body, ChecksumSHA256, IfNoneMatch: '*', ...options }));
}

async function putFile(
  bucket: Bucket,
  object: string,
  file: FileToStore,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const { storageClass: StorageClass, partBytes } = bucket.configuration;
  if (file.bytes > partBytes) return uploadInParts(bucket, bucket.keyOf(object), file, onBytes);
  const bytes = await readFile(file.path);
  if (bytes.length !== file.bytes || sha256Of(bytes) !== file.sha256)
    throw new Failure('ARTIFACT_DAMAGED', `'${file.path}' is not what was written there`, { path: file.path });
  await putObject(bucket, object, bytes, { StorageClass, Tagging: DATA_TAG });
  onBytes(bytes.length);
}

async function statObject(bucket: Bucket, object: string): Promise<StoredObject | null> {
  try {
    const place = { Bucket: bucket.configuration.bucket, Key: bucket.keyOf(object) };
    const found = await bucket.client.send(new HeadObjectCommand(place));
    return {
      name: object,
      bytes: required(found.ContentLength, 'a length'),
      modifiedAt: required(found.LastModified, 'a time').toISOString(),
      ...(found.VersionId === undefined ? {} : { versionId: found.VersionId }),
    };
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

async function listObjects(bucket: Bucket, prefix: string): Promise<readonly StoredObject[]> {
  const objects: StoredObject[] = [];
  let token: string | undefined;
  do {
    const place = { Bucket: bucket.configuration.bucket, Prefix: bucket.keyOf(prefix) };
    const input = { ...place, ...(token === undefined ? {} : { ContinuationToken: token }) };
    const page = await bucket.client.send(new ListObjectsV2Command(input), withSignal());
    objects.push(...objectsOf(bucket, prefix, page));
    token = page.IsTruncated ? required(page.NextContinuationToken, 'the next page') : undefined;
  } while (token !== undefined);
  return requireOrder(bucket, objects);
}

function objectsOf(bucket: Bucket, prefix: string, page: ListObjectsV2CommandOutput): readonly StoredObject[] {
  const contents = page.Contents ?? [];
  if (page.KeyCount !== undefined && page.KeyCount !== contents.length)
    throw incomplete(bucket, `it says ${page.KeyCount} objects and names ${contents.length}`);
  return contents.map((object) => {
    const key = required(object.Key, 'a name');
    if (!key.startsWith(bucket.keyOf(prefix))) throw incomplete(bucket, `it names '${key}', which was not asked for`);
    return {
      name: key.slice(bucket.configuration.prefix.length),
      bytes: required(object.Size, 'a length'),
      modifiedAt: required(object.LastModified, 'a time').toISOString(),
    };
  });
}

// S3 lists in the order of the names' bytes. Pages that overlap or go back are not one listing.
function requireOrder(bucket: Bucket, objects: readonly StoredObject[]): readonly StoredObject[] {
  objects.forEach((object, index) => {
    const before = objects[index - 1];
    if (before && before.name >= object.name) throw incomplete(bucket, `'${object.name}' comes after '${before.name}'`);
  });
  return objects;
}

function incomplete({ tier }: Bucket, why: string): Failure {
  return new Failure('LISTING_INCOMPLETE', `the listing of tier '${tier}' cannot be right: ${why}`, { tier });
}

// In a bucket with versions a plain delete only hides the object, and some stores then refuse "only if absent" for ever.
async function removeVersions(bucket: Bucket, object: string): Promise<void> {
  const place = { Bucket: bucket.configuration.bucket, Key: bucket.keyOf(object) };
  const versions = (await listVersions(bucket, object)).filter(({ key }) => key === place.Key);
  if (versions.length === 0) await bucket.client.send(new DeleteObjectCommand(place));
  for (const { id: VersionId } of versions) await bucket.client.send(new DeleteObjectCommand({ ...place, VersionId }));
}

async function abortUploads(
  bucket: Bucket,
  prefix: string,
  before: Date | null,
  isMeant: (key: string) => boolean = () => true,
): Promise<Unfinished> {
  const listed = (await listUploads(bucket, bucket.keyOf(prefix))).filter(({ Key }) => isMeant(Key ?? ''));
  // What does not say when it began counts as young.
  const going = listed.filter(({ Initiated }) => before === null || (Initiated !== undefined && Initiated < before));
  for (const { Key, UploadId } of going)
    await bucket.client.send(new AbortMultipartUploadCommand({ Bucket: bucket.configuration.bucket, Key, UploadId }));
  return { removed: going.length, left: listed.length - going.length };
}
