// Several people's agreement to one plan: each hands in a statement of their own, signed where their key is.
import { setHandler, workflowInfo } from '@temporalio/workflow';
import type { ApprovalWanted, GivenApproval } from '../../domain/approval.ts';
import type { TakeoverPlan } from '../../domain/failover.ts';
import { type ApprovalsSoFar, approveFailover } from '../messages.ts';
import { failover } from './activities.ts';
import { refuse } from './decisions.ts';
import type { Story } from './story.ts';
import { thisExecution } from './this-run.ts';

const LONGEST_TEXT = 4096;

export interface SignedApprovals {
  bindTo(plan: TakeoverPlan): void;
  /** Waits until enough different people have approved. @throws ABORTED when the run was given up meanwhile. */
  agreed(story: Story): Promise<readonly GivenApproval[]>;
}

/** Opens the desk: before the first await, for it refuses everything until there is a plan to agree to. */
export function receiveSignedApprovals(platform: string): SignedApprovals {
  const given = new Map<string, GivenApproval>();
  let plan: TakeoverPlan | undefined;
  const soFar = (): ApprovalsSoFar => ({ people: [...given.keys()], needed: plan?.approvals ?? 0 });
  setHandler(
    approveFailover,
    async ({ text }) => {
      const wanted = wantedFor(platform, plan as TakeoverPlan);
      const approval = await failover('check an approval').acceptApproval({ text, wanted });
      given.set(approval.person, approval);
      return soFar();
    },
    {
      description: 'Hand in a signed approval: {"text":"…"}, as dr approve prints it',
      validator: (approval) => {
        if (plan === undefined) throw refuse('APPROVAL_REFUSED', 'there is no plan to approve yet');
        if (typeof approval?.text !== 'string' || approval.text.length > LONGEST_TEXT)
          throw refuse('APPROVAL_REFUSED', 'an approval is one line of text');
      },
    },
  );
  return {
    bindTo: (made) => {
      plan = made;
    },
    agreed: async (story) => {
      const { approvals } = plan as TakeoverPlan;
      await story.ask(questionFor(plan as TakeoverPlan), () => given.size >= approvals);
      return [...given.values()];
    },
  };
}

function wantedFor(platform: string, { digest, epoch, action }: TakeoverPlan): ApprovalWanted {
  return { platform, run: thisExecution(), digest, epoch: epoch.next, action };
}

// A living site goes on serving meanwhile.
const whatWaitingCosts = (plan: TakeoverPlan): string =>
  'commands' in plan ? `'${plan.from}' serves meanwhile` : 'what is lost grows while nobody decides';

function questionFor(plan: TakeoverPlan) {
  const { digest, approvals, title, warnings } = plan;
  const { workflowId } = workflowInfo();
  const ways = `each of ${approvals} people: dr approve ${workflowId} --as NAME --key FILE`;
  return {
    step: 'approve',
    code: null,
    message: [`${title}; the plan's digest is ${digest}`, ...warnings, ways].join('\n'),
    actions: ['abort'] as const,
    safeToLeave: `nothing was touched yet; ${whatWaitingCosts(plan)}`,
  };
}
