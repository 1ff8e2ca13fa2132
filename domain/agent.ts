// What a site's agent does next, decided from facts: a site serves only while the witness says so, and what is unknown
// starts nothing.
import type { EpochRecord } from './epoch.ts';
import { formatSeconds } from './quantities.ts';

/** What the witness's records say about who is active. */
export interface EpochView {
  /** The site that is active by the configuration, as long as there is no epoch. */
  readonly firstSite: string;
  /** Every epoch, in the order of their numbers. */
  readonly epochs: readonly EpochRecord[];
  /** The epochs at whose fence step the site that they leave was to be cut off. */
  readonly fenced: readonly number[];
  /** The epochs whose new site was opened for good. */
  readonly opened: readonly number[];
}

/** What the agent last did with the site's services, and whether it ended well. */
export type Services = 'untouched' | 'started' | 'fenced' | 'doubtful';

export interface AgentFacts {
  readonly site: string;
  /** Null while the witness's records cannot be read. */
  readonly view: EpochView | null;
  /** The highest epoch that this agent ever read: older records are those of a copy. */
  readonly knownEpoch: number;
  readonly services: Services;
  /** Null while the lease is off. */
  readonly lease: LeaseState | null;
}

export interface LeaseState {
  readonly lengthMs: number;
  /** Since a store of the lease took a word last. */
  readonly sinceReachedMs: number;
}

export interface Verdict {
  /** `keep` leaves services that run as they are, `wait` those that were not started. */
  readonly act: 'start' | 'keep' | 'fence' | 'wait';
  readonly why: string;
}

export function decideAgent(facts: AgentFacts): Verdict {
  const { view, knownEpoch } = facts;
  if (view === null) return withoutView(facts, "the witness's records cannot be read");
  if (view.epochs.length < knownEpoch)
    return withoutView(facts, `epoch ${knownEpoch} was there before, and these records end at ${view.epochs.length}`);
  return withView(facts, view);
}

export const hasRunOut = ({ lengthMs, sinceReachedMs }: LeaseState): boolean => sinceReachedMs >= lengthMs;

// Nobody knows who is active. What was not started stays as it is; what runs goes on, unless a lease limits that.
function withoutView({ services, lease }: AgentFacts, trouble: string): Verdict {
  if (services === 'fenced') return { act: 'wait', why: `${trouble}: nothing is started` };
  // An agent that was started again does not know what runs: the lease ends that, too.
  if (lease !== null && hasRunOut(lease))
    return { act: 'fence', why: `${trouble}, and no store of the lease was reached for its whole length` };
  if (services === 'untouched') return { act: 'wait', why: `${trouble}: nothing is started` };
  if (lease === null) return { act: 'keep', why: `${trouble}: what runs goes on, for there is no lease` };
  const leftSeconds = Math.ceil((lease.lengthMs - lease.sinceReachedMs) / 1000);
  return { act: 'keep', why: `${trouble}: the lease lasts for another ${formatSeconds(leftSeconds)}` };
}

function withView(facts: AgentFacts, view: EpochView): Verdict {
  const { site, services } = facts;
  const newest = view.epochs.at(-1);
  const active = newest?.to ?? view.firstSite;
  const fencedBy = fencedEpoch(site, view);
  if (fencedBy !== null) {
    const why = `epoch ${fencedBy} took over from '${site}', and its fence was ordered`;
    return { act: services === 'fenced' ? 'wait' : 'fence', why };
  }
  const running = services === 'started';
  if (active !== site)
    return { act: running ? 'keep' : 'wait', why: `site '${active}' is the active one (epoch ${newest?.number ?? 0})` };
  if (newest !== undefined && !isServing(newest, view))
    return { act: running ? 'keep' : 'wait', why: `epoch ${newest.number} goes to '${site}', which is not open yet` };
  return { act: running ? 'keep' : 'start', why: `'${site}' is the active site (epoch ${newest?.number ?? 0})` };
}

/** The epoch by which this site was cut off; null when none was, or a later one gave it back. */
function fencedEpoch(site: string, { epochs, fenced }: EpochView): number | null {
  const left = epochs.filter(({ number, from }) => from === site && fenced.includes(number)).at(-1);
  if (left === undefined) return null;
  return epochs.some(({ number, to }) => number > left.number && to === site) ? null : left.number;
}

// What an undo gives back was open before; a new site is open when its failover wrote its account.
const isServing = ({ intent, number }: EpochRecord, { opened }: EpochView): boolean =>
  intent === 'undo' || opened.includes(number);
