// The failover's activities over a list of epochs in memory.
import type { DnsState, MoveDnsInput, UndoMoveDnsInput } from '../../domain/contracts/dns.ts';
import type { TakeEpochInput } from '../../domain/contracts/failover.ts';
import type { ApplyTerraformInput, TerraformInput, UnlockTerraformInput } from '../../domain/contracts/terraform.ts';
import { type EpochRecord, formerSites, lostTo } from '../../domain/epoch.ts';
import type { HandoverCommands } from '../../domain/planned-failover.ts';

// biome-ignore lint/suspicious/noExplicitAny: acts have different inputs.
type Act = (name: string, effect: (input: any) => unknown, detail?: (input: any) => string) => object;

/** A failover that ended well, from `west` to `east`: there is a site to come back to. */
export const FAILED_OVER: EpochRecord = {
  ...{ format: 1, platform: 'orders', number: 1, from: 'west', to: 'east', run: 'before', intent: 'failover' },
  ...{ person: 'test', at: '2026-11-24T02:00:00Z' },
};

/** What a failover changes in the world. */
export interface FakeSites {
  /** What was taken so far, the first at index 0. */
  readonly epochs: EpochRecord[];
  /** The sites that the public names were given to. */
  readonly names: string[];
  readonly ground: FakeGround;
  /** What is closed now: `<site>: clients` and `<site>: fenced`. */
  readonly closed: Set<string>;
}

export function failoverActs(act: Act, { epochs, names, ground, closed }: FakeSites): object {
  const at = ({ site }: { readonly site: string }) => `:${site}`;
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
    ...act('failover.formerSites', () => formerSites(epochs)),
    ...act('failover.planHandover', () => COMMANDS),
    ...act('failover.quiesce', ({ site }) => void closed.add(`${site}: clients`), at),
    ...act('failover.letClientsIn', ({ site }) => void closed.delete(`${site}: clients`), at),
    ...act('failover.undoFence', ({ site }) => {
      closed.delete(`${site}: fenced`);
      return [];
    }),
    ...act('failover.approvalsNeeded', () => ({ count: 0, people: [] })),
    ...act('failover.planFence', () => ({ commands: 1, stores: ['postgres'] })),
    ...act('failover.fence', ({ site }) => {
      closed.add(`${site}: fenced`);
      return [{ store: 'postgres', address: 'a:1', state: 'refused', detail: '' }];
    }),
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
    ...act(
      'terraform.unlock',
      () => undefined,
      ({ lock }: UnlockTerraformInput) => `:${lock}`,
    ),
    ...act('terraform.discardPlan', ({ site }: TerraformInput) => void plans.delete(site)),
  };
}
const COMMANDS: HandoverCommands = {
  ...{ keepOut: ['close'], letIn: ['open'], fence: ['stop'], undoFence: ['start'], open: ['open'] },
};

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
