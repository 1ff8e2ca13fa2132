// A run told as steps: it keeps the live table, lets a person answer a step that failed, and undoes what was begun.
// Every run makes one Story before its first await, so that its handlers are there for the first message.
import {
  type ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { JsonValue } from '../../domain/json.ts';
import { waitedSecondsOf } from '../../domain/recovery-time.ts';
import type {
  OperatorQuestion,
  Outcome,
  RunReport,
  RunState,
  ShownPlan,
  StepState,
  StepStatus,
  Wait,
} from '../../domain/run-state.ts';
import { renderRunState } from '../../domain/step-table.ts';
import { wireFailureOf } from '../../domain/wire-failure.ts';
import { type RunContext, resolveStep, runState, SEARCH_ATTRIBUTES, type StepDecision } from '../messages.ts';
import { checkDecision, refuse } from './decisions.ts';

export interface StepSpec {
  readonly id: string;
  readonly title: string;
  readonly skippable?: boolean;
  readonly safeToLeave?: string;
  /** Nothing was touched yet: a failure tells a person more, and sooner, than a question. */
  readonly failsAtOnce?: boolean;
  /** Registered before the step runs, because a step that failed may have half happened. */
  readonly undo?: (input: Readonly<Record<string, string>>) => Promise<unknown>;
}

/** How an undo ended; `taken-over` when somebody else has the run, and what it did stays theirs. */
export type Undone = 'undone' | 'stuck' | 'taken-over';

type StepWork<T> = (input: Readonly<Record<string, string>>) => Promise<T>;

export class Story {
  private readonly steps: StepState[] = [];
  private readonly undoStack: { readonly step: string; readonly undo: StepSpec['undo'] }[] = [];
  private readonly questions = new Map<string, OperatorQuestion>();
  private readonly answers = new Map<string, StepDecision>();
  private readonly title: string;
  private readonly asksPeople: boolean;
  private readonly startedAt: string;
  private phase = 'planning';
  private plan: ShownPlan | null = null;
  private outcome: Outcome | null = null;
  private measuredLines: readonly string[] = [];
  private readonly waited: Wait[] = [];
  private tellQuestion: (question: OperatorQuestion | null) => Promise<void> = async () => undefined;

  /** @param asksPeople whether a failed step waits for a person; a run that a schedule started never does. */
  constructor(title: string, context: RunContext, asksPeople: boolean) {
    this.title = title;
    this.asksPeople = asksPeople && !context.scheduled;
    this.startedAt = workflowInfo().startTime.toISOString();
    setHandler(runState, () => this.state(), { description: 'Steps, open questions, plan and outcome of this run' });
    setHandler(resolveStep, (decision) => this.decide(decision), {
      description: 'Answer the waiting step: {"step":"…","action":"go|retry|skip|abort","reason":"…","input":{}}',
      validator: (decision) => checkDecision(decision, this.questions, this.answers),
    });
    this.show();
  }

  /** Names a phase of the run, visible as the search attribute DrPhase. */
  enter(phase: string): void {
    if (this.phase === phase) return;
    this.phase = phase;
    upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.phase, value: phase }]);
    this.show();
  }

  /** Shows steps that are known before they run. */
  foresee(steps: readonly StepSpec[]): void {
    for (const { id, title } of steps)
      this.put({ id, title, status: 'pending', detail: '', startedAt: null, endedAt: null });
    this.show();
  }

  showPlan(plan: ShownPlan): void {
    this.plan = plan;
    this.show();
  }

  /**
   * Runs one step. When it fails for good, a person is asked (retry, skip, abort) if the run may ask; otherwise the
   * failure goes up. Skipping returns undefined.
   */
  async step<T>(spec: StepSpec, work: StepWork<T>, describe: (result: T) => string = () => ''): Promise<T | undefined> {
    if (spec.undo) this.undoStack.push({ step: spec.id, undo: spec.undo });
    for (let input: Readonly<Record<string, string>> = {}; ; ) {
      this.mark(spec, 'running', '');
      try {
        const result = await work(input);
        this.mark(spec, 'done', describe(result));
        return result;
      } catch (error) {
        const decision = await this.afterFailure(spec, error);
        if (decision.action === 'skip') return this.skip(spec, decision);
        input = decision.input ?? {};
      }
    }
  }

  /** Like `step`, for steps whose result the run cannot do without: they cannot be skipped. */
  async require<T>(spec: StepSpec, work: StepWork<T>, describe: (result: T) => string = () => ''): Promise<T> {
    return (await this.step({ ...spec, skippable: false }, work, describe)) as T;
  }

  /** Waits for a person's word on something that is not a failure. */
  async ask(question: OperatorQuestion, isAnswered: () => boolean): Promise<void> {
    await this.waitFor(question, () => isAnswered() || this.answers.has(question.step));
    const decision = this.answers.get(question.step);
    this.answers.delete(question.step);
    if (decision?.action === 'abort') throw aborted(decision);
  }

  /**
   * Puts a question that another run asks. @returns what a person answered here, or null when it was settled there.
   */
  async relay(question: OperatorQuestion, isSettled: () => boolean): Promise<StepDecision | null> {
    await this.waitFor(question, () => isSettled() || this.answers.has(question.step));
    const decision = this.answers.get(question.step);
    this.answers.delete(question.step);
    return decision ?? null;
  }

  /** Takes an answer that came another way than by the update; one that does not fit is not for this run. */
  hear(decision: StepDecision): void {
    try {
      checkDecision(decision, this.questions, this.answers);
    } catch {
      return;
    }
    this.decide(decision);
  }

  /** Tells a listener of each question that is asked, and null when it is settled. */
  onQuestion(tell: (question: OperatorQuestion | null) => Promise<void>): void {
    this.tellQuestion = tell;
  }

  /**
   * Undoes the steps that were begun, last first, also when the run was cancelled; nothing of a run that was taken over.
   * @param error why.
   */
  async undoAll(error: unknown): Promise<Undone> {
    if (wireFailureOf(error).code === 'TAKEN_OVER') return 'taken-over';
    return CancellationScope.nonCancellable(async () => {
      let result: Undone = 'undone';
      for (let entry = this.undoStack.pop(); entry; entry = this.undoStack.pop()) {
        const undone = await this.undoOne(entry.step, entry.undo);
        if (undone === 'taken-over') return undone;
        if (undone === 'stuck') result = undone;
      }
      return result;
    });
  }

  /** Forgets the undo of earlier steps: the run is past the point where they may be undone. */
  keep(): void {
    this.undoStack.length = 0;
  }

  get hasUndo(): boolean {
    return this.undoStack.length > 0;
  }

  /** Closes the story: outcome in the table, the search attribute and the report. */
  finish(outcome: Outcome, facts: Readonly<Record<string, JsonValue>> = {}): RunReport {
    this.outcome = outcome;
    upsertSearchAttributes([
      { key: SEARCH_ATTRIBUTES.outcome, value: outcome },
      { key: SEARCH_ATTRIBUTES.phase, value: 'finished' },
    ]);
    this.show();
    const { workflowId: run } = workflowInfo();
    return { run, outcome, endedAt: now(), ...this.measured, ...this.course, facts };
  }

  /** Seconds since the run began, and how many of them it waited for people. */
  get measured(): Pick<RunReport, 'seconds' | 'waitedSeconds'> {
    const seconds = (Date.parse(now()) - Date.parse(this.startedAt)) / 1000;
    return { seconds, waitedSeconds: waitedSecondsOf(this.waited) };
  }

  /** The steps so far and the times in which people were waited for. */
  get course(): Pick<RunReport, 'startedAt' | 'steps' | 'waits'> {
    return { startedAt: this.startedAt, steps: [...this.steps], waits: [...this.waited] };
  }

  /** Shows what the run measured of itself. */
  showMeasured(lines: readonly string[]): void {
    this.measuredLines = lines;
    this.show();
  }

  private async afterFailure(spec: StepSpec, error: unknown): Promise<StepDecision> {
    const failure = wireFailureOf(error);
    this.mark(spec, 'failed', firstLine(failure.message));
    const isCancelled = isCancellation(error) || CancellationScope.current().consideredCancelled;
    if (isCancelled || !this.asksPeople || spec.failsAtOnce || failure.code === 'TAKEN_OVER') throw error;
    const actions = spec.skippable ? (['retry', 'skip', 'abort'] as const) : (['retry', 'abort'] as const);
    const question = {
      step: spec.id,
      code: failure.code,
      message: failure.message,
      actions,
      safeToLeave: spec.safeToLeave ?? '',
    };
    this.mark(spec, 'waiting', firstLine(failure.message));
    await this.waitFor(question, () => this.answers.has(spec.id));
    const decision = this.answers.get(spec.id) as StepDecision;
    this.answers.delete(spec.id);
    if (decision.action !== 'abort') return decision;
    this.mark(spec, 'failed', firstLine(failure.message));
    throw aborted(decision, error);
  }

  private async waitFor(question: OperatorQuestion, isAnswered: () => boolean): Promise<void> {
    const [phase, from] = [this.phase, now()];
    this.questions.set(question.step, question);
    this.enter('waiting for a person');
    this.show();
    try {
      await this.tellQuestion(question);
      await condition(isAnswered);
      await this.tellQuestion(null);
    } finally {
      this.questions.delete(question.step);
      this.waited.push({ step: question.step, from, to: now() });
      this.enter(phase);
    }
  }

  private decide(decision: StepDecision): { step: string; action: string } {
    this.answers.set(decision.step, decision);
    return { step: decision.step, action: decision.action };
  }

  private skip(spec: StepSpec, { reason, person }: StepDecision): undefined {
    this.mark(spec, 'skipped', `${person ?? 'someone'}: ${reason}`);
    return undefined;
  }

  private async undoOne(step: string, undo: StepSpec['undo']): Promise<Undone> {
    const title = this.steps.find(({ id }) => id === step)?.title ?? step;
    try {
      await undo?.({});
      this.mark({ id: step, title }, 'undone', '');
      return 'undone';
    } catch (error) {
      const { code, message } = wireFailureOf(error);
      if (code === 'TAKEN_OVER') return 'taken-over';
      this.mark({ id: step, title }, 'undo-failed', firstLine(message));
      return 'stuck';
    }
  }

  private mark({ id, title }: StepSpec, status: StepStatus, detail: string): void {
    const before = this.steps.find((step) => step.id === id);
    const isEnd = status !== 'running' && status !== 'pending' && status !== 'waiting';
    this.put({ id, title, status, detail, startedAt: before?.startedAt ?? now(), endedAt: isEnd ? now() : null });
    this.show();
  }

  private put(step: StepState): void {
    const index = this.steps.findIndex(({ id }) => id === step.id);
    if (index < 0) this.steps.push(step);
    else this.steps[index] = step;
  }

  private state(): RunState {
    const { title, phase, steps, plan, outcome, measuredLines: measured } = this;
    return { title, phase, steps, questions: [...this.questions.values()], plan, outcome, measured };
  }

  private show(): void {
    setCurrentDetails(renderRunState(this.state(), workflowInfo().workflowId));
  }
}

const now = (): string => new Date().toISOString();

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? '';

function aborted({ reason, person }: StepDecision, cause?: unknown): ApplicationFailure {
  return refuse('ABORTED', `${person ?? 'a person'} aborted the run: ${reason}`, {}, cause);
}
