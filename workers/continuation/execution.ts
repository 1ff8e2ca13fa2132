// One run of a workflow in the engine: its jobs go in one after the other, and its commands are carried out.
import { CancelledFailure, defaultPayloadConverter, type Payload } from '@temporalio/common';
import { tsToMs } from '@temporalio/common/lib/time.js';
import { CANCELLED, type Ending, errorOf, failedWith, failureOf } from './endings.ts';
import { type Birth, beginning, type Command, type Job, type SandboxedWorkflow } from './sandbox.ts';

export type ActivityCommand = NonNullable<Command['scheduleActivity']>;
type ChildCommand = NonNullable<Command['startChildWorkflowExecution']>;

const REQUEST_CANCEL = 3; // temporal.api.enums.v1.ParentClosePolicy, as child_workflow.ParentClosePolicy has it.
const ALREADY_EXISTS = 1; // coresdk.child_workflow.StartChildWorkflowExecutionFailedCause

interface Child {
  readonly execution: Execution;
  readonly policy: number;
}

interface Answer {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** What a run is told by and asks from. */
export interface Host {
  start(told: Told, ended: (ending: Ending) => void): Promise<Execution>;
  /** The run of a workflow id that goes on. */
  find(workflow: string): Execution | undefined;
  release(execution: Execution): void;
  call(birth: Birth, command: ActivityCommand, signal: AbortSignal): Promise<Ending>;
  clock(runId: string): number;
  /** Whether it has yet to ask for what it asked for before. */
  isBehind(runId: string): boolean;
  nextNumber(): number;
  fail(error: unknown): void;
}

export type Told = Pick<Birth, 'workflow' | 'type' | 'input' | 'headers'>;

export class Execution {
  readonly birth: Birth;
  /** How it ended; null while it goes on. */
  ending: Ending | null = null;
  private readonly engine: Host;
  private readonly workflow: SandboxedWorkflow;
  private readonly jobs: Job[] = [];
  private readonly activities = new Map<number, AbortController>();
  private readonly timers = new Map<number, NodeJS.Timeout>();
  private readonly children = new Map<number, Child>();
  private readonly answers = new Map<string, Answer>();
  private readonly ended: (ending: Ending) => void;
  private isBusy = false;
  private isCancelWanted = false;

  constructor(engine: Host, birth: Birth, workflow: SandboxedWorkflow, ended: (ending: Ending) => void) {
    this.engine = engine;
    this.birth = birth;
    this.workflow = workflow;
    this.ended = ended;
    this.push(beginning(birth));
  }

  /** True while it has something to think about. */
  get isThinking(): boolean {
    return this.isBusy || this.jobs.length > 0;
  }

  push(job: Job): void {
    if (this.ending !== null) return;
    this.jobs.push(job);
    void this.think();
  }

  /** Cancels it, once it has asked for everything that it had asked for before. */
  cancel(): void {
    this.isCancelWanted = true;
    if (!this.isThinking) void this.think();
  }

  /** Sends an update. @returns what its handler answers. @throws its refusal. */
  update(name: string, said: unknown): Promise<unknown> {
    const id = `${name}-${this.engine.nextNumber()}`;
    const input = [defaultPayloadConverter.toPayload(said)];
    const answer = this.answerTo(id);
    this.push({ doUpdate: { id, protocolInstanceId: id, name, input, headers: {}, runValidator: true } });
    return answer;
  }

  /** Asks a query. */
  query(name: string): Promise<unknown> {
    const id = `${name}-${this.engine.nextNumber()}`;
    const answer = this.answerTo(id);
    this.jobs.push({ queryWorkflow: { queryId: id, queryType: name, arguments: [], headers: {} } });
    void this.think();
    return answer;
  }

