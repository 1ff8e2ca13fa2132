// A journal as the stories ask for it: who an execution was, what a call was answered, what people said. A call is known
// by its workflow's run, its activity and the digest of its input: an answer to anything else is never taken for it.
import type { JournalStep, RunJournal, StepEnd, Told } from './journal.ts';
import { memberStep } from './recovery.ts';
import { isSystemName } from './systems.ts';

export interface Execution {
  readonly runId: string;
  readonly startedAt: string;
}

export interface RecordedCall {
  readonly workflowRun: string;
  readonly activity: string;
  readonly digest: string;
}

const keyOf = ({ workflowRun, activity, digest }: RecordedCall): string => `${workflowRun} ${activity} ${digest}`;

export class JournalReplay {
  private readonly left: Map<string, JournalStep[]>;
  private readonly executions: Map<string, Execution[]>;
  private readonly told: { readonly step: string | null; readonly told: Told }[];
  /** Runs that have asked for something that nobody recorded: they are past their records. */
  private readonly past = new Set<string>();

  constructor({ steps }: RunJournal) {
    const sorted = [...steps].sort(({ begun: a }, { begun: b }) => a.executor - b.executor || a.call - b.call);
    this.left = Map.groupBy(sorted, ({ begun }) => keyOf(begun));
    this.executions = executionsOf(steps);
    this.told = sorted.flatMap(({ begun }) =>
      begun.told.map((told) => ({ step: questionOf(begun.workflow, told), told })),
    );
  }

  /** Who the next execution of a workflow was; null when no record tells of it. */
  nextExecution(workflow: string): Execution | null {
    return this.executions.get(workflow)?.shift() ?? null;
  }

  /**
   * How a call ended, and the record is used up; null when nobody knows. A call that was begun and left is passed over
   * when the same one was made again later and ended.
   */
  answer(call: RecordedCall): StepEnd | null {
    const records = this.left.get(keyOf(call)) ?? [];
    const ended = records.findIndex(({ end }) => end !== null);
    const [last] = records.splice(0, Math.max(ended, 0) + 1).slice(-1);
    if (last?.end == null) this.past.add(call.workflowRun);
    return last?.end ?? null;
  }

  /** What the workflow's clock said when it next asked for something; null past its records. */
  clockOf(workflowRun: string): string | null {
    const times = this.leftOf(workflowRun).map(({ begun }) => begun.at);
    return times.sort()[0] ?? null;
  }

  /** True while a run has not yet asked for everything that it asked for before it was cancelled. */
  isBehind(workflowRun: string): boolean {
    return !this.past.has(workflowRun) && this.leftOf(workflowRun).some(({ begun }) => !begun.cancelled);
  }

  /** True when what is left of a run, or of all of them, was done after its cancellation. */
  wasCancelled(workflowRun: string | null = null): boolean {
    const left = workflowRun === null ? [...this.left.values()].flat() : this.leftOf(workflowRun);
    return left.some(({ begun }) => begun.cancelled);
  }

  /** What a person said to the question of a step, or to that of approvals (`approve`); used up. */
  nextTold(step: string): Told | null {
    const index = this.told.findIndex((one) => one.step === step);
    return index < 0 ? null : (this.told.splice(index, 1)[0]?.told ?? null);
  }

  private leftOf(workflowRun: string): readonly JournalStep[] {
    return [...this.left.values()].flat().filter(({ begun }) => begun.workflowRun === workflowRun);
  }
}

function executionsOf(steps: readonly JournalStep[]): Map<string, Execution[]> {
  const found = new Map<string, Map<string, Execution>>();
  for (const { begun } of steps) {
    const runs = found.get(begun.workflow) ?? new Map<string, Execution>();
    runs.set(begun.workflowRun, { runId: begun.workflowRun, startedAt: begun.startedAt });
    found.set(begun.workflow, runs);
  }
  const inOrder = (runs: Map<string, Execution>) =>
    [...runs.values()].sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
  return new Map([...found].map(([workflow, runs]) => [workflow, inOrder(runs)]));
}

/**
 * The question that something was the answer to, as the takeover asks it. A member's word counts where the member heard
 * it: the coordinator only passed it on.
 */
function questionOf(workflow: string, { name, said }: Told): string | null {
  if (name === 'approveFailover') return 'approve';
  const { step } = said as { readonly step?: unknown };
  if (typeof step !== 'string') return null;
  if (name === 'resolveStep') return step.includes('/') ? null : step;
  const system = workflow.split('/').at(-1) ?? '';
  return name === 'answerMember' && isSystemName(system) ? memberStep(system, step) : null;
}
