// The restores of a recovery as its coordinator sees them: each a run of its own, with its own plan, gate and undo.
import {
  type ChildWorkflowHandle,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  setHandler,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import type { RestorePlan } from '../../domain/contracts/protected-system.ts';
import { memberStep } from '../../domain/recovery.ts';
import { restoreWorkflowId } from '../../domain/run-names.ts';
import type { OperatorQuestion } from '../../domain/run-state.ts';
import { SYSTEMS, type SystemName } from '../../domain/systems.ts';
import { wireFailureOf } from '../../domain/wire-failure.ts';
import {
  answerMember,
  CONTROL_QUEUE,
  concludeMember,
  memberNews,
  type RestoreSystemInput,
  type RestoreSystemResult,
  releaseMember,
  SEARCH_ATTRIBUTES,
} from '../messages.ts';
import type { restoreSystem } from '../restore-system.ts';
import type { Story } from './story.ts';

interface Member {
  readonly handle: ChildWorkflowHandle<typeof restoreSystem>;
  plan: RestorePlan | null;
  question: OperatorQuestion | null;
  isRestored: boolean;
  end: { readonly result: RestoreSystemResult } | { readonly failure: unknown } | null;
}

export class Members {
  private readonly members = new Map<SystemName, Member>();
  private readonly story: Story;

  /** Made before the first await, so that no member's word is missed. */
  constructor(story: Story) {
    this.story = story;
    setHandler(memberNews, (news) => {
      const member = this.members.get(news.system);
      if (member === undefined) return;
      if (news.kind === 'planned') member.plan = news.plan;
      else if (news.kind === 'restored') member.isRestored = true;
      else member.question = news.question;
    });
  }

  /** Starts one restore; with `isCoordinated` it waits for this recovery before and after its steps. */
  async start(input: RestoreSystemInput, isCoordinated: boolean): Promise<void> {
    const { platform, site, system } = input;
    const coordinator = isCoordinated ? { coordinator: workflowInfo().workflowId } : {};
    const handle = await startChild<typeof restoreSystem>('restoreSystem', {
      workflowId: restoreWorkflowId(platform, system),
      taskQueue: CONTROL_QUEUE,
      args: [{ ...input, ...coordinator }],
      parentClosePolicy: 'REQUEST_CANCEL',
      staticSummary: `${SYSTEMS[system].title}: part of ${workflowInfo().workflowId}`,
      typedSearchAttributes: [
        { key: SEARCH_ATTRIBUTES.platform, value: platform },
        { key: SEARCH_ATTRIBUTES.system, value: system },
        { key: SEARCH_ATTRIBUTES.site, value: site },
      ],
    });
    const member: Member = { handle, plan: null, question: null, isRestored: false, end: null };
    this.members.set(system, member);
    handle.result().then(
      (result) => {
        member.end = { result };
      },
      (failure: unknown) => {
        member.end = { failure };
      },
    );
  }

  /** The member's plan, as soon as it is made. @throws why there is none. */
  async planOf(system: SystemName): Promise<RestorePlan> {
    const member = this.get(system);
    await condition(() => member.plan !== null || member.end !== null);
    return member.plan ?? (await this.resultOf(system)).plan;
  }

  /** Lets a member carry out its plan, and answers for people until every step is done. @throws why it ended. */
  async restore(system: SystemName): Promise<string> {
    const member = this.get(system);
    await member.handle.signal(releaseMember, { digest: member.plan?.digest ?? '' });
    const isOver = () => member.isRestored || member.end !== null;
    while (!isOver()) {
      await condition(() => isOver() || member.question !== null);
      if (!isOver() && member.question !== null) await this.relay(system, member, member.question);
    }
    if (!member.isRestored) await this.resultOf(system);
    return `${member.plan?.request.backup.backupId}; it stays when all are back`;
  }

  /** The member's result when it has ended. @throws its failure. */
  async resultOf(system: SystemName): Promise<RestoreSystemResult> {
    const member = this.get(system);
    await condition(() => member.end !== null);
    if (member.end !== null && 'result' in member.end) return member.end.result;
    throw member.end?.failure;
  }

  /** Ends a member so that what it restored stays. */
  async keep(system: SystemName): Promise<RestoreSystemResult> {
    await this.get(system).handle.signal(concludeMember, { keep: true, reason: 'everything is back' });
    return this.resultOf(system);
  }

  /** Ends a member, wherever it is, so that nothing of it stays. @throws when it could not undo what it had done. */
  async undo(system: SystemName): Promise<void> {
    const member = this.members.get(system);
    if (member === undefined) return;
    if (member.end === null) await this.stop(member);
    await condition(() => member.end !== null);
    if (member.end === null || 'result' in member.end) return;
    const { failure } = member.end;
    if (wireFailureOf(failure).code === 'UNDO_FAILED') throw failure;
  }

  async undoAll(): Promise<void> {
    await Promise.all([...this.members.keys()].map((system) => this.undo(system)));
  }

  private async stop({ handle, isRestored }: Member): Promise<void> {
    try {
      if (isRestored) await handle.signal(concludeMember, { keep: false, reason: 'it is undone as a whole' });
      else await getExternalWorkflowHandle(handle.workflowId).cancel();
    } catch (error) {
      if (isCancellation(error)) throw error; // Anything else: it has ended by itself meanwhile.
    }
  }

  private async relay(system: SystemName, member: Member, question: OperatorQuestion): Promise<void> {
    const step = memberStep(system, question.step);
    const isSettled = () => member.question !== question || member.end !== null;
    const decision = await this.story.relay({ ...question, step }, isSettled);
    if (decision === null) return;
    member.question = null;
    await member.handle.signal(answerMember, { ...decision, step: question.step });
  }

  private get(system: SystemName): Member {
    const member = this.members.get(system);
    if (member === undefined) throw new Error(`${system} is no member of this recovery`);
    return member;
  }
}
