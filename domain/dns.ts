// What a move of DNS is, decided from facts: the epoch's text, whose addresses a zone gives, what is wrong with it.

export const DNS_RECORD_TYPES = ['A', 'AAAA', 'CNAME'] as const;
export type DnsRecordType = (typeof DNS_RECORD_TYPES)[number];

/** Lower case and without the final dot, so that names and host names can be compared. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** The type of the record that can hold this address. */
export function typeOfAddress(address: string): DnsRecordType {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(address)) return 'A';
  return address.includes(':') ? 'AAAA' : 'CNAME';
}

/** An address in the one form in which it can be compared. */
export function plainAddress(address: string): string {
  const type = typeOfAddress(address);
  if (type === 'CNAME') return plainName(address);
  // The address parser of URLs knows every way to write the same IPv6 address.
  return type === 'AAAA' ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

/** True when both give the same addresses, in whatever order and form. */
export function sameAddresses(some: readonly string[], others: readonly string[]): boolean {
  const plain = (values: readonly string[]) => [...new Set(values.map(plainAddress))].sort().join(' ');
  return plain(some) === plain(others);
}

/** Which addresses each record gets at one site. */
export type SiteAddresses = Readonly<Record<string, readonly string[]>>;

interface Named {
  readonly name: string;
  readonly type: DnsRecordType;
}

/** The addresses of one record at a site: those under its name that a record of its type can hold. */
export function addressesFor({ name, type }: Named, addresses: SiteAddresses): string[] {
  const ofName = Object.entries(addresses).filter(([other]) => plainName(other) === plainName(name));
  return ofName.flatMap(([, values]) => values).filter((value) => typeOfAddress(value) === type);
}

/** The sites whose addresses every record gives; normally one. */
export function sitesServedBy(
  records: readonly (Named & { readonly values: readonly string[] })[],
  sites: Readonly<Record<string, SiteAddresses>>,
): string[] {
  const gives = (addresses: SiteAddresses) =>
    records.every(
      (record) => record.values.length > 0 && sameAddresses(record.values, addressesFor(record, addresses)),
    );
  return Object.entries(sites).flatMap(([site, addresses]) => (records.length > 0 && gives(addresses) ? [site] : []));
}

export interface EpochClaim {
  readonly number: number;
  readonly site: string;
  readonly run: string;
}

// A TXT string holds at most 255 bytes; a longer text is several strings, which readers join.
const TXT_STRING = 255;

// Everything but letters, digits and a few marks is written as %XX: the text then needs no escape of DNS or Route 53.
const word = (text: string): string => encodeURIComponent(text).replaceAll('%2F', '/').replaceAll("'", '%27');

/** The TXT value of an epoch as Route 53 holds it: `"holdfast epoch=7 site=east run=failover/orders at=…"`. */
export function epochText({ number, site, run }: EpochClaim, at: string): string {
  const text = `holdfast epoch=${number} site=${word(site)} run=${word(run)} at=${at}`;
  const strings = text.match(new RegExp(`.{1,${TXT_STRING}}`, 'g')) ?? [];
  return strings.map((one) => `"${one}"`).join(' ');
}

/** What an epoch's text says, or null when it is not one of ours. */
export function parseEpochText(text: string): EpochClaim | null {
  const joined = [...text.matchAll(/"([^"]*)"/g)].map(([, one]) => one ?? '').join('');
  const match = /^holdfast epoch=(\d+) site=(\S+) run=(\S+) at=\S+$/.exec(joined);
  const [, number, site, run] = match ?? [];
  if (number === undefined || site === undefined || run === undefined) return null;
  try {
    return { number: Number(number), site: decodeURIComponent(site), run: decodeURIComponent(run) };
  } catch {
    return null; // A broken %XX: whoever wrote it, it was not us.
  }
}

/** True when the text was written by this very move. */
export function isClaim(text: string | null, { number, site, run }: EpochClaim): boolean {
  const claim = text === null ? null : parseEpochText(text);
  return claim !== null && claim.number === number && claim.site === site && claim.run === run;
}

/** Who holds a zone, for the person whose plan is stale. */
export function describeEpoch(text: string | null): string {
  if (text === null) return 'no epoch';
  const claim = parseEpochText(text);
  return claim === null
    ? `a text of somebody else, ${text}`
    : `epoch ${claim.number} of '${claim.site}' by run '${claim.run}'`;
}
