// The failback: a site that was the active one before takes over again. It is a handover like the planned failover, from the
// site that serves now, with two things before it: the epoch's records must know the site, and its stores must be there to
// be restored over. What diverged in them is kept by each restore, and told at the end.
import { requireFormer } from '../domain/planned-failover.ts';
import type { HandOverInput, HandOverResult } from './messages.ts';
import { failover } from './support/activities.ts';
import { decided } from './support/decisions.ts';
import type { Handover } from './support/final-backup.ts';
import { tellHandover } from './support/handover.ts';

export async function failBack(input: HandOverInput): Promise<HandOverResult> {
  return tellHandover(input, { action: 'failback', what: 'Failback', requireFit: requireFormerSite });
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
