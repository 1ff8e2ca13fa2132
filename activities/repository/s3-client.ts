// The connection to a bucket, and what its errors mean.
import { S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import type { TierConfiguration } from '../../domain/configuration/schema.ts';
import { Failure } from '../../domain/failures.ts';
import { canonicalJson } from '../../domain/json.ts';
import { currentSignal, requireCurrentAttempt } from '../shared/activity-context.ts';
import { credentialsOf } from '../shared/aws-account.ts';

export type S3Configuration = Extract<TierConfiguration, { kind: 's3' }>;

/** A bucket as the store's functions need it. */
export interface Bucket {
  readonly tier: string;
  readonly client: S3Client;
  readonly configuration: S3Configuration;
  /** Key of an object: the configured prefix and the name. */
  readonly keyOf: (name: string) => string;
}

/** The clients of some tiers: those of one region and account share a client, and with it one budget of retries. */
export type S3Clients = Map<string, S3Client>;

/** Connects to a bucket at the first use. */
export function connectBucket(tier: string, configuration: S3Configuration, clients: S3Clients): Bucket {
  const { region, endpoint, accessKeyId, secretAccessKey, prefix } = configuration;
  const place = canonicalJson([region, endpoint ?? null, accessKeyId ?? null, secretAccessKey ?? null]);
  const client = clients.get(place) ?? newClient(configuration);
  clients.set(place, client);
  return { tier, client, configuration, keyOf: (name) => prefix + name };
}

// The SDK retries with exponential backoff and full jitter, and one budget for all requests of a client.
const ATTEMPTS = 5;

function newClient(configuration: S3Configuration): S3Client {
  const { region, endpoint } = configuration;
  const client = new S3Client({
    region,
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...credentialsOf(configuration),
    maxAttempts: ATTEMPTS,
    retryMode: 'standard',
    // SHA-256 is sent with every write of ours; the SDK's default (CRC64NVME) is unknown to some stores.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: CONNECTED_WITHIN_MS, socketTimeout: SILENT_FOR_MS },
  });
  holdOff(client);
  return client;
}

const CONNECTED_WITHIN_MS = 5000;
// Storing the last part of a large object keeps some stores silent for a while.
const SILENT_FOR_MS = 60_000;
/** Shorter than the attempts of an activity together: one of them tries again. */
const HOLD_OFF_MS = 10_000;

// A site that is cut off neither answers nor refuses. Each of the many requests of an activity would wait for that anew,
// several times; so the first one that waited in vain speaks for the next ones.
function holdOff(client: S3Client): void {
  let isSilentUntil = 0;
  client.middlewareStack.add(
    (next) => async (args) => {
      if (Date.now() < isSilentUntil) throw new SilentStore('it was silent a moment ago');
      try {
        return await next(args);
      } catch (error) {
        if (!isSilence(error)) throw error;
        isSilentUntil = Date.now() + HOLD_OFF_MS;
        throw new SilentStore((error as Error).message, { cause: error });
      }
    },
    { step: 'deserialize', priority: 'high', name: 'holdOff' },
  );
}

// The SDK gives a connection that was reset or closed the same name; that is no silence, and tried again.
const isSilence = (error: unknown): boolean => {
  const { name, code } = error as NodeJS.ErrnoException;
  return name === 'TimeoutError' && (code === undefined || code === 'ETIMEDOUT');
};

/** Not an error that the SDK tries again. */
class SilentStore extends Error {
  override readonly name = 'SilentStore';
}

/** Options of a request: it ends with the surrounding activity. */
export function withSignal(): { abortSignal?: AbortSignal } {
  const signal = currentSignal();
  return signal ? { abortSignal: signal } : {};
}

/** HTTP status of an error, or undefined when it is not an answer of the store. */
export const statusOf = (error: unknown): number | undefined =>
  error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;

export const isPreconditionFailed = (error: unknown): boolean => statusOf(error) === 412;

/** True when the object is not there; a bucket that is not there is another thing. */
export const isAbsent = (error: unknown): boolean =>
  statusOf(error) === 404 && (error as Error).name !== 'NoSuchBucket' && (error as Error).name !== 'NoSuchUpload';

/** The failure that an error of the store means; ours pass as they are. */
export function asStoreFailure(error: unknown, { tier, configuration }: Bucket, doing: string): unknown {
  const signal = currentSignal();
  if (signal?.aborted) return signal.reason;
  if (error instanceof Failure) return error;
  const what = `tier '${tier}' (bucket '${configuration.bucket}') failed at ${doing}`;
  const status = statusOf(error);
  const words = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  if (status === 401 || status === 403)
    return new Failure(
      'ACCESS_DENIED',
      `${what}: ${words}`,
      { need: `${doing} in bucket ${configuration.bucket}` },
      error,
    );
  return new Failure('STORE_UNREACHABLE', `${what}: ${words}`, { tier, status: status ?? null }, error);
}

/** Runs `work` and tells its errors as failures. */
export async function talking<T>(bucket: Bucket, doing: string, work: () => Promise<T>): Promise<T> {
  requireCurrentAttempt();
  try {
    return await work();
  } catch (error) {
    throw asStoreFailure(error, bucket, doing);
  }
}
