// A person's agreement to a plan: bound to its digest, and to the platform's name.
import { setHandler } from '@temporalio/workflow';
import { approvePlan, type PlanApproval } from '../messages.ts';
import { refuse } from './decisions.ts';
import type { Story } from './story.ts';

export interface AgreedPlan {
  readonly digest: string;
  readonly warnings: readonly string[];
}

export interface ApprovalDesk {
  bindTo(plan: AgreedPlan): void;
  /** Waits until the plan was agreed to. @throws ABORTED when it was refused. */
  agreed(story: Story): Promise<PlanApproval>;
}

/** Opens the desk: before the first await, for it refuses everything until there is a plan to agree to. */
export function receiveApproval(platform: string): ApprovalDesk {
  let plan: AgreedPlan | undefined;
  let approval: PlanApproval | undefined;
  const check = (given: PlanApproval): void => {
    if (plan === undefined) throw refuse('PLAN_CHANGED', 'there is no plan to approve yet');
    if (given?.platform !== platform) throw refuse('NOT_CONFIRMED', `the platform is not '${given?.platform}'`);
    if (given.digest !== plan.digest) throw refuse('PLAN_CHANGED', 'the approval is for another plan');
    if (!given.person?.trim()) throw refuse('NOT_CONFIRMED', 'an approval names the person who gives it');
  };
  setHandler(
    approvePlan,
    (given) => {
      approval = given;
      return { approved: true };
    },
    { description: 'Agree to the plan: {"digest":"…","platform":"…","person":"…"}', validator: check },
  );
  return {
    bindTo: (made) => {
      plan = made;
    },
    agreed: async (story) => {
      await story.ask(questionFor(platform, plan), () => approval !== undefined);
      return approval as PlanApproval;
    },
  };
}

function questionFor(platform: string, plan: AgreedPlan | undefined) {
  const bound = `the plan replaces live data of '${platform}'; its digest is ${plan?.digest}`;
  return {
    step: 'approve',
    code: null,
    message: [bound, ...(plan?.warnings ?? [])].join('\n'),
    actions: ['approve', 'abort'] as const,
    safeToLeave: 'nothing was touched yet',
  };
}
