// What a Temporal server does for one run and the runs below it, in this process: it starts them, passes on what they say to
// each other, and has their activities done. What was done before it is told from the journal.
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { JournalReplay } from '../../domain/journal-replay.ts';
import type { Ending } from './endings.ts';
import { type ActivityCommand, Execution, type Host, type Told } from './execution.ts';
import type { Birth, Sandbox } from './sandbox.ts';

/** Does, or looks up, one activity. */
export type Caller = (birth: Birth, command: ActivityCommand, signal: AbortSignal) => Promise<Ending>;

export class Engine implements Host {
  /** Settles when something is wrong that no story can tell. */
  readonly broken: Promise<never>;
  readonly call: Caller;
  private readonly sandbox: Sandbox;
  private readonly replay: JournalReplay;
  private readonly open = new Map<string, Execution>();
  private numbers = 0;
  private rejectBroken: (error: unknown) => void = () => undefined;

  constructor(sandbox: Sandbox, replay: JournalReplay, call: Caller) {
    this.sandbox = sandbox;
    this.replay = replay;
    this.call = call;
    this.broken = new Promise((_, reject) => {
      this.rejectBroken = reject;
    });
    this.broken.catch(() => undefined); // Whoever waits for the run races it against this.
  }

  /** Starts a workflow, as the run that the journal knows or as a new one. */
  async start(
    told: Told,
    ended: (ending: Ending) => void,
    known: { readonly runId: string; readonly startedAt: string } | null = this.replay.nextExecution(told.workflow),
  ): Promise<Execution> {
    const startedAt = known === null ? new Date() : new Date(known.startedAt);
    const birth: Birth = { ...told, runId: known?.runId ?? randomUUID(), startedAt };
    const execution = new Execution(this, birth, await this.sandbox.create(birth), ended);
    this.open.set(told.workflow, execution);
    return execution;
  }

  find(workflow: string): Execution | undefined {
    return this.open.get(workflow);
  }

  release(execution: Execution): void {
    if (this.open.get(execution.birth.workflow) === execution) this.open.delete(execution.birth.workflow);
  }

  /** The time that a run is told: what it was when it asked for what comes next, and now where nothing is recorded. */
  clock(runId: string): number {
    const recorded = this.replay.clockOf(runId);
    return recorded === null ? Date.now() : Date.parse(recorded);
  }

  isBehind(runId: string): boolean {
    return this.replay.isBehind(runId);
  }

  /** Waits until no run has anything to think about: each waits for an activity, a person or another run. */
  async settled(): Promise<void> {
    for (let calm = 0; calm < 3; calm += 1) {
      await wait(5);
      if ([...this.open.values()].some(({ isThinking }) => isThinking)) calm = 0;
    }
  }

  nextNumber(): number {
    this.numbers += 1;
    return this.numbers;
  }

  fail(error: unknown): void {
    this.rejectBroken(error);
  }
}
