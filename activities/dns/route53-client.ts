// The connection to Route 53's API, and what its errors mean. Every call ends: it stands on the way of a recovery.
import { Route53Client, Route53ServiceException } from '@aws-sdk/client-route-53';
import type { DnsConfiguration } from '../../domain/configuration/schema.ts';
import { Failure } from '../../domain/failures.ts';
import { currentSignal, requireCurrentAttempt } from '../shared/activity-context.ts';
import { credentialsOf } from '../shared/aws-account.ts';

const CALL_LIMIT_MS = 30_000;
const REQUEST_LIMIT_MS = 10_000;

/** Connects at the first use. */
export function connectRoute53(dns: DnsConfiguration, requestLimitMs = REQUEST_LIMIT_MS): Route53Client {
  const { region, endpoint } = dns;
  return new Route53Client({
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...credentialsOf(dns),
    maxAttempts: 3,
    retryMode: 'standard',
    // Without throwOnRequestTimeout the handler only warns, and waits on.
    requestHandler: { connectionTimeout: 5000, requestTimeout: requestLimitMs, throwOnRequestTimeout: true },
  });
}

/** Runs one call with a limit and tells its errors as failures; the refusal of a batch passes as it is. */
export async function talking<T>(
  doing: string,
  call: (options: { abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  requireCurrentAttempt();
  const limit = AbortSignal.timeout(CALL_LIMIT_MS);
  const outer = currentSignal();
  try {
    return await call({ abortSignal: outer ? AbortSignal.any([outer, limit]) : limit });
  } catch (error) {
    if (outer?.aborted) throw outer.reason;
    if (refusalOf(error) !== null || error instanceof Failure) throw error;
    throw asDnsFailure(error, doing);
  }
}

/**
 * Why Route 53 refused the batch as a whole (nothing of it was made), or null for any other error. It says so in two forms:
 * as an error of that name, or as a document `<InvalidChangeBatch><Messages>`, which the SDK does not know by name.
 */
export function refusalOf(error: unknown): string | null {
  if (!(error instanceof Route53ServiceException) || error.$metadata.httpStatusCode !== 400) return null;
  const { Messages: messages } = error as { Messages?: { Message?: string | readonly string[] } };
  if (messages !== undefined) return [messages.Message ?? []].flat().join('; ');
  return error.name === 'InvalidChangeBatch' ? error.message : null;
}

// Throttling, a request before that is not complete (both 400), 5xx, silence and lost connections pass by waiting.
const UNFIT = ['NoSuchHostedZone', 'NoSuchHealthCheck', 'NoSuchChange', 'InvalidInput'];

function asDnsFailure(error: unknown, doing: string): Failure {
  const status = error instanceof Route53ServiceException ? error.$metadata.httpStatusCode : undefined;
  const { name, message } = error instanceof Error ? error : { name: 'error', message: String(error) };
  const what = `Route 53 failed at ${doing}: ${name}: ${message}`;
  if (status === 401 || status === 403) return new Failure('ACCESS_DENIED', what, { need: doing }, error);
  if (UNFIT.includes(name)) return new Failure('DNS_UNFIT', what, {}, error);
  return new Failure('DNS_UNREACHABLE', what, {}, error);
}
