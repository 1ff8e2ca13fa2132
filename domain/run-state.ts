// The story of a run as data: what the Web UI's step table, the CLI and the report are drawn from.
import type { RestorePlan } from './contracts/protected-system.ts';
import type { FailoverPlan } from './failover.ts';
import type { JsonValue } from './json.ts';
import type { PlannedFailoverPlan } from './planned-failover.ts';
import type { RecoveryPlan } from './recovery.ts';

export type StepStatus = 'pending' | 'running' | 'waiting' | 'done' | 'skipped' | 'failed' | 'undone' | 'undo-failed';

export interface StepState {
  readonly id: string;
  readonly title: string;
  readonly status: StepStatus;
  /** One line: the result, or what went wrong. */
  readonly detail: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
}

/** What the run wants from a person. */
export interface OperatorQuestion {
  readonly step: string;
  readonly code: string | null;
  /** The three lines: what happened, MEANS, DO. */
  readonly message: string;
  readonly actions: readonly ('go' | 'retry' | 'skip' | 'abort' | 'approve')[];
  readonly safeToLeave: string;
}

/** A time in which a run waited for a person: the step that asked, and from when to when. */
export interface Wait {
  readonly step: string;
  readonly from: string;
  readonly to: string;
}

/** What a person is shown and agrees to. */
export type ShownPlan = RestorePlan | RecoveryPlan | FailoverPlan | PlannedFailoverPlan;

/** Whether people have to sign it. */
export const isTakeoverPlan = (plan: ShownPlan): plan is FailoverPlan | PlannedFailoverPlan => 'epoch' in plan;

/** `taken-over` is a run that somebody carries on elsewhere: here it stopped and undid nothing. */
export type Outcome = 'succeeded' | 'failed' | 'undone' | 'stuck' | 'cancelled' | 'taken-over';

export interface RunState {
  readonly title: string;
  readonly phase: string;
  readonly steps: readonly StepState[];
  readonly questions: readonly OperatorQuestion[];
  readonly plan: ShownPlan | null;
  readonly outcome: Outcome | null;
  /** What the run measured of itself, in lines; empty until it did. */
  readonly measured: readonly string[];
}

/** The measured end of a run. Times are ISO, durations seconds. */
export interface RunReport {
  readonly run: string;
  readonly outcome: Outcome;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly seconds: number;
  /** Seconds that the run waited for people; the recovery time is told with and without them. */
  readonly waitedSeconds: number;
  readonly waits: readonly Wait[];
  readonly steps: readonly StepState[];
  readonly facts: Readonly<Record<string, JsonValue>>;
}
