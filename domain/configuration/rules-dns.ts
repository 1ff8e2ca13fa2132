// Rules about the public names and what they point at.
import { addressesFor, plainName, typeOfAddress } from '../dns.ts';
import type { RuleFinding } from './problem.ts';
import { isOpenToTheNetwork, missingHalf, quoted, repeated } from './rule-facts.ts';
import { type Configuration, type DnsConfiguration, durationMs, type SiteDnsConfiguration } from './schema.ts';

const sitesWithDns = ({ sites }: Configuration): [string, SiteDnsConfiguration][] =>
  Object.entries(sites).flatMap(([name, { dns }]) => (dns ? [[name, dns] as [string, SiteDnsConfiguration]] : []));

const isWithin = (name: string, zone: string): boolean =>
  plainName(name) === plainName(zone) || plainName(name).endsWith(`.${plainName(zone)}`);

/** Where each name of the zone stands in the configuration. */
function namesOf({ records, epochRecord }: DnsConfiguration) {
  const named = records.map(({ name }, index) => ({ name, path: ['dns', 'records', index, 'name'] }));
  return epochRecord === undefined ? named : [...named, { name: epochRecord, path: ['dns', 'epochRecord'] }];
}

export function namesAreInTheZone({ dns }: Configuration): RuleFinding[] {
  if (!dns) return [];
  return namesOf(dns).flatMap(({ name, path }): RuleFinding[] =>
    isWithin(name, dns.name) ? [] : [{ level: 'error', path, message: `'${name}' is not in the zone '${dns.name}'` }],
  );
}

export function recordsAreNamedOnce({ dns }: Configuration): RuleFinding[] {
  const keys = dns?.records.map(({ name, type }) => `${plainName(name)} ${type}`) ?? [];
  return repeated(keys).map((index) => ({
    level: 'error',
    path: ['dns', 'records', index],
    message: 'this record is given twice',
  }));
}

export function aliasesStandAlone({ dns }: Configuration): RuleFinding[] {
  const records = dns?.records ?? [];
  return records.flatMap(({ name, type }, index): RuleFinding[] => {
    const path = ['dns', 'records', index];
    if (type !== 'CNAME') return [];
    if (plainName(name) === plainName(dns?.name ?? ''))
      return [{ level: 'error', path, message: "a CNAME cannot stand at the zone's own name: use A and AAAA" }];
    const others = records.filter((other) => other.type !== 'CNAME' && plainName(other.name) === plainName(name));
    return others.length === 0
      ? []
      : [{ level: 'error', path, message: 'a CNAME cannot stand beside another record of the same name' }];
  });
}

export function everyRecordHasAddressesAtEverySite(configuration: Configuration): RuleFinding[] {
  const { dns } = configuration;
  if (!dns) return [];
  return sitesWithDns(configuration).flatMap(([site, { addresses }]) =>
    dns.records.flatMap((record): RuleFinding[] => {
      const found = addressesFor(record, addresses);
      const path = ['sites', site, 'dns', 'addresses'];
      if (found.length === 0)
        return [
          { level: 'error', path, message: `nothing for '${record.name}' that a ${record.type} record can hold` },
        ];
      if (record.type !== 'CNAME' || found.length === 1) return [];
      return [{ level: 'error', path, message: `a CNAME has one target, and '${record.name}' has ${found.length}` }];
    }),
  );
}

export function everyAddressIsUsed(configuration: Configuration): RuleFinding[] {
  const { dns } = configuration;
  return sitesWithDns(configuration).flatMap(([site, { addresses }]) =>
    Object.entries(addresses).flatMap(([name, values]) =>
      values.flatMap((value, index): RuleFinding[] => {
        const type = typeOfAddress(value);
        const isUsed = dns?.records.some((one) => one.type === type && plainName(one.name) === plainName(name));
        if (isUsed) return [];
        const message = `dns.records has no ${type} record '${name}' that would hold this`;
        return [{ level: 'error', path: ['sites', site, 'dns', 'addresses', name, index], message }];
      }),
    ),
  );
}

