// What a zone holds, what is wrong with it, and the one batch that moves it: pure, from facts that an activity read.
import type { DnsEpoch, DnsRecord, DnsState } from './contracts/dns.ts';
import type { Finding } from './contracts/protected-system.ts';
import {
  addressesFor,
  type DnsRecordType,
  describeEpoch,
  parseEpochText,
  plainName,
  type SiteAddresses,
  sitesServedBy,
} from './dns.ts';

/** What the configuration wants of the zone. */
export interface DnsSettings {
  readonly zone: string;
  readonly name: string;
  readonly epochRecord: string;
  readonly records: readonly { readonly name: string; readonly type: DnsRecordType; readonly ttl: number }[];
  readonly ttlBudgetSeconds: number;
  readonly sites: Readonly<Record<string, { readonly addresses: SiteAddresses; readonly healthCheck: string | null }>>;
}

/** One record set as Route 53 holds it. */
export interface RecordSet {
  readonly name: string;
  readonly type: string;
  readonly ttl: number;
  readonly values: readonly string[];
  readonly setIdentifier: string | null;
  readonly role: 'PRIMARY' | 'SECONDARY' | null;
  readonly healthCheck: string | null;
  /** What else there is to it that a move would destroy: `alias`, `weighted` and so on; null when nothing. */
  readonly other: string | null;
}

export interface ZoneFacts {
  readonly zone: { readonly id: string; readonly name: string };
  readonly nameServers: readonly string[];
  /** The record sets under the configured names and the epoch's, of every type. */
  readonly recordSets: readonly RecordSet[];
  /** Whether each health check of a site passes; empty when none is configured. */
  readonly health: Readonly<Record<string, boolean>>;
}

export interface RecordChange {
  readonly action: 'DELETE' | 'CREATE' | 'UPSERT';
  readonly recordSet: RecordSet;
}

const EPOCH_TTL = 60;

const under = (facts: ZoneFacts, name: string, type?: string): RecordSet[] =>
  facts.recordSets.filter((one) => one.name === plainName(name) && (type === undefined || one.type === type));

/** The whole answer to `readDns`. */
export function dnsState(facts: ZoneFacts, settings: DnsSettings): DnsState {
  const records = settings.records.flatMap((record) => recordsOf(facts, record));
  return {
    zone: facts.zone,
    epoch: epochOf(facts, settings),
    records,
    whoServes: whoServes(facts, settings),
    findings: checkZone(facts, settings),
  };
}

function recordsOf(facts: ZoneFacts, { name, type }: DnsSettings['records'][number]): DnsRecord[] {
  const found = under(facts, name, type);
  if (found.length === 0) return [{ name: plainName(name), type, values: [], ttl: 0, failover: null }];
  return found.map(({ values, ttl, role, healthCheck }) => ({
    name: plainName(name),
    type,
    values,
    ttl,
    failover: role === null ? null : { role: role === 'PRIMARY' ? 'primary' : 'secondary', healthCheck },
  }));
}

/** The TXT record of the epoch, or undefined before the first move. */
export function epochRecordOf(facts: ZoneFacts, settings: DnsSettings): RecordSet | undefined {
  return under(facts, settings.epochRecord, 'TXT')[0];
}

/** The epoch's text, or null when there is none. Several values are joined: such a text is nobody's. */
export function epochTextOf(facts: ZoneFacts, settings: DnsSettings): string | null {
  return epochRecordOf(facts, settings)?.values.join('\n') ?? null;
}

function epochOf(facts: ZoneFacts, settings: DnsSettings): DnsEpoch | null {
  const text = epochTextOf(facts, settings);
  if (text === null) return null;
  const claim = parseEpochText(text);
  return { number: claim?.number ?? 0, text, site: claim?.site ?? null, run: claim?.run ?? null };
}

