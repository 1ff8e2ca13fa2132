// Reading an object to its end although the connection breaks: it goes on where it stopped, and only with the very same
// object (If-Match), so that two versions are never spliced. An answer that is whole in itself and not the object (short,
// or other bytes) is told by the checksum that the store kept with it, where it has one of the whole object.
import { setTimeout as wait } from 'node:timers/promises';
import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { Failure } from '../../domain/failures.ts';
import { asStoreFailure, type Bucket, isAbsent, isPreconditionFailed, statusOf, withSignal } from './s3-client.ts';
import { missing } from './store.ts';

const ATTEMPTS = 5;
const FIRST_WAIT_MS = 100;

interface Position {
  at: number;
  whole: Whole | undefined;
  readonly versionId: string | undefined;
}

/** Bytes of an object, or of one version of it, from `start` on. @throws {Failure} ARTIFACT_MISSING, ARTIFACT_DAMAGED, STORE_UNREACHABLE. */
export async function* readResuming(
  bucket: Bucket,
  object: string,
  start: number,
  versionId?: string,
): AsyncGenerator<Uint8Array> {
  const position: Position = { at: start, whole: undefined, versionId };
  for (let attempt = 1; ; attempt++) {
    const before = position.at;
    try {
      yield* readFrom(bucket, object, position);
      return;
    } catch (error) {
      if (isOtherBytes(error)) throw otherBytes(error, bucket, object);
      if (attempt >= ATTEMPTS || !canResume(error)) throw asReadFailure(error, bucket, object);
    }
    if (position.at > before) attempt = 1; // It moves on: only standing still counts against it.
    await wait(Math.random() * FIRST_WAIT_MS * 2 ** attempt);
  }
}

async function* readFrom(bucket: Bucket, object: string, position: Position): AsyncGenerator<Uint8Array> {
  if (position.whole && position.at >= position.whole.bytes) return;
  const answer = await get(bucket, object, position);
  position.whole ??= wholeOf(answer, position.at);
  for await (const chunk of answer.Body as AsyncIterable<Uint8Array>) {
    position.at += chunk.length;
    yield chunk;
  }
  const { bytes } = position.whole;
  if (position.at < bytes) throw new Error(`the answer ended at byte ${position.at} of ${bytes}`);
}

interface Whole {
  readonly bytes: number;
  readonly etag: string | undefined;
}

function wholeOf({ ContentRange, ContentLength, ETag }: GetObjectCommandOutput, start: number): Whole {
  const total = /\/(\d+)$/.exec(ContentRange ?? '')?.[1];
  if (total !== undefined) return { bytes: Number(total), etag: ETag };
  if (ContentLength === undefined) throw new Failure('STORE_UNREACHABLE', "the store's answer lacks a length");
  return { bytes: start + ContentLength, etag: ETag };
}

async function get({ client, configuration, keyOf }: Bucket, object: string, { at, whole, versionId }: Position) {
  const place = { Bucket: configuration.bucket, Key: keyOf(object), VersionId: versionId };
  const range = at > 0 ? { Range: `bytes=${at}-` } : {};
  const same = whole?.etag === undefined ? {} : { IfMatch: whole.etag };
  const checked = at > 0 ? {} : ({ ChecksumMode: 'ENABLED' } as const);
  return client.send(new GetObjectCommand({ ...place, ...range, ...same, ...checked }), withSignal());
}

// An answer of the store was retried by the SDK already; a broken stream is ours to take up again.
const canResume = (error: unknown) =>
  !(error instanceof Failure) && statusOf(error) === undefined && (error as Error).name !== 'AbortError';

// The SDK compares the body with the store's checksum at its end, and has no class for what it finds.
const isOtherBytes = (error: unknown) => error instanceof Error && error.message.startsWith('Checksum mismatch');

function otherBytes(cause: unknown, { tier }: Bucket, object: string): Failure {
  const what = `the answer of tier '${tier}' for '${object}' does not have the checksum that was stored with it`;
  return new Failure('ARTIFACT_DAMAGED', what, { object }, cause);
}

function asReadFailure(error: unknown, bucket: Bucket, object: string): unknown {
  if (isAbsent(error)) return missing({ name: bucket.tier }, object, error);
  if (isPreconditionFailed(error))
    return new Failure('ARTIFACT_DAMAGED', `'${object}' in tier '${bucket.tier}' was replaced while it was read`, {
      object,
    });
  return asStoreFailure(error, bucket, 'reading an object');
}
