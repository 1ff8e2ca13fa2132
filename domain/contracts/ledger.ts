// The ledger at the witness: what outside probes and workloads told, and what failovers measured. Create-only.
import type { FailoverRecord } from '../failover-record.ts';
import type { AcknowledgedMarkers } from '../markers.ts';
import type { Outage } from '../outage.ts';

export interface OutageInput {
  /** ISO times between which the run went on. */
  readonly startedAt: string;
  readonly openedAt: string;
}

export interface LedgerActivities {
  /** The outage that a run was started for; null when no outside probe saw one. @throws {Failure} LEDGER_BROKEN. */
  readOutage(input: OutageInput): Promise<Outage | null>;
  /** How many markers of each store were acknowledged; nothing where no list is kept. @throws {Failure} LEDGER_BROKEN. */
  readMarkers(input: Record<string, never>): Promise<AcknowledgedMarkers>;
  /** Writes the account of a failover. @throws {Failure} LEDGER_BROKEN when another run wrote that of the same epoch. */
  recordFailover(input: { readonly record: FailoverRecord }): Promise<void>;
}
