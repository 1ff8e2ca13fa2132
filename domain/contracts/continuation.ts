// What `dr failover continue` and the program that carries a run on say to each other.
import type { FailureCode, FailureDetails } from '../failures.ts';
import type { RunState } from '../run-state.ts';

/** A run as its journal has it. */
export interface JournalledRun {
  readonly run: string;
  readonly workflow: string;
  readonly startedAt: string;
  /** Who has it now: 0 is Temporal. */
  readonly executor: number;
  /** Steps whose end is written, and steps that were begun and whose end is not. */
  readonly done: number;
  readonly open: number;
  /** True when nothing is left to do. */
  readonly ended: boolean;
}

export interface ContinuationFailure {
  readonly code: FailureCode;
  readonly message: string;
  readonly details: FailureDetails;
}

/** From the program. */
export type ContinuationNews =
  | { readonly kind: 'found'; readonly run: JournalledRun; readonly state: RunState }
  | { readonly kind: 'begun'; readonly executor: number }
  | { readonly kind: 'state'; readonly state: RunState }
  | { readonly kind: 'refused'; readonly step: string; readonly message: string }
  | { readonly kind: 'ended'; readonly result: unknown; readonly failure: ContinuationFailure | null };

/** To the program. */
export type ContinuationWord =
  | { readonly kind: 'go'; readonly person: string }
  | {
      readonly kind: 'tell';
      readonly name: 'resolveStep' | 'approveFailover';
      readonly step: string;
      readonly said: unknown;
    };