/** The site whose addresses clients are given now, health checks reckoned with; null when it is none or several. */
function whoServes(facts: ZoneFacts, settings: DnsSettings): string | null {
  const given = settings.records.map(({ name, type }) => ({
    name,
    type,
    values: givenBy(under(facts, name, type), facts),
  }));
  const addresses = Object.entries(settings.sites).map(([site, one]) => [site, one.addresses] as const);
  const serving = sitesServedBy(given, Object.fromEntries(addresses));
  return serving.length === 1 ? (serving[0] ?? null) : null;
}

// Route 53 gives the secondary while the primary's check fails, unless both fail: then it gives the primary.
function givenBy(recordSets: readonly RecordSet[], { health }: ZoneFacts): readonly string[] {
  const passes = ({ healthCheck }: RecordSet) => healthCheck === null || health[healthCheck] !== false;
  const [primary, secondary] = ['PRIMARY', 'SECONDARY'].map((role) => recordSets.find((one) => one.role === role));
  if (!primary) return recordSets[0]?.values ?? [];
  return secondary && !passes(primary) && passes(secondary) ? secondary.values : primary.values;
}

const failed = (subject: string, message: string): Finding => ({
  level: 'failed',
  subject,
  message,
  code: 'DNS_UNFIT',
});
const warning = (subject: string, message: string): Finding => ({ level: 'warning', subject, message, code: null });
const ok = (subject: string, message: string): Finding => ({ level: 'ok', subject, message, code: null });

/** True where the configuration wants pairs of failover records: every site has a health check. */
function wantsPairs({ sites }: DnsSettings): boolean {
  const all = Object.values(sites);
  return all.length > 0 && all.every(({ healthCheck }) => healthCheck !== null);
}

/** What is well and what is not. A failed finding forbids a move. */
export function checkZone(facts: ZoneFacts, settings: DnsSettings): Finding[] {
  if (plainName(facts.zone.name) !== plainName(settings.name))
    return [failed(`zone ${facts.zone.id}`, `it is '${facts.zone.name}' and not '${settings.name}': the wrong zone`)];
  return [
    ...settings.records.flatMap((record) => checkRecord(facts, settings, record)),
    ...checkEpoch(facts, settings),
    ...checkWhoServes(facts, settings),
    ...checkSecondSwitch(facts, settings),
  ];
}

function checkRecord(facts: ZoneFacts, settings: DnsSettings, record: DnsSettings['records'][number]): Finding[] {
  const { name, type } = record;
  const subject = `record ${name} ${type}`;
  const why = unfitness(facts, settings, record);
  if (why !== null) return [failed(subject, why)];
  const found = under(facts, name, type);
  const longest = Math.max(...found.map(({ ttl }) => ttl));
  const budget = settings.ttlBudgetSeconds;
  if (longest <= budget) return [ok(subject, `${found[0]?.values.join(', ')}, TTL ${longest} s`)];
  return [
    warning(
      subject,
      `TTL ${longest} s: clients may hold the old address that long after a move, and the budget is ${budget} s`,
    ),
  ];
}

/** Why a move of this record would fail or destroy something, or null. */
function unfitness(
  facts: ZoneFacts,
  settings: DnsSettings,
  { name, type }: DnsSettings['records'][number],
): string | null {
  const found = under(facts, name, type);
  const stranger = under(facts, name).find(
    (one) => one.type !== type && (one.type === 'CNAME' || (type === 'CNAME' && one.type !== 'TXT')),
  );
  if (stranger) return `the zone has a ${stranger.type} record under this name, which cannot stand beside a ${type}`;
  if (found.length === 0) return 'the zone has no such record: make it, or correct its name in dns.records';
  const other = found.find((one) => one.other !== null)?.other;
  if (other) return `it is ${other}, which a move would destroy`;
  const isPair = found.some(({ role }) => role !== null);
  if (isPair && !wantsPairs(settings)) return 'it is a pair of failover records, and the sites have no dns.healthCheck';
  if (!isPair && wantsPairs(settings))
    return 'it is a plain record, and the sites have a dns.healthCheck: make the pair';
  return null;
}

