// One zone of two sites behind the strict gate, and the activities over it.
import { createDns } from '../../../activities/dns/index.ts';
import {
  type Configuration,
  configurationSchema,
  type DnsConfiguration,
} from '../../../domain/configuration/schema.ts';
import type { DnsActivities, MoveDnsInput } from '../../../domain/contracts/dns.ts';
import { Failure } from '../../../domain/failures.ts';
import { type LocalRoute53, type LocalRoute53Options, startRoute53 } from '../../../local/route53.ts';

export const ZONE = 'orders.example';
export const EPOCH_RECORD = `_holdfast-epoch.${ZONE}.`;
export const WEST = '127.0.10.1';
export const EAST = '127.0.20.1';

const FIRST_RECORDS: LocalRoute53Options['records'] = [
  { name: `app.${ZONE}.`, type: 'A', ttl: 1, values: [WEST] },
  { name: `api.${ZONE}.`, type: 'CNAME', ttl: 1, values: [`west.${ZONE}`] },
  { name: `west.${ZONE}.`, type: 'A', ttl: 60, values: [WEST] },
  { name: `east.${ZONE}.`, type: 'A', ttl: 60, values: [EAST] },
  { name: `mail.${ZONE}.`, type: 'TXT', ttl: 60, values: ['"v=spf1 -all"'] },
];

// A loaded machine is not a fault: only the tests of a silent API shorten it.
const UNHURRIED_MS = 30_000;

export interface DnsFixture {
  readonly gate: LocalRoute53;
  readonly dns: DnsActivities;
  readonly settings: DnsConfiguration;
  /** The activities over the same zone with these settings. */
  readonly over: (settings: DnsConfiguration, requestLimitMs?: number) => DnsActivities;
  /** The activities over the same zone with other settings. */
  readonly with: (changes: Partial<DnsConfiguration>, sites?: Sites) => DnsActivities;
}

type Sites = Configuration['sites'];

export const SITES = {
  west: {
    workDirectory: '/w',
    applications: [],
    dns: { addresses: { [`app.${ZONE}`]: [WEST], [`api.${ZONE}`]: [`west.${ZONE}`] } },
  },
  east: {
    workDirectory: '/e',
    applications: [],
    dns: { addresses: { [`app.${ZONE}`]: [EAST], [`api.${ZONE}`]: [`east.${ZONE}`] } },
  },
} satisfies Sites;

/** Starts a gate with the zone as it is while 'west' serves. */
export async function startZone(records: LocalRoute53Options['records'] = FIRST_RECORDS): Promise<DnsFixture> {
  const gate = await startRoute53({ zoneName: ZONE, records });
  process.env.HOLDFAST_TEST_ROUTE53_ID = gate.accessKeyId;
  process.env.HOLDFAST_TEST_ROUTE53_SECRET = gate.secretAccessKey;
  const settings = configurationSchema.shape.dns.unwrap().parse({
    zone: gate.zoneId,
    name: ZONE,
    endpoint: gate.endpoint,
    accessKeyId: '${env:HOLDFAST_TEST_ROUTE53_ID}',
    secretAccessKey: '${env:HOLDFAST_TEST_ROUTE53_SECRET}',
    records: [
      { name: `app.${ZONE}`, type: 'A', ttl: '1s' },
      { name: `api.${ZONE}`, type: 'CNAME', ttl: '1s' },
    ],
    authoritativeServers: gate.nameServers.map(({ address }) => address),
  });
  const make = (changes: Partial<DnsConfiguration>, sites: Sites = SITES) =>
    createDns({ dns: { ...settings, ...changes }, sites, requestLimitMs: UNHURRIED_MS });
  const over = (dns: DnsConfiguration, requestLimitMs = UNHURRIED_MS) =>
    createDns({ dns, sites: SITES, requestLimitMs });
  return { gate, dns: make({}), settings, over, with: make };
}

/** What the API holds under a name. */
export function held({ gate }: DnsFixture, name: string): readonly string[] {
  return gate.records().find((one) => one.name === name)?.values ?? [];
}

/** The move that a run would make now. */
export async function plannedMove(dns: DnsActivities, to: string, run: string): Promise<MoveDnsInput> {
  const { epoch } = await dns.readDns({});
  return { expected: epoch?.text ?? null, epoch: (epoch?.number ?? 0) + 1, to, run };
}

/** The failure that `work` ends with. @throws when it does not fail, or with another error. */
export async function failureOf(work: Promise<unknown>): Promise<Failure> {
  const error = await work.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof Failure) return error;
  throw error;
}
