// The failover's activities over a list of epochs in memory.
import type { DnsState, MoveDnsInput, UndoMoveDnsInput } from '../../domain/contracts/dns.ts';
import type { TakeEpochInput } from '../../domain/contracts/failover.ts';
import type { ApplyTerraformInput, TerraformInput } from '../../domain/contracts/terraform.ts';
import { type EpochRecord, lostTo } from '../../domain/epoch.ts';

// biome-ignore lint/suspicious/noExplicitAny: acts have different inputs.
type Act = (name: string, effect: (input: any) => unknown, detail?: (input: any) => string) => object;

/**
 * @param epochs what was taken so far, the first at index 0.
 * @param names the sites that the public names were given to.
 */
export function failoverActs(act: Act, epochs: EpochRecord[], names: string[], ground: FakeGround): object {
  const newest = () => epochs.at(-1) ?? null;
  return {
    ...act('failover.readEpoch', () => ({
      number: epochs.length,
      site: newest()?.to ?? 'east',
      record: newest(),
    })),
    ...act(
      'failover.takeEpoch',
      (input: TakeEpochInput) => take(input, epochs),
      ({ intent }) => `:${intent}`,
    ),
    ...act('failover.approvalsNeeded', () => ({ count: 0, people: [] })),
    ...act('failover.planFence', () => ({ commands: 1, stores: ['postgres'] })),
    ...act('failover.fence', () => [{ store: 'postgres', address: 'a:1', state: 'refused', detail: '' }]),
    ...act('dns.readDns', () => ZONE),
    ...act('dns.moveDns', ({ to }: MoveDnsInput) => give(to, names)),
    ...act('dns.undoMoveDns', ({ to }: UndoMoveDnsInput) => give(to, names)),
    ...act('dns.awaitDns', () => ({ insyncAt: '', servers: [], resolverShare: 1, findings: [] })),
    ...act('dns.probeOldAddresses', () => ({ probes: [], findings: [] })),
    ...terraformActs(act, ground),
    ...act('ledger.readOutage', () => null),
    ...act('ledger.readMarkers', () => ({})),
    ...act('ledger.recordFailover', () => undefined),
    ...act('recovery.digestPlan', () => ({ digest: 'digest' })),
  };
}

/** What Terraform has made: the first thing holds the stores. */
export interface FakeGround {
  readonly made: Set<string>;
  /** Sites whose plan lies at the witness. */
  readonly plans: Set<string>;
}

const THINGS = ['vm.stores', 'vm.gateway'];

function terraformActs(act: Act, { made, plans }: FakeGround): object {
  return {
    ...act('terraform.planChanges', ({ site }: TerraformInput) => {
      const missing = THINGS.filter((thing) => !made.has(thing));
      if (missing.length > 0) plans.add(site);
      const changes = missing.map((address) => ({
        ...{ address, type: 'vm', action: 'create', isStateful: address === THINGS[0] },
      }));
      return { site, digest: `d${missing.length}`.padEnd(64, '0'), changes, drifted: [] };
    }),
    ...act('terraform.applyPlan', ({ site, digest }: ApplyTerraformInput) => {
      for (const thing of THINGS) made.add(thing);
      plans.delete(site);
      return { site, digest, done: 1, outputs: {} };
    }),
    ...act('terraform.discardPlan', ({ site }: TerraformInput) => void plans.delete(site)),
  };
}

const ZONE: DnsState = {
  ...{ zone: { id: 'Z', name: 'orders.example' }, epoch: null, records: [], whoServes: 'east', findings: [] },
};

function give(to: string, names: string[]): { changeId: string } {
  if (names.at(-1) !== to) names.push(to);
  return { changeId: `to ${to}` };
}

function take({ after, ...wish }: TakeEpochInput, epochs: EpochRecord[]): EpochRecord {
  const holder = epochs[after];
  if (holder === undefined) {
    const record = { format: 1, platform: 'orders', number: after + 1, ...wish, at: '2026-11-24T03:00:00Z' } as const;
    epochs.push(record);
    return record;
  }
  if (holder.run === wish.run && holder.intent === wish.intent) return holder;
  throw lostTo(holder);
}
