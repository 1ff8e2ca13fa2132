// The failback: a site that was the active one before takes over again. It is a handover like the planned failover, from the
// site that serves now, with two things before it: the epoch's records must know the site, and its stores must be there to
// be restored over. What diverged in them is kept by each restore, and told at the end.

import { requireFormer } from '../domain/planned-failover.ts';
import type { HandOverInput, HandOverResult } from './messages.ts';
import { failover } from './support/activities.ts';
import { decided } from './support/decisions.ts';
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

export async function failBack(input: HandOverInput): Promise<HandOverResult> {
  const approvals = receiveSignedApprovals(input.platform);
  const title = `Failback of platform ${input.platform} to site ${input.site}`;
  const run = beginHandover(input, new Story(title, input, !input.dryRun));
  const { rehearsed, done } = await failBackOrGiveUp(run, approvals);
  return concludeHandover(run, rehearsed, done);
}

interface Ended {
  readonly rehearsed: Rehearsed;
  /** Null for a plan alone. */
  readonly done: HandedOver | null;
}

async function failBackOrGiveUp(run: Handover, approvals: SignedApprovals): Promise<Ended> {
  const { story, wish, isLive } = run;
  try {
    const epoch = await lookAtEpoch(story, wish);
    await requireFormerSite(run);
    const rehearsed = await rehearse(run, epoch, 'failback');
    return { rehearsed, done: isLive ? await handOver(run, rehearsed, approvals) : null };
  } catch (error) {
    throw await giveUp(story, wish, error, { act: 'failback', what: 'the failback' });
  }
}

function requireFormerSite({ story, wish: { site } }: Handover): Promise<readonly string[]> {
  return story.require(
    { id: 'former', title: `Find '${site}' among the sites that were active before`, failsAtOnce: true },
    async () => {
      const former = await failover('which sites were active').formerSites({});
      decided(() => requireFormer(former, site));
      return former;
    },
    (former) => former.join(', '),
  );
}
