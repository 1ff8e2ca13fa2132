// Reads what matters of a hosted zone, and changes it in one batch.
import {
  ChangeResourceRecordSetsCommand,
  GetHealthCheckStatusCommand,
  GetHostedZoneCommand,
  ListResourceRecordSetsCommand,
  type ResourceRecordSet,
  type Route53Client,
} from '@aws-sdk/client-route-53';
import { plainName } from '../../domain/dns.ts';
import type { DnsSettings, RecordChange, RecordSet, ZoneFacts } from '../../domain/dns-zone.ts';
import { Failure } from '../../domain/failures.ts';
import { talking } from './route53-client.ts';

/** What the zone is, holds under the names that matter, and whether the sites' health checks pass. */
export async function readZone(client: Route53Client, settings: DnsSettings): Promise<ZoneFacts> {
  const names = [...new Set([...settings.records.map(({ name }) => name), settings.epochRecord].map(plainName))];
  const [zone, health, ...recordSets] = await Promise.all([
    readIdentity(client, settings.zone),
    readHealth(client, settings),
    ...names.map((name) => readName(client, settings.zone, name)),
  ]);
  return { ...zone, health, recordSets: recordSets.flat() };
}

async function readIdentity(client: Route53Client, id: string): Promise<Pick<ZoneFacts, 'zone' | 'nameServers'>> {
  const { HostedZone, DelegationSet } = await talking('route53:GetHostedZone', (options) =>
    client.send(new GetHostedZoneCommand({ Id: id }), options),
  );
  return { zone: { id, name: plainName(HostedZone?.Name ?? '') }, nameServers: DelegationSet?.NameServers ?? [] };
}

// A listing begins at a name and goes on through the zone: it is read until the next name begins.
async function readName(client: Route53Client, zone: string, name: string): Promise<RecordSet[]> {
  const found: RecordSet[] = [];
  let next: { type?: ResourceRecordSet['Type']; identifier?: string } = {};
  for (;;) {
    const page = await talking('route53:ListResourceRecordSets', (options) =>
      client.send(
        new ListResourceRecordSetsCommand({
          HostedZoneId: zone,
          StartRecordName: name,
          StartRecordType: next.type,
          StartRecordIdentifier: next.identifier,
        }),
        options,
      ),
    );
    const sets = (page.ResourceRecordSets ?? []).map(asRecordSet);
    found.push(...sets.filter((one) => one.name === name));
    if (!page.IsTruncated || plainName(page.NextRecordName ?? '') !== name) return found;
    next = {
      type: page.NextRecordType,
      ...(page.NextRecordIdentifier ? { identifier: page.NextRecordIdentifier } : {}),
    };
  }
}

// What makes a record set more than a plain or failover one, and would be lost.
const OTHERS: readonly (readonly [keyof ResourceRecordSet, string])[] = [
  ['AliasTarget', 'an alias'],
  ['Weight', 'a weighted record'],
  ['Region', 'a latency record'],
  ['GeoLocation', 'a geolocation record'],
  ['GeoProximityLocation', 'a geoproximity record'],
  ['CidrRoutingConfig', 'an IP-based record'],
  ['MultiValueAnswer', 'a multivalue record'],
  ['TrafficPolicyInstanceId', 'part of a traffic policy'],
];

function asRecordSet(set: ResourceRecordSet): RecordSet {
  return {
    name: plainName(set.Name ?? ''),
    type: set.Type ?? '',
    ttl: set.TTL ?? 0,
    values: (set.ResourceRecords ?? []).map(({ Value }) => Value ?? ''),
    setIdentifier: set.SetIdentifier ?? null,
    role: set.Failover ?? null,
    healthCheck: set.HealthCheckId ?? null,
    other: OTHERS.find(([key]) => set[key] !== undefined)?.[1] ?? null,
  };
}

async function readHealth(client: Route53Client, { sites }: DnsSettings): Promise<Record<string, boolean>> {
  const ids = [...new Set(Object.values(sites).flatMap(({ healthCheck }) => healthCheck ?? []))];
  const looked = ids.map(async (id) => [id, await passes(client, id)] as const);
  const found = (await Promise.all(looked)).filter((one): one is readonly [string, boolean] => one[1] !== null);
  return Object.fromEntries(found);
}

/** Whether the check passes; null when there is no such check. Route 53's rule: healthy above 18 % of its checkers. */
async function passes(client: Route53Client, id: string): Promise<boolean | null> {
  try {
    const { HealthCheckObservations } = await talking('route53:GetHealthCheckStatus', (options) =>
      client.send(new GetHealthCheckStatusCommand({ HealthCheckId: id }), options),
    );
    const all = HealthCheckObservations ?? [];
    const good = all.filter(({ StatusReport }) => StatusReport?.Status?.startsWith('Success'));
    return good.length > all.length * 0.18;
  } catch (error) {
    if (error instanceof Failure && error.code === 'DNS_UNFIT') return null;
    throw error;
  }
}

/** Sends one batch: made as a whole or refused as a whole (`refusalOf`). */
export async function sendBatch(
  client: Route53Client,
  zone: string,
  changes: readonly RecordChange[],
): Promise<{ readonly changeId: string; readonly at: string }> {
  const Changes = changes.map(({ action, recordSet }) => ({ Action: action, ResourceRecordSet: asWanted(recordSet) }));
  const { ChangeInfo } = await talking('route53:ChangeResourceRecordSets', (options) =>
    client.send(new ChangeResourceRecordSetsCommand({ HostedZoneId: zone, ChangeBatch: { Changes } }), options),
  );
  if (ChangeInfo?.Id === undefined) throw new Failure('DNS_UNREACHABLE', 'Route 53 took a change and named none');
  return { changeId: ChangeInfo.Id.replace('/change/', ''), at: (ChangeInfo.SubmittedAt ?? new Date()).toISOString() };
}

function asWanted({ name, type, ttl, values, setIdentifier, role, healthCheck }: RecordSet): ResourceRecordSet {
  return {
    Name: name,
    Type: type as 'A',
    TTL: ttl,
    ResourceRecords: values.map((Value) => ({ Value })),
    ...(setIdentifier === null ? {} : { SetIdentifier: setIdentifier }),
    ...(role === null ? {} : { Failover: role }),
    ...(healthCheck === null ? {} : { HealthCheckId: healthCheck }),
  };
}