function checkEpoch(facts: ZoneFacts, settings: DnsSettings): Finding[] {
  const subject = `epoch record ${settings.epochRecord}`;
  const text = epochTextOf(facts, settings);
  if (text === null) return [ok(subject, 'not there yet: the first move makes it')];
  if (parseEpochText(text) === null) return [failed(subject, `it holds ${describeEpoch(text)}`)];
  return [ok(subject, describeEpoch(text))];
}

function checkWhoServes(facts: ZoneFacts, settings: DnsSettings): Finding[] {
  const site = whoServes(facts, settings);
  if (site !== null) return [ok('traffic', `goes to '${site}'`)];
  return [warning('traffic', "the records do not all give one site's addresses: nobody's, or several sites'")];
}

function checkSecondSwitch({ health }: ZoneFacts, settings: DnsSettings): Finding[] {
  const subject = 'second switch';
  if (!wantsPairs(settings))
    return [
      warning(
        subject,
        "there is none: while Route 53's change API is down, traffic cannot be moved; see dns.healthCheck",
      ),
    ];
  return Object.entries(settings.sites).map(([site, { healthCheck }]) => {
    const passes = health[healthCheck ?? ''];
    if (passes === undefined) return failed(`${subject} of '${site}'`, `there is no health check '${healthCheck}'`);
    const words = `health check '${healthCheck}' ${passes ? 'passes' : 'fails: the other site is given'}`;
    return passes ? ok(`${subject} of '${site}'`, words) : warning(`${subject} of '${site}'`, words);
  });
}

export interface PlannedMove {
  readonly to: string;
  /** The text that is replaced; null to make the record. */
  readonly expected: string | null;
  readonly text: string;
}

/** The changes of one batch: the epoch first, so that a stale plan stops there; then every record. */
export function planMove(facts: ZoneFacts, settings: DnsSettings, { to, expected, text }: PlannedMove): RecordChange[] {
  const plain = { setIdentifier: null, role: null, healthCheck: null, other: null };
  const epoch = { ...plain, name: settings.epochRecord, type: 'TXT' };
  // Route 53 compares the TTL too, so it is the one that was read; the text is the one of the plan.
  const oldTtl = epochRecordOf(facts, settings)?.ttl ?? EPOCH_TTL;
  const removal: RecordChange[] =
    expected === null ? [] : [{ action: 'DELETE', recordSet: { ...epoch, ttl: oldTtl, values: [expected] } }];
  const creation: RecordChange = { action: 'CREATE', recordSet: { ...epoch, ttl: EPOCH_TTL, values: [text] } };
  const records = settings.records.flatMap((record) =>
    wantsPairs(settings)
      ? pairFor(facts, settings, record, to)
      : [{ ...plain, ...record, values: valuesAt(settings, record, to) }],
  );
  return [...removal, creation, ...records.map((recordSet): RecordChange => ({ action: 'UPSERT', recordSet }))];
}

const valuesAt = (settings: DnsSettings, record: DnsSettings['records'][number], site: string): string[] =>
  addressesFor(record, settings.sites[site]?.addresses ?? {});

// The two sets keep their identifiers and roles; addresses and health checks change places. Changing roles would make
// two primaries between the first change of the batch and the second.
function pairFor(
  facts: ZoneFacts,
  settings: DnsSettings,
  record: DnsSettings['records'][number],
  to: string,
): RecordSet[] {
  const other = Object.keys(settings.sites).find((site) => site !== to) ?? to;
  const found = under(facts, record.name, record.type);
  return (['PRIMARY', 'SECONDARY'] as const).map((role) => {
    const site = role === 'PRIMARY' ? to : other;
    const setIdentifier = found.find((one) => one.role === role)?.setIdentifier ?? `holdfast-${role.toLowerCase()}`;
    const healthCheck = settings.sites[site]?.healthCheck ?? null;
    return { ...record, values: valuesAt(settings, record, site), setIdentifier, role, healthCheck, other: null };
  });
}
