// A restore that is part of a recovery: its coordinator sees its plan, lets it begin, answers for people, and says at the
// end whether what it did stays. Until then it can be undone, whatever happened to the others.
import { condition, getExternalWorkflowHandle, setHandler } from '@temporalio/workflow';
import type { RestorePlan } from '../../domain/contracts/protected-system.ts';
import type { OperatorQuestion } from '../../domain/run-state.ts';
import type { SystemName } from '../../domain/systems.ts';
import { answerMember, concludeMember, type MemberNews, memberNews, releaseMember } from '../messages.ts';
import { refuse } from './decisions.ts';
import type { Story } from './story.ts';

export interface Membership {
  /** Tells the plan and waits until the coordinator lets it be carried out. */
  released(plan: RestorePlan): Promise<void>;
  /** Tells that every step is done and waits for the verdict. @throws ABORTED when nothing of it is to stay. */
  kept(): Promise<void>;
}

/** Joins the recovery `coordinator`: before the first await, so that no word of it is missed. */
export function joinRecovery(coordinator: string, system: SystemName, story: Story): Membership {
  let released: string | undefined;
  let verdict: { readonly keep: boolean; readonly reason: string } | undefined;
  setHandler(releaseMember, ({ digest }) => {
    released = digest;
  });
  setHandler(concludeMember, (given) => {
    verdict = given;
  });
  setHandler(answerMember, (decision) => story.hear(decision));
  const tell = (news: MemberNews) => getExternalWorkflowHandle(coordinator).signal(memberNews, news);
  story.onQuestion((question: OperatorQuestion | null) => tell({ system, kind: 'waiting', question }));
  return {
    released: async (plan) => {
      await tell({ system, kind: 'planned', plan });
      await condition(() => released !== undefined);
      if (released !== plan.digest) throw refuse('PLAN_CHANGED', 'the recovery was approved with another plan');
    },
    kept: async () => {
      await tell({ system, kind: 'restored' });
      await condition(() => verdict !== undefined);
      if (verdict?.keep !== true) throw refuse('ABORTED', `the recovery ended: ${verdict?.reason ?? 'no reason'}`);
    },
  };
}
