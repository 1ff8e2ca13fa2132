// The DNS switch of a failover: activities `dns.<verb>` on the queue `control`, offered where `dns` is configured.
// A move is a compare-and-set on the TXT epoch record; what Route 53 says of it is never the proof, the servers are.
import type { DnsRecordType } from '../dns.ts';
import type { Finding } from './protected-system.ts';

/** What a zone holds under one name and type, as far as a move concerns it. */
export interface DnsRecord {
  /** Lower case, without the final dot. */
  readonly name: string;
  readonly type: DnsRecordType;
  /** Empty when the zone has no such record. */
  readonly values: readonly string[];
  /** Seconds; 0 when the zone has no such record. */
  readonly ttl: number;
  /** Null for a plain record; else its part in a pair of failover records and the health check that decides. */
  readonly failover: { readonly role: 'primary' | 'secondary'; readonly healthCheck: string | null } | null;
}

/** What the TXT epoch record says: who moved the zone last. */
export interface DnsEpoch {
  /** 0 when the text is not one of ours. */
  readonly number: number;
  /** As Route 53 holds it, quotes included: what `moveDns` must be given to replace it. */
  readonly text: string;
  readonly site: string | null;
  readonly run: string | null;
}

export interface DnsState {
  readonly zone: { readonly id: string; readonly name: string };
  /** Null before the first move of this zone. */
  readonly epoch: DnsEpoch | null;
  readonly records: readonly DnsRecord[];
  /** The site whose addresses every record gives, or null when they give none's or several's. */
  readonly whoServes: string | null;
  /** Level `failed`: a move would fail or be wrong (wrong zone, alias, missing record). */
  readonly findings: readonly Finding[];
}

export interface MoveDnsInput {
  /** The epoch's text as planning read it (`DnsState.epoch.text`); null when there was none. */
  readonly expected: string | null;
  /** The epoch that this move makes true; above the number that the zone has. */
  readonly epoch: number;
  readonly to: string;
  readonly run: string;
}

export interface UndoMoveDnsInput {
  /** The move as it was asked for, whether or not it happened. */
  readonly move: MoveDnsInput;
  /** The epoch of the undo, above the move's. */
  readonly epoch: number;
  /** The site that traffic goes back to. */
  readonly to: string;
}

export interface DnsChange {
  readonly changeId: string;
  /** When Route 53 took the change, ISO 8601. */
  readonly at: string;
  /** The epoch's text from now on: what the next move expects. */
  readonly text: string;
}

export interface AwaitDnsInput {
  readonly changeId: string;
  readonly to: string;
}

export interface DnsAnswer {
  /** Address and port that were asked. */
  readonly server: string;
  readonly kind: 'authoritative' | 'resolver';
  /** `new`: every record as the site has it; `old`: another site's; `other`: nobody's; `silent`: no usable answer. */
  readonly says: 'new' | 'old' | 'other' | 'silent';
  /** Its own words, record by record. */
  readonly words: string;
}

export interface DnsAnswers {
  /** When Route 53 said INSYNC, ISO 8601. */
  readonly insyncAt: string;
  readonly servers: readonly DnsAnswer[];
  /** Share of the asked resolvers that give the new addresses, 0 to 1; 1 when none is configured. */
  readonly resolverShare: number;
  /** A resolver that still gives old addresses is a warning: its cache holds them. */
  readonly findings: readonly Finding[];
}

export interface ProbeOldAddressesInput {
  /** The site that traffic was moved away from. */
  readonly site: string;
}

export interface AddressProbe {
  readonly address: string;
  readonly port: number;
  /** `refused` is proof that nobody serves there; `silent` proves nothing; `answers` is what a late client still meets. */
  readonly outcome: 'refused' | 'silent' | 'answers';
  readonly words: string;
}

export interface AddressProbes {
  readonly probes: readonly AddressProbe[];
  /** An address that answers is a failed finding, a silent one a warning. */
  readonly findings: readonly Finding[];
}

export interface WithdrawSiteInput {
  readonly site: string;
  /** The site that clients are then given. */
  readonly to: string;
}

export interface DnsActivities {
  /** @throws {Failure} DNS_UNREACHABLE, ACCESS_DENIED, DNS_UNFIT (no such zone). */
  readDns(input: Record<string, never>): Promise<DnsState>;
  /** @throws {Failure} DNS_STALE (nothing was changed), DNS_UNFIT, DNS_UNREACHABLE, ACCESS_DENIED. */
  moveDns(input: MoveDnsInput): Promise<DnsChange>;
  /**
   * Gives the zone back: the epoch rises once more, so that a move which is still on its way is refused too.
   * Accepts that the move never happened. @throws as `moveDns`.
   */
  undoMoveDns(input: UndoMoveDnsInput): Promise<DnsChange>;
  /**
   * Lasts until every authoritative server gives the new addresses, at most `dns.propagationLimit`, and then until the
   * resolvers do, at most twice the longest TTL.
   * @throws {Failure} DNS_PENDING when Route 53 is not INSYNC in time, DNS_UNPROVEN when it is and a server says otherwise.
   */
  awaitDns(input: AwaitDnsInput): Promise<DnsAnswers>;
  /** Asks every server once what it says, seen from the site `to`. Changes nothing and waits for nothing. */
  askDns(input: { readonly to: string }): Promise<readonly DnsAnswer[]>;
  /** Connects to every address of the site at once, 5 s each. */
  probeOldAddresses(input: ProbeOldAddressesInput): Promise<AddressProbes>;
  /**
   * The second switch, for when the change API is away: the site's health check is made to fail, and every authoritative
   * server gives `to`. The epoch record stays: `moveDns` follows when the API is back, and then the two agree.
   * @throws {Failure} DNS_UNFIT when it is not configured, TOOL_FAILED, DNS_UNPROVEN.
   */
  withdrawSite(input: WithdrawSiteInput): Promise<{ readonly servers: readonly DnsAnswer[] }>;
  /** Makes a site's health check pass again. @throws {Failure} DNS_UNFIT, TOOL_FAILED. */
  offerSite(input: { readonly site: string }): Promise<void>;
}
