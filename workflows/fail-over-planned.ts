// The planned failover: look → plan → people agree → take the epoch → keep clients out → final backups, nothing written
// since → fence the old site → go → restore at the new one → validate → open. Its loss budget is zero: a write after the
// final backup is a no-go. Until it opens everything is taken back, and the old site serves again.
import type { HandOverInput, HandOverResult } from './messages.ts';
import type { Handover } from './support/final-backup.ts';
import {
  beginHandover,
  concludeHandover,
  type HandedOver,
  handOver,
  type Rehearsed,
  rehearse,
} from './support/handover.ts';
import { receiveSignedApprovals, type SignedApprovals } from './support/signed-approvals.ts';
import { Story } from './support/story.ts';
import { lookAtEpoch } from './support/takeover.ts';
import { giveUp } from './support/unfinished.ts';

export async function failOverPlanned(input: HandOverInput): Promise<HandOverResult> {
  const approvals = receiveSignedApprovals(input.platform);
  const title = `Planned failover of platform ${input.platform} to site ${input.site}`;
  const run = beginHandover(input, new Story(title, input, !input.dryRun));
  const { rehearsed, done } = await failOverOrGiveUp(run, approvals);
  return concludeHandover(run, rehearsed, done);
}

interface Ended {
  readonly rehearsed: Rehearsed;
  /** Null for a plan alone. */
  readonly done: HandedOver | null;
}

async function failOverOrGiveUp(run: Handover, approvals: SignedApprovals): Promise<Ended> {
  const { story, wish, isLive } = run;
  try {
    const epoch = await lookAtEpoch(story, wish);
    const rehearsed = await rehearse(run, epoch, 'failover');
    return { rehearsed, done: isLive ? await handOver(run, rehearsed, approvals) : null };
  } catch (error) {
    throw await giveUp(story, wish, error, { act: 'failover', what: 'the planned failover' });
  }
}
