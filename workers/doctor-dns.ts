// What the public names are now, and whether they could be moved: the zone, its epoch, its TTLs, the second switch, and
// what every server says. Nothing is changed.
import { createDns } from '../activities/dns/index.ts';
import type { Configuration, DnsConfiguration } from '../domain/configuration/schema.ts';
import type { DnsAnswer } from '../domain/contracts/dns.ts';
import type { Finding } from '../domain/contracts/protected-system.ts';

type Attempt = (subject: string, check: () => Promise<readonly Finding[]>) => Promise<readonly Finding[]>;

/** Findings about the zone and about each server that answers for it. */
export async function checkDns(
  { sites, activeSite }: Configuration,
  dns: DnsConfiguration,
  attempt: Attempt,
): Promise<readonly Finding[]> {
  const activities = createDns({ dns, sites });
  const [zone, servers] = await Promise.all([
    attempt('zone', async () => {
      const { zone: found, whoServes, findings } = await activities.readDns({});
      return [
        ok(`zone ${found.id}`, `${found.name}, Route 53 answers`),
        ...findings,
        ...expected(whoServes, activeSite),
      ];
    }),
    attempt('name servers', async () => (await activities.askDns({ to: activeSite })).map(findingOf)),
  ]);
  return [...zone, ...servers];
}

const ok = (subject: string, message: string): Finding => ({ level: 'ok', subject, message, code: null });

function expected(whoServes: string | null, activeSite: string): Finding[] {
  if (whoServes === null || whoServes === activeSite) return [];
  const message = `clients are sent to '${whoServes}', and activeSite is '${activeSite}'`;
  return [{ level: 'warning', subject: 'active site', message, code: null }];
}

function findingOf({ server, kind, says, words }: DnsAnswer): Finding {
  const subject = `${kind === 'resolver' ? 'resolver' : 'name server'} ${server}`;
  if (says === 'new') return ok(subject, words);
  if (says === 'silent')
    return { level: 'failed', subject, message: `no usable answer: ${words}`, code: 'DNS_UNPROVEN' };
  return { level: 'warning', subject, message: `not the active site's addresses: ${words}`, code: null };
}
