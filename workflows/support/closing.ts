// What every run does at its end: the audit record and the notice. A channel that is down must not undo good work, and
// must not be passed over either: it becomes a finding of the run.
import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import type { Notice } from '../../domain/contracts/repository.ts';
import type { FailureDetails } from '../../domain/failures.ts';
import { wireFailureOf } from '../../domain/wire-failure.ts';
import type { RunContext } from '../messages.ts';
import { audit, notification } from './activities.ts';
import { thisExecution } from './this-run.ts';

/** A part that failed, where the rest of the run stands. */
export function failedFinding(subject: string, error: unknown): Finding {
  const { code, message } = wireFailureOf(error);
  return { level: 'failed', subject, message, code };
}

export interface Closing {
  readonly act: string;
  readonly subject: string;
  readonly level: Notice['level'];
  readonly message: string;
  readonly facts: FailureDetails;
  readonly reason?: string;
}

/**
 * Writes the audit record and tells the channels, also when the log takes no record: then the notice says so as well.
 * @throws what kept the audit record from being written.
 */
export async function close(context: RunContext, closing: Closing): Promise<readonly Finding[]> {
  const { act, subject, reason = '', facts } = closing;
  const run = thisExecution();
  const unrecorded = await audit(`audit: ${act}`)
    .record({ act, subject, person: context.requestedBy, run, reason, facts })
    .then(
      () => null,
      (error: unknown) => ({ error }),
    );
  const findings = await tell(run, unrecorded === null ? closing : withoutRecord(closing, unrecorded.error));
  if (unrecorded !== null) throw unrecorded.error;
  return findings;
}

const withoutRecord = (closing: Closing, error: unknown): Closing => ({
  ...closing,
  level: 'alarm',
  message: `${closing.message}; the audit log took no record: ${wireFailureOf(error).message}`,
});

async function tell(run: string, { act, level, subject, message, facts }: Closing): Promise<readonly Finding[]> {
  try {
    await notification(`notify: ${act}`).notify({ type: act, level, subject, message, run, facts });
    return [];
  } catch (error) {
    return [failedFinding('notification', error)];
  }
}

/**
 * Records and tells that a run ended without its result, also after a cancellation. The run's own failure stays the one
 * that is thrown: when the log takes no record, the notice says so.
 */
export async function closeUnfinished(
  context: RunContext,
  closing: Pick<Closing, 'act' | 'subject'> & Partial<Closing>,
  error: unknown,
): Promise<void> {
  const { code, message } = wireFailureOf(error);
  if (code === 'TAKEN_OVER') return; // Whoever has the run now records and tells its end.
  const level = isCancellation(error) ? 'warning' : 'alarm';
  await CancellationScope.nonCancellable(() =>
    close(context, { level, message, ...closing, facts: { code, ...closing.facts } }).catch(() => undefined),
  );
}

/**
 * Copies the audit log's new records into the tiers. Only runs that need the tiers anyway do so, and one that failed is a
 * finding: a restore never waits for a tier.
 */
export async function copyAudit(): Promise<readonly Finding[]> {
  try {
    await audit('audit: copy to the tiers').copyToTiers({});
    return [];
  } catch (error) {
    return [failedFinding('copies of the audit log', error)];
  }
}
