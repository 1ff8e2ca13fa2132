// What the journal needs to know of a takeover travels in the headers of its activities and of the runs below it, so that
// the stories know nothing of it and their histories stay as they were.
import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import {
  CancellationScope,
  type WorkflowInboundCallsInterceptor,
  type WorkflowInterceptors,
  type WorkflowOutboundCallsInterceptor,
  workflowInfo,
} from '@temporalio/workflow';
import { JOURNAL_HEADER, type JournalNote, type Told } from '../../domain/journal.ts';
import type { JsonValue } from '../../domain/json.ts';
import { answerMember, type TakeoverInput } from '../messages.ts';
import { thisExecution } from './this-run.ts';

const TAKEOVERS: readonly string[] = ['failOver', 'failOverPlanned', 'failBack'];

/** Called by the SDK once for each run, before the run's own code. */
export function interceptors(): WorkflowInterceptors {
  const { inbound, outbound } = new Notes();
  return { inbound: [inbound], outbound: [outbound] };
}

class Notes {
  /** The takeover that this run belongs to; null for any other run. */
  private run: string | null = null;
  private begins: JournalNote['begins'] = null;
  private told: Told[] = [];
  private isCancelled = false;

  readonly inbound: WorkflowInboundCallsInterceptor = {
    execute: (input, next) => {
      this.begin(input.headers, input.args[0]);
      CancellationScope.current().cancelRequested.catch(() => {
        this.isCancelled = true;
      });
      return next(input);
    },
    handleUpdate: (input, next) => {
      this.hear(input.name, input.args[0]);
      return next(input);
    },
    handleSignal: (input, next) => {
      if (input.signalName === answerMember.name) this.hear(input.signalName, input.args[0]);
      return next(input);
    },
  };

  // Nothing is awaited here: the order of a run's commands must stay what it is.
  readonly outbound: WorkflowOutboundCallsInterceptor = {
    scheduleActivity: (input, next) => next({ ...input, headers: this.withNote(input.headers) }),
    startChildWorkflowExecution: (input, next) =>
      next({ ...input, headers: this.run === null ? input.headers : { ...input.headers, ...header(this.run) } }),
  };

  private begin(headers: Headers, input: unknown): void {
    const inherited = headers[JOURNAL_HEADER];
    if (inherited !== undefined) this.run = defaultPayloadConverter.fromPayload<string>(inherited);
    const { workflowType: workflow } = workflowInfo();
    if (!TAKEOVERS.includes(workflow) || (input as TakeoverInput).dryRun) return;
    this.run = thisExecution();
    this.begins = { workflow, input: input as JsonValue };
  }

  private hear(name: string, said: unknown): void {
    if (this.run !== null) this.told.push({ name, said: said as JsonValue });
  }

  private withNote(headers: Headers): Headers {
    if (this.run === null) return headers;
    const note: JournalNote = {
      run: this.run,
      startedAt: workflowInfo().startTime.toISOString(),
      at: new Date().toISOString(),
      ...{ begins: this.begins, told: this.told, cancelled: this.isCancelled },
    };
    const sent = { ...headers, ...header(note) };
    this.begins = null;
    this.told = [];
    return sent;
  }
}

const header = (value: unknown): Headers => ({ [JOURNAL_HEADER]: defaultPayloadConverter.toPayload(value) });
