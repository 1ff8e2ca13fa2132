import { describe, expect, it } from 'vitest';
import { type AgentFacts, decideAgent, type EpochView, type Services } from '../../domain/agent.ts';
import type { EpochRecord, Intent } from '../../domain/epoch.ts';
import { type FenceProof, requireNoneOpen, requireProven } from '../../domain/failover.ts';
import { Failure } from '../../domain/failures.ts';

const AT = '2026-11-24T03:00:00.000Z';
const epoch = (number: number, from: string, to: string, intent: Intent = 'failover'): EpochRecord => ({
  ...{ format: 1, platform: 'orders', number, from, to, intent, run: 'run', person: 'anna', at: AT },
});
const view = (some: Partial<EpochView> = {}): EpochView => ({
  ...{ firstSite: 'west', epochs: [], fenced: [], opened: [] },
  ...some,
});
const decide = (some: Partial<AgentFacts>) =>
  decideAgent({ site: 'west', view: view(), knownEpoch: 0, services: 'untouched', lease: null, ...some });
const act = (some: Partial<AgentFacts>) => decide(some).act;

const LOCKED = view({ epochs: [epoch(1, 'west', 'east')] });
const FENCED = { ...LOCKED, fenced: [1] };
const OPENED = { ...FENCED, opened: [1] };

describe("a site's agent", () => {
  it('starts the site that is the active one, and no other', () => {
    expect(act({})).toBe('start');
    expect(act({ services: 'started' })).toBe('keep');
    expect(act({ site: 'east' })).toBe('wait');
  });

  it('starts nothing while nobody can say who is active, and no old copy of the records speaks for them', () => {
    expect(act({ view: null })).toBe('wait');
    expect(act({ view: null, services: 'started' })).toBe('keep');
    expect(act({ view: view(), knownEpoch: 1 })).toBe('wait');
    expect(act({ view: LOCKED, knownEpoch: 2, services: 'started' })).toBe('keep');
  });

  it('does nothing when an epoch is only taken: neither here nor there', () => {
    expect(act({ view: LOCKED, services: 'started' })).toBe('keep');
    expect(act({ view: LOCKED, site: 'east' })).toBe('wait');
    expect(act({ view: LOCKED })).toBe('wait');
  });

  it('fences the old site when that is ordered, and starts the new one when it is open', () => {
    expect(act({ view: FENCED, services: 'started' })).toBe('fence');
    expect(act({ view: FENCED, services: 'doubtful' })).toBe('fence');
    expect(act({ view: FENCED, services: 'fenced' })).toBe('wait');
    expect(act({ view: FENCED, site: 'east' })).toBe('wait');
    expect(act({ view: OPENED, site: 'east' })).toBe('start');
  });

  it('faults 51: keeps a site fenced that comes back after another one took over, also when something else started it', () => {
    expect(act({ view: OPENED })).toBe('fence');
    expect(act({ view: OPENED, services: 'fenced' })).toBe('wait');
    const later = view({ epochs: [...OPENED.epochs, epoch(2, 'east', 'north')], fenced: [1, 2], opened: [1, 2] });
    expect(act({ view: later })).toBe('fence');
  });

  it('starts the old site again when the failover was undone, and after a failback opened it', () => {
    const undone = view({ epochs: [epoch(1, 'west', 'east'), epoch(2, 'east', 'west', 'undo')], fenced: [1] });
    expect(act({ view: undone, services: 'fenced' })).toBe('start');
    expect(act({ view: undone, site: 'east' })).toBe('wait');
    const back = view({ epochs: [epoch(1, 'west', 'east'), epoch(2, 'east', 'west', 'failback')], fenced: [1, 2] });
    expect(act({ view: { ...back, opened: [1] }, services: 'fenced' })).toBe('wait');
    expect(act({ view: { ...back, opened: [1, 2] }, services: 'fenced' })).toBe('start');
    expect(act({ view: back, site: 'east', services: 'started' })).toBe('fence');
  });

  it('lets a lease end what runs unseen, and nothing else', () => {
    const lease = (sinceReachedMs: number) => ({ lengthMs: 60_000, sinceReachedMs });
    expect(decide({ view: null, services: 'started', lease: lease(20_000) }).why).toContain('another 40 s');
    expect(act({ view: null, services: 'started', lease: lease(60_000) })).toBe('fence');
    expect(act({ view: null, services: 'untouched', lease: lease(60_000) })).toBe('fence');
    expect(act({ view: null, services: 'fenced', lease: lease(60_000) })).toBe('wait');
    expect(act({ services: 'started', lease: lease(60_000) })).toBe('keep');
    expect(act({ services: 'fenced', lease: lease(0) })).toBe('start');
  });
});

