// The public names of the platform: who serves, and the switch that moves them.
import { type Configuration, type DnsConfiguration, durationMs } from '../../domain/configuration/schema.ts';
import type { DnsActivities, DnsAnswer } from '../../domain/contracts/dns.ts';
import { plainName } from '../../domain/dns.ts';
import { type DnsSettings, dnsState } from '../../domain/dns-zone.ts';
import { Failure } from '../../domain/failures.ts';
import { askServers } from './answers.ts';
import { awaitChange, untilGiven, type Watch } from './await-change.ts';
import { moveZone, undoZoneMove } from './move.ts';
import { probeAddresses } from './probe.ts';
import { connectRoute53 } from './route53-client.ts';
import { runSwitch } from './second-switch.ts';
import { readZone } from './zone.ts';

export interface DnsOptions {
  readonly dns: DnsConfiguration;
  readonly sites: Configuration['sites'];
  /** Limit for one request to Route 53's API, of which a call makes three. */
  readonly requestLimitMs?: number;
}

/** The activities `dns.<verb>`. */
export function createDns({ dns, sites, requestLimitMs }: DnsOptions): DnsActivities {
  const settings = settingsOf(dns, sites);
  const client = connectRoute53(dns, requestLimitMs);
  const watch = async (): Promise<Watch> => ({
    client,
    settings,
    authoritative: dns.authoritativeServers ?? (await readZone(client, settings)).nameServers,
    resolvers: dns.resolvers,
    limitMs: durationMs(dns.propagationLimit),
  });
  return {
    /**
     * Does: reads the zone: the epoch, the records, who serves, what is wrong.
     * Repeat: reads again.
     * Undo: none needed, nothing is changed.
     */
    readDns: async () => dnsState(await readZone(client, settings), settings),

    /**
     * Does: moves epoch and records in one batch, which Route 53 refuses as a whole when the epoch is not the planned one.
     * Repeat: finds its own epoch and names a change that is INSYNC no sooner than the first.
     * Undo: `undoMoveDns`.
     */
    moveDns: (input) => moveZone({ client, settings }, input),

    /**
     * Does: gives the zone back under a higher epoch, whether or not the move happened: one that is still on its way
     * meets an epoch that it did not plan on.
     * Repeat: as `moveDns`.
     * Undo: none: it is one.
     */
    undoMoveDns: (input) => undoZoneMove({ client, settings }, input),

    /**
     * Does: waits for INSYNC, then asks every authoritative server and the resolvers by DNS.
     * Repeat: asks again.
     * Undo: none needed, nothing is changed.
     */
    awaitDns: async (input) => awaitChange(await watch(), input),

    /**
     * Does: asks every authoritative server and the resolvers, once.
     * Repeat: asks again.
     * Undo: none needed, nothing is changed.
     */
    async askDns({ to }) {
      const { authoritative, resolvers } = await watch();
      const asked = (kind: DnsAnswer['kind']) => (server: string) => ({ server, kind });
      return askServers(
        [...authoritative.map(asked('authoritative')), ...resolvers.map(asked('resolver'))],
        settings,
        to,
      );
    },

    /**
     * Does: tries to connect to the addresses of the site that traffic left.
     * Repeat: tries again.
     * Undo: none needed, nothing is changed.
     */
    async probeOldAddresses({ site }) {
      const addresses = Object.values(settings.sites[site]?.addresses ?? {}).flat();
      if (addresses.length === 0) throw new Failure('DNS_UNFIT', `site '${site}' has no dns.addresses`);
      return probeAddresses([...new Set(addresses)], dns.probePorts);
    },

    /**
     * Does: runs the command that makes the site's health check fail, and waits until the other site is given.
     * Repeat: the command runs again, which it must bear.
     * Undo: `offerSite`.
     */
    async withdrawSite({ site, to }) {
      await runSwitch(sites[site]?.dns, site, 'withdraw');
      return { servers: await untilGiven(await watch(), to) };
    },

    /**
     * Does: runs the command that makes the site's health check pass again.
     * Repeat: the command runs again, which it must bear.
     * Undo: `withdrawSite`.
     */
    offerSite: ({ site }) => runSwitch(sites[site]?.dns, site, 'offer'),
  };
}

function settingsOf(dns: DnsConfiguration, sites: Configuration['sites']): DnsSettings {
  const withDns = Object.entries(sites).flatMap(([name, { dns: own }]) =>
    own ? [[name, { addresses: own.addresses, healthCheck: own.healthCheck?.id ?? null }] as const] : [],
  );
  return {
    zone: dns.zone,
    name: plainName(dns.name),
    epochRecord: plainName(dns.epochRecord ?? `_holdfast-epoch.${plainName(dns.name)}`),
    records: dns.records.map(({ name, type, ttl }) => ({ name: plainName(name), type, ttl: durationMs(ttl) / 1000 })),
    ttlBudgetSeconds: durationMs(dns.ttlBudget) / 1000,
    sites: Object.fromEntries(withDns),
  };
}