  private answerTo(id: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.answers.set(id, { resolve, reject });
    });
  }

  private async think(): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      for (let job = this.nextJob(); job !== undefined; job = this.nextJob()) {
        const commands = await this.workflow.tell(job, this.engine.clock(this.birth.runId));
        for (const command of commands) await this.obey(command);
      }
    } catch (error) {
      this.engine.fail(error);
    } finally {
      this.isBusy = false;
    }
  }

  private nextJob(): Job | undefined {
    const job = this.jobs.shift();
    if (job !== undefined || !this.isCancelWanted || this.engine.isBehind(this.birth.runId)) return job;
    this.isCancelWanted = false;
    return { cancelWorkflow: { reason: '' } };
  }

  private async obey(command: Command): Promise<void> {
    const { scheduleActivity, startChildWorkflowExecution, signalExternalWorkflowExecution, updateResponse } = command;
    if (scheduleActivity) this.callActivity(scheduleActivity);
    else if (startChildWorkflowExecution) await this.startChild(startChildWorkflowExecution);
    else if (signalExternalWorkflowExecution) this.signal(signalExternalWorkflowExecution);
    else if (updateResponse) this.answerUpdate(updateResponse);
    else if (command.respondToQuery) this.answerQuery(command.respondToQuery);
    else if (command.startTimer) this.startTimer(command.startTimer);
    else this.obeyEnds(command);
  }

  private obeyEnds(command: Command): void {
    const { completeWorkflowExecution: completed, failWorkflowExecution: failed } = command;
    if (command.requestCancelActivity)
      this.activities.get(seqOf(command.requestCancelActivity))?.abort(new CancelledFailure('it was cancelled'));
    else if (command.cancelTimer) this.stopTimer(seqOf(command.cancelTimer));
    else if (command.cancelChildWorkflowExecution)
      this.children.get(Number(command.cancelChildWorkflowExecution.childWorkflowSeq))?.execution.cancel();
    else if (command.requestCancelExternalWorkflowExecution)
      this.cancelOther(command.requestCancelExternalWorkflowExecution);
    else if (completed) this.close({ completed: { result: (completed.result ?? EMPTY) as Payload } });
    else if (failed) this.close({ failed: { failure: failed.failure ?? failureOf(new Error('it failed')) } });
    else if (command.cancelWorkflowExecution) this.close({ cancelled: { failure: CANCELLED } });
    else if (command.continueAsNewWorkflowExecution) throw new Error('a run that begins anew cannot be continued here');
    // Anything else is for the server's own pages: search attributes, details, markers.
  }

  private callActivity(command: ActivityCommand): void {
    const seq = seqOf(command);
    const controller = new AbortController();
    this.activities.set(seq, controller);
    const settled = (result: Ending) => {
      this.activities.delete(seq);
      this.push({ resolveActivity: { seq, result } });
    };
    this.engine.call(this.birth, command, controller.signal).then(settled, (error) => this.engine.fail(error));
  }

  private async startChild(command: ChildCommand): Promise<void> {
    const [seq, workflow, type] = [seqOf(command), command.workflowId ?? '', command.workflowType ?? ''];
    if (this.engine.find(workflow) !== undefined) {
      const failed = { workflowId: workflow, workflowType: type, cause: ALREADY_EXISTS };
      return this.push({ resolveChildWorkflowExecutionStart: { seq, failed } });
    }
    const told = { workflow, type, input: command.input ?? [], headers: command.headers ?? {} };
    const execution = await this.engine.start(told, (ending) =>
      this.push({ resolveChildWorkflowExecution: { seq, result: endOfChild(execution.birth, ending) } }),
    );
    this.children.set(seq, { execution, policy: Number(command.parentClosePolicy) });
    this.push({ resolveChildWorkflowExecutionStart: { seq, succeeded: { runId: execution.birth.runId } } });
  }

  private signal(command: NonNullable<Command['signalExternalWorkflowExecution']>): void {
    const target = this.engine.find(command.childWorkflowId || command.workflowExecution?.workflowId || '');
    target?.push({
      signalWorkflow: { signalName: command.signalName, input: command.args ?? [], headers: command.headers ?? {} },
    });
    this.push({ resolveSignalExternalWorkflow: { seq: seqOf(command), ...(target ? {} : { failure: NOBODY }) } });
  }

  private cancelOther(command: NonNullable<Command['requestCancelExternalWorkflowExecution']>): void {
    const target = this.engine.find(command.workflowExecution?.workflowId ?? '');
    target?.cancel();
    this.push({
      resolveRequestCancelExternalWorkflow: { seq: seqOf(command), ...(target ? {} : { failure: NOBODY }) },
    });
  }

  private startTimer(command: NonNullable<Command['startTimer']>): void {
    const seq = seqOf(command);
    const fire = () => this.push({ fireTimer: { seq } });
    this.timers.set(seq, setTimeout(fire, tsToMs(command.startToFireTimeout)));
  }

  private stopTimer(seq: number): void {
    clearTimeout(this.timers.get(seq));
    this.timers.delete(seq);
  }

  private answerUpdate(response: NonNullable<Command['updateResponse']>): void {
    const id = response.protocolInstanceId ?? '';
    const answer = this.answers.get(id);
    if (response.rejected) answer?.reject(errorOf(response.rejected));
    else if (response.completed) answer?.resolve(defaultPayloadConverter.fromPayload(response.completed as Payload));
    if (!response.accepted) this.answers.delete(id);
  }

  private answerQuery({ queryId, succeeded, failed }: NonNullable<Command['respondToQuery']>): void {
    const answer = this.answers.get(queryId ?? '');
    this.answers.delete(queryId ?? '');
    if (failed) answer?.reject(errorOf(failed));
    else answer?.resolve(defaultPayloadConverter.fromPayload(succeeded?.response as Payload));
  }

  private close(ending: Ending): void {
    this.ending = ending;
    this.jobs.length = 0;
    for (const seq of [...this.timers.keys()]) this.stopTimer(seq);
    for (const { execution, policy } of this.children.values())
      if (policy === REQUEST_CANCEL && execution.ending === null) execution.cancel();
    this.engine.release(this);
    this.ended(ending);
  }
}

const EMPTY = defaultPayloadConverter.toPayload(undefined);
const NOBODY = failureOf(new Error('there is no such run'));

const seqOf = ({ seq }: { readonly seq?: number | null }): number => Number(seq);

// The protocol wraps the end of a child in words about the child.
function endOfChild({ workflow, runId, type }: Birth, ending: Ending): Ending {
  if ('completed' in ending) return ending;
  const { failure } = 'failed' in ending ? ending.failed : ending.cancelled;
  return failedWith(failure, 'Child Workflow execution failed', {
    childWorkflowExecutionFailureInfo: {
      workflowExecution: { workflowId: workflow, runId },
      workflowType: { name: type },
    },
  });
}