interface Sees {
  /** Whether the sites see each other. */
  readonly link: boolean;
  readonly west: boolean;
  readonly east: boolean;
}

type Outcome = 'opened' | 'FENCE_UNPROVEN' | 'not begun';

const DONE: Readonly<Record<string, Services>> = { start: 'started', fence: 'fenced' };

/** Two sites and a witness whose lines are cut as told: what the agents do while somebody tries to fail over to east. */
class Partition {
  readonly #sees: Sees;
  readonly #hasLease: boolean;
  readonly services: Record<'west' | 'east', Services> = { west: 'started', east: 'untouched' };
  /** How many sites served at once, at the most. */
  most = 1;

  constructor(sees: Sees, hasLease: boolean) {
    this.#sees = sees;
    this.#hasLease = hasLease;
  }

  /** Both agents look until nothing changes; a lease without its stores has run out by then. */
  settle(records: EpochView): void {
    for (const site of ['west', 'east', 'west', 'east'] as const) {
      this.#look(site, records);
      this.most = Math.max(this.most, this.writers.length);
    }
  }

  #look(site: 'west' | 'east', records: EpochView): void {
    const isSeen = this.#sees[site];
    const lease = this.#hasLease ? { lengthMs: 60_000, sinceReachedMs: isSeen ? 0 : 60_000 } : null;
    const facts = { site, view: isSeen ? records : null, knownEpoch: 0, services: this.services[site], lease };
    const next: Services | undefined = DONE[decideAgent(facts).act];
    this.services[site] = next ?? this.services[site];
  }

  get writers(): readonly string[] {
    return (['west', 'east'] as const).filter((site) => this.services[site] === 'started');
  }

  /** @param attested whether people said that west is cut off. */
  failOver(attested: boolean): Outcome {
    this.settle(view());
    if (!this.#sees.east) return 'not begun'; // Nobody there could restore.
    this.settle(LOCKED);
    this.settle(FENCED);
    const state = this.services.west === 'started' ? 'open' : 'refused';
    const proof: FenceProof = {
      store: 'redis',
      address: 'west:6379',
      state: this.#sees.west ? state : 'unknown',
      detail: '',
    };
    try {
      requireNoneOpen('west', [proof]);
      if (!attested) requireProven('west', [proof]);
    } catch (error) {
      if (error instanceof Failure && error.code === 'FENCE_UNPROVEN') return 'FENCE_UNPROVEN';
      throw error;
    }
    this.settle(OPENED);
    return 'opened';
  }
}

const both = [true, false] as const;
const CASES = both.flatMap((link) => both.flatMap((west) => both.map((east): Sees => ({ link, west, east }))));
const lines = ({ link, west, east }: Sees) =>
  `sites ${link ? 'see each other' : 'are parted'}, the witness sees ${[west && 'west', east && 'east'].filter(Boolean).join(' and ') || 'none'}`;

describe('faults 52: a partition', () => {
  // The sites' line to each other decides nothing: no agent asks the other one.
  const table = CASES.map((sees) => {
    const outcome: Outcome = !sees.east ? 'not begun' : sees.west ? 'opened' : 'FENCE_UNPROVEN';
    return { sees, outcome, writers: outcome === 'opened' ? ['east'] : ['west'] };
  });

  it.each(table.map((row) => [lines(row.sees), row] as const))(
    '%s: there is one writer',
    (_, { sees, outcome, writers }) => {
      const parted = new Partition(sees, false);
      expect(parted.failOver(false)).toBe(outcome);
      expect([parted.writers, parted.most]).toEqual([writers, 1]);
    },
  );

  it.each(table.map((row) => [lines(row.sees), row] as const))(
    '%s, with a lease: there is one writer at the most, whatever people attest',
    (_, { sees, outcome }) => {
      for (const attested of both) {
        const parted = new Partition(sees, true);
        const expected = attested && outcome === 'FENCE_UNPROVEN' ? 'opened' : outcome;
        expect(parted.failOver(attested)).toBe(expected);
        const writers = expected === 'opened' ? ['east'] : sees.west ? ['west'] : [];
        expect([parted.writers, parted.most]).toEqual([writers, 1]);
      }
    },
  );
});
