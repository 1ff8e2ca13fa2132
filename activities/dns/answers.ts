// What every server says, and whether it is the site's: an answer is judged record by record, a server by its worst.
import type { DnsAnswer } from '../../domain/contracts/dns.ts';
import { addressesFor, sameAddresses } from '../../domain/dns.ts';
import type { DnsSettings } from '../../domain/dns-zone.ts';
import { ask, parseServer, type Reply } from './query.ts';

export interface Asked {
  readonly server: string;
  readonly kind: DnsAnswer['kind'];
}

type Says = DnsAnswer['says'];

/** Asks all of them at once for every record. */
export function askServers(asked: readonly Asked[], settings: DnsSettings, to: string): Promise<DnsAnswer[]> {
  return Promise.all(asked.map((one) => askServer(one, settings, to)));
}

async function askServer({ server, kind }: Asked, settings: DnsSettings, to: string): Promise<DnsAnswer> {
  const answers = await Promise.all(
    settings.records.map(async (record) => {
      const judged = await ask(parseServer(server), record, kind === 'resolver').then(
        (reply) => judge(reply, kind, settings, record, to),
        (error: Error) => ({ says: 'silent' as const, words: error.message }),
      );
      return { says: judged.says, words: `${record.name} ${record.type}: ${judged.words}` };
    }),
  );
  return {
    server,
    kind,
    says: worst(answers.map(({ says }) => says)),
    words: answers.map(({ words }) => words).join('; '),
  };
}

const ORDER: readonly Says[] = ['silent', 'old', 'other', 'new'];
const worst = (all: readonly Says[]): Says => ORDER.find((says) => all.includes(says)) ?? 'silent';

function judge(
  reply: Reply,
  kind: DnsAnswer['kind'],
  settings: DnsSettings,
  record: DnsSettings['records'][number],
  to: string,
): { says: Says; words: string } {
  if (reply.rcode !== 'NOERROR' && reply.rcode !== 'NXDOMAIN') return { says: 'silent', words: reply.rcode };
  // A server that is not the zone's own tells what it remembers.
  if (kind === 'authoritative' && !reply.isAuthoritative)
    return { says: 'silent', words: 'is not authoritative for the zone' };
  const words = reply.values.length === 0 ? 'no such record' : reply.values.join(', ');
  const isOf = (site: string) => {
    const addresses = addressesFor(record, settings.sites[site]?.addresses ?? {});
    return addresses.length > 0 && sameAddresses(addresses, reply.values);
  };
  if (isOf(to)) return { says: 'new', words };
  return { says: Object.keys(settings.sites).some(isOf) ? 'old' : 'other', words };
}
