// A takeover that goes on from its journal. The same stories are told again from their beginning: what was done is answered
// from the journal, what was said to them is said again, and what is left is done here.
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { Failure } from '../../domain/failures.ts';
import { partsOfRun, type RunJournal } from '../../domain/journal.ts';
import { JournalReplay } from '../../domain/journal-replay.ts';
import type { JsonValue } from '../../domain/json.ts';
import type { RunState } from '../../domain/run-state.ts';
import { approveFailover, resolveStep, runState } from '../../workflows/messages.ts';
import { callerOver, type LiveCalls } from './calls.ts';
import { type Ending, errorOf } from './endings.ts';
import { Engine } from './engine.ts';
import type { Execution } from './execution.ts';
import type { Sandbox } from './sandbox.ts';

export class ContinuedRun {
  /** The run's end. Rejects when something is wrong that no story can tell. */
  readonly ended: Promise<Ending>;
  private readonly replay: JournalReplay;
  private readonly engine: Engine;
  private readonly root: Execution;

  private constructor(replay: JournalReplay, engine: Engine, root: Execution, ended: Promise<Ending>) {
    this.replay = replay;
    this.engine = engine;
    this.root = root;
    this.ended = Promise.race([ended, engine.broken]);
    this.ended.catch(() => undefined); // Nobody waits for a run that is only looked at.
  }

  /** Begins to tell it; with `live` null nothing is done that is not in the journal. */
  static async begin(
    sandbox: Sandbox,
    { beginning, steps }: RunJournal,
    live: Omit<LiveCalls, 'takeBack'> | null,
  ): Promise<ContinuedRun> {
    const replay = new JournalReplay({ beginning, steps });
    const { workflow, id: runId } = partsOfRun(beginning.run);
    const takeBack = () => void engine.settled().then(() => engine.find(workflow)?.cancel());
    const engine = new Engine(sandbox, replay, callerOver(replay, live === null ? null : { ...live, takeBack }));
    const { promise, resolve } = Promise.withResolvers<Ending>();
    const input = [defaultPayloadConverter.toPayload(beginning.input) as Payload];
    const told = { workflow, type: beginning.workflow, input, headers: {} };
    const root = await engine.start(told, resolve, { runId, startedAt: beginning.startedAt });
    return new ContinuedRun(replay, engine, root, promise);
  }

  /** Its state once everything that the journal knows has been told. */
  async settledState(): Promise<RunState> {
    for (;;) {
      await Promise.race([this.engine.settled(), this.engine.broken]);
      const state = await this.state();
      if (!this.repeatWords(state)) return state;
    }
  }

  /** What was said to an open question before is said again. @returns whether something was. */
  private repeatWords({ questions }: RunState): boolean {
    for (const { step } of questions) {
      const told = this.replay.nextTold(step);
      if (told === null) continue;
      const name = told.name === approveFailover.name ? told.name : resolveStep.name;
      // What was refused then is refused again, and changes as little.
      this.root.update(name, wordOf(told.said, step)).catch(() => undefined);
      return true;
    }
    if (questions.length === 0 || !this.replay.wasCancelled()) return false;
    this.cancel();
    return true;
  }

  async state(): Promise<RunState> {
    return (await Promise.race([this.root.query(runState.name), this.engine.broken])) as RunState;
  }

  /** Has everything of it taken back that still can be. */
  cancel(): void {
    this.root.cancel();
  }

  /** Says something new to it. @throws its refusal. */
  tell(name: string, said: JsonValue): Promise<unknown> {
    return this.root.update(name, said);
  }
}

// A member heard its own step's name; the takeover is told by which of its questions it is.
const wordOf = (said: JsonValue, step: string): JsonValue =>
  typeof said === 'object' && said !== null && 'step' in said ? { ...said, step } : said;

/** The result of a run, or its error. */
export function outcomeOf(ending: Ending): { readonly result: unknown } | { readonly error: Error } {
  if ('completed' in ending) return { result: defaultPayloadConverter.fromPayload(ending.completed.result) };
  if ('failed' in ending) return { error: errorOf(ending.failed.failure) };
  return { error: new Failure('ABORTED', 'the run was cancelled, and taken back') };
}
