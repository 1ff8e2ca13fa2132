// The address of a name as a client with an empty cache finds it now: asked of the zone's own servers where they are
// configured, otherwise of resolvers. Never by the system's `getaddrinfo`: it reads files and caches.
import { getServers } from 'node:dns';
import { isIP } from 'node:net';
import { plainName } from '../../domain/dns.ts';
import { ask, type DnsQuestion, parseServer } from './query.ts';

export interface NameServers {
  /** The zone that `authoritative` serves; null when none is configured. */
  readonly zone: string | null;
  readonly authoritative: readonly string[];
  /** Without any, those of this machine are asked. */
  readonly resolvers: readonly string[];
}

const MOST_ALIASES = 8;

/** @returns the first address. @throws {Error} in words when no server gives one. */
export async function resolveName(host: string, servers: NameServers): Promise<string> {
  let name = plainName(host);
  for (let hop = 0; hop <= MOST_ALIASES; hop += 1) {
    if (isIP(name) !== 0) return name;
    const found = await oneStep(name, servers);
    if (isIP(found) !== 0) return found;
    name = plainName(found);
  }
  throw new Error(`'${host}' is an alias of an alias, more than ${MOST_ALIASES} times`);
}

/** An address, or the name that this one is an alias of. */
async function oneStep(name: string, servers: NameServers): Promise<string> {
  const asked = serversFor(name, servers);
  for (const type of ['A', 'CNAME', 'AAAA'] as const) {
    const [found] = await anyAnswer(asked, { name, type });
    if (found !== undefined) return found;
  }
  throw new Error(`DNS has no address for '${name}'`);
}

interface Asked {
  readonly servers: readonly string[];
  readonly areResolvers: boolean;
}

function serversFor(name: string, { zone, authoritative, resolvers }: NameServers): Asked {
  const isOurs = zone !== null && `.${name}`.endsWith(`.${plainName(zone)}`);
  if (isOurs && authoritative.length > 0) return { servers: authoritative, areResolvers: false };
  return { servers: resolvers.length > 0 ? resolvers : getServers(), areResolvers: true };
}

// All at once: one that is silent holds nobody up.
async function anyAnswer({ servers, areResolvers }: Asked, question: DnsQuestion): Promise<readonly string[]> {
  try {
    return await Promise.any(servers.map((server) => answerOf(server, question, areResolvers)));
  } catch (error) {
    const [first] = (error as AggregateError).errors as Error[];
    throw new Error(`DNS gives no answer for '${question.name}': ${first?.message ?? 'no server is known'}`);
  }
}

async function answerOf(server: string, question: DnsQuestion, isResolver: boolean): Promise<readonly string[]> {
  const { rcode, values } = await ask(parseServer(server), question, isResolver);
  if (rcode !== 'NOERROR') throw new Error(rcode);
  return values;
}
