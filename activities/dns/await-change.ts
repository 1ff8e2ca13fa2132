// From "Route 53 took it" to "every server gives it": INSYNC is waited for and then not believed.
import { setTimeout as wait } from 'node:timers/promises';
import { GetChangeCommand } from '@aws-sdk/client-route-53';
import type { AwaitDnsInput, DnsAnswer, DnsAnswers } from '../../domain/contracts/dns.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { currentSignal, reportProgress, throwIfCancelled } from '../shared/activity-context.ts';
import { type Asked, askServers } from './answers.ts';
import type { Zone } from './move.ts';
import { talking } from './route53-client.ts';

export interface Watch extends Zone {
  readonly authoritative: readonly string[];
  readonly resolvers: readonly string[];
  readonly limitMs: number;
}

const PAUSE_MS = 1000;

/** Waits until every server that is authoritative gives the site's addresses, then for the resolvers' caches. */
export async function awaitChange(watch: Watch, { changeId, to }: AwaitDnsInput): Promise<DnsAnswers> {
  const deadline = performance.now() + watch.limitMs;
  await untilInsync(watch, changeId, deadline);
  const insyncAt = new Date().toISOString();
  const authoritative = await untilAuthoritative(watch, to, deadline);
  const resolvers = await untilCachesEnd(watch, to);
  return { insyncAt, servers: [...authoritative, ...resolvers], ...judgeResolvers(resolvers) };
}

async function untilInsync(watch: Watch, changeId: string, deadline: number): Promise<void> {
  let lastWords = 'it is PENDING';
  const isInsync = await repeat('waiting for Route 53 to say INSYNC', deadline, async () => {
    const status = await statusOf(watch, changeId);
    if (status instanceof Failure) lastWords = status.message;
    return status === 'INSYNC';
  });
  if (isInsync) return;
  const what = `change '${changeId}' is not known to be INSYNC after ${watch.limitMs / 1000} s: ${lastWords}`;
  throw new Failure('DNS_PENDING', what, { changeId });
}

// The API may be away for a while: the change was taken all the same, so only the time limit ends the wait.
async function statusOf(watch: Watch, changeId: string): Promise<string | undefined | Failure> {
  try {
    const { ChangeInfo } = await talking('route53:GetChange', (options) =>
      watch.client.send(new GetChangeCommand({ Id: changeId }), options),
    );
    return ChangeInfo?.Status;
  } catch (error) {
    if (error instanceof Failure && error.code === 'DNS_UNREACHABLE') return error;
    throw error;
  }
}

/** Waits for the authoritative servers after the second switch, of which Route 53's change API knows nothing. */
export function untilGiven(watch: Watch, to: string): Promise<DnsAnswer[]> {
  return untilAuthoritative(watch, to, performance.now() + watch.limitMs);
}

async function untilAuthoritative(watch: Watch, to: string, deadline: number): Promise<DnsAnswer[]> {
  const asked = watch.authoritative.map((server): Asked => ({ server, kind: 'authoritative' }));
  if (asked.length === 0) throw new Failure('DNS_UNPROVEN', 'the zone names no server that could be asked');
  let answers: DnsAnswer[] = [];
  const isMoved = await repeat('asking every authoritative server', deadline, async () => {
    answers = await askServers(asked, watch.settings, to);
    return answers.every(({ says }) => says === 'new');
  });
  if (isMoved) return answers;
  const wrong = answers.filter(({ says }) => says !== 'new').map(({ server, words }) => `${server} says ${words}`);
  throw new Failure(
    'DNS_UNPROVEN',
    `${wrong.length} of ${answers.length} authoritative servers do not give '${to}' in time: ${wrong.join('; ')}`,
  );
}

// A resolver may hold what it fetched a moment before the change for one TTL; another that asks it, for one more.
async function untilCachesEnd(watch: Watch, to: string): Promise<DnsAnswer[]> {
  const asked = watch.resolvers.map((server): Asked => ({ server, kind: 'resolver' }));
  const longestTtl = Math.max(0, ...watch.settings.records.map(({ ttl }) => ttl));
  let answers: DnsAnswer[] = [];
  await repeat('waiting for the caches of the resolvers', performance.now() + 2 * longestTtl * 1000, async () => {
    answers = await askServers(asked, watch.settings, to);
    return answers.every(({ says }) => says === 'new');
  });
  return answers;
}

function judgeResolvers(answers: readonly DnsAnswer[]): Pick<DnsAnswers, 'resolverShare' | 'findings'> {
  const findings = answers
    .filter(({ says }) => says !== 'new')
    .map(
      ({ server, words }): Finding => ({
        level: 'warning',
        subject: `resolver ${server}`,
        message: `does not give the new addresses two TTLs after the move: ${words}`,
        code: null,
      }),
    );
  const share = answers.length === 0 ? 1 : 1 - findings.length / answers.length;
  return { resolverShare: share, findings };
}

/** Tries until it is true or the time is over; at least once. */
async function repeat(what: string, deadline: number, isDone: () => Promise<boolean>): Promise<boolean> {
  reportProgress({ what, doneBytes: 0, totalBytes: null, bytesPerSecond: 0 });
  for (;;) {
    throwIfCancelled();
    if (await isDone()) return true;
    if (performance.now() + PAUSE_MS > deadline) return false;
    const signal = currentSignal();
    await wait(PAUSE_MS, undefined, signal ? { signal } : {}).catch(() => throwIfCancelled());
  }
}
