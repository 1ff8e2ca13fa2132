// The failover's activities over a list of epochs in memory.
import type { DnsState, MoveDnsInput, UndoMoveDnsInput } from '../../domain/contracts/dns.ts';
import type { TakeEpochInput } from '../../domain/contracts/failover.ts';
import { type EpochRecord, lostTo } from '../../domain/epoch.ts';

// biome-ignore lint/suspicious/noExplicitAny: acts have different inputs.
type Act = (name: string, effect: (input: any) => unknown, detail?: (input: any) => string) => object;

/**
 * @param epochs what was taken so far, the first at index 0.
 * @param names the sites that the public names were given to.
 */
export function failoverActs(act: Act, epochs: EpochRecord[], names: string[]): object {
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
    ...act('recovery.digestPlan', () => ({ digest: 'digest' })),
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