export function namesDoNotPointAtThemselves(configuration: Configuration): RuleFinding[] {
  const names = configuration.dns?.records.map(({ name }) => plainName(name)) ?? [];
  return sitesWithDns(configuration).flatMap(([site, { addresses }]) =>
    Object.entries(addresses).flatMap(([name, values]) =>
      values.flatMap((value, index): RuleFinding[] => {
        if (typeOfAddress(value) !== 'CNAME' || !names.includes(plainName(value))) return [];
        const message = `'${value}' is itself moved with the site: a loop`;
        return [{ level: 'error', path: ['sites', site, 'dns', 'addresses', name, index], message }];
      }),
    ),
  );
}

export function sitesPointElsewhere(configuration: Configuration): RuleFinding[] {
  const { dns } = configuration;
  const sites = sitesWithDns(configuration);
  if (!dns) return [];
  const textOf = (addresses: SiteDnsConfiguration['addresses']) =>
    JSON.stringify(dns.records.map((record) => addressesFor(record, addresses).sort()));
  return repeated(sites.map(([, { addresses }]) => textOf(addresses))).map((index) => ({
    level: 'error',
    path: ['sites', sites[index]?.[0] ?? '', 'dns', 'addresses'],
    message: 'the same addresses as another site: a move would move nothing',
  }));
}

export function everySiteHasAddresses({ dns, sites }: Configuration): RuleFinding[] {
  if (!dns) return [];
  const without = Object.keys(sites).filter((name) => sites[name]?.dns === undefined);
  return without.map((name) => ({
    level: 'error',
    path: ['sites', name],
    message: `traffic cannot be moved to this site: it has no dns.addresses for ${quoted(dns.records.map((one) => one.name))}`,
  }));
}

export function healthChecksAreAtBothSites(configuration: Configuration): RuleFinding[] {
  const sites = sitesWithDns(configuration);
  const having = sites.filter(([, { healthCheck }]) => healthCheck !== undefined);
  if (having.length === 0 || (sites.length === 2 && having.length === 2)) return [];
  const message = 'failover records are a pair: exactly two sites have dns, and both name a healthCheck, or none does';
  return having.map(([site]) => ({ level: 'error', path: ['sites', site, 'dns', 'healthCheck'], message }));
}

export function healthChecksAreTheirSitesOwn(configuration: Configuration): RuleFinding[] {
  const ids = sitesWithDns(configuration).map(([site, { healthCheck }]) => [
    site,
    healthCheck?.id ?? `none of ${site}`,
  ]);
  return repeated(ids.map(([, id]) => id ?? '')).map((index) => ({
    level: 'error',
    path: ['sites', ids[index]?.[0] ?? '', 'dns', 'healthCheck', 'id'],
    message: 'the health check of another site: withdrawing one would withdraw both',
  }));
}

export function ttlFitsItsBudget({ dns }: Configuration): RuleFinding[] {
  if (!dns) return [];
  return dns.records.flatMap(({ ttl }, index): RuleFinding[] => {
    const path = ['dns', 'records', index, 'ttl'];
    if (durationMs(ttl) % 1000 !== 0)
      return [{ level: 'error', path, message: 'a TTL is whole seconds', example: '30s' }];
    if (durationMs(ttl) <= durationMs(dns.ttlBudget)) return [];
    const message = `clients may hold the old address for ${ttl} after a move; dns.ttlBudget is ${dns.ttlBudget}`;
    return [{ level: 'warning', path, message, example: dns.ttlBudget }];
  });
}

export function dnsAccountIsComplete({ dns }: Configuration): RuleFinding[] {
  const missing = dns ? missingHalf(dns) : null;
  if (missing === null) return [];
  return [{ level: 'error', path: ['dns'], message: `${missing} is missing: give both or neither` }];
}

export function dnsEndpointIsEncrypted({ dns }: Configuration): RuleFinding[] {
  if (!isOpenToTheNetwork(dns?.endpoint)) return [];
  return [{ level: 'warning', path: ['dns', 'endpoint'], message: 'changes cross the network unencrypted: use https' }];
}
