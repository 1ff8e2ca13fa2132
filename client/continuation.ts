// `dr failover continue RUN --without-temporal`: the run is carried on by a program of the composition root; here it is
// shown, confirmed, and its questions are asked.
import { type ChildProcess, spawn } from 'node:child_process';
import { on } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import type { ContinuationNews, ContinuationWord, JournalledRun } from '../domain/contracts/continuation.ts';
import { EXIT, Failure } from '../domain/failures.ts';
import { partsOfRun } from '../domain/journal.ts';
import type { OperatorQuestion, RunState } from '../domain/run-state.ts';
import type { FailOverResult, HandOverResult } from '../workflows/messages.ts';
import type { Call } from './command.ts';
import { type Loaded, loadConfiguration } from './configuration-file.ts';
import { confirmPlatform, refuseWrongName } from './confirm.ts';
import { continueCommand } from './journals.ts';
import { timeText, visible, visibleLines } from './output/human.ts';
import { makePainter } from './output/live.ts';
import { stepLine } from './output/progress.ts';
import { blocks, exitOf, restoredText } from './output/report.ts';
import { recordText, servesNow } from './takeover.ts';
import { planText, questionLines } from './temporal/decide.ts';
import { requireTemporalGone } from './temporal/gone.ts';
import { person } from './temporal/platform.ts';

const PROGRAM = fileURLToPath(new URL('../workers/continue.ts', import.meta.url));

/** Shows the run, wants the platform's name, carries it on and tells its end. */
export async function continueRun(call: Call): Promise<number> {
  const [run = ''] = call.args;
  if (!call.options.flag('withoutTemporal'))
    throw new Failure('USAGE', `with Temporal a run goes on by itself; without it: ${continueCommand(visible(run))}`);
  const loaded = await loadConfiguration(call);
  refuseWrongName(call.options.text('confirm'), loaded.configuration.platform);
  if (!call.options.flag('takeOver')) await requireTemporalGone(loaded.configuration, run);
  const program = spawn(process.execPath, [PROGRAM, '--config', loaded.file, '--run', run], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  try {
    return await talk(call, loaded, program);
  } finally {
    program.kill('SIGKILL');
  }
}

async function talk(call: Call, loaded: Loaded, program: ChildProcess): Promise<number> {
  const conversation = new Conversation(call, loaded, program);
  for await (const news of newsOf(program)) {
    const exit = await conversation.hear(news);
    if (exit !== null) return exit;
  }
  throw new Failure('TOOL_FAILED', 'the program that carries the run on ended without a word');
}

async function* newsOf(program: ChildProcess): AsyncGenerator<ContinuationNews> {
  const gone = new AbortController();
  program.once('exit', () => setImmediate(() => gone.abort()));
  program.once('error', () => gone.abort());
  try {
    for await (const [news] of on(program, 'message', { signal: gone.signal })) yield news as ContinuationNews;
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  }
}

class Conversation {
  private readonly call: Call;
  private readonly loaded: Loaded;
  private readonly program: ChildProcess;
  private readonly painter: ReturnType<typeof makePainter>;
  private readonly asked = new Set<string>();
  private run = '';

  constructor(call: Call, loaded: Loaded, program: ChildProcess) {
    this.call = call;
    this.loaded = loaded;
    this.program = program;
    this.painter = makePainter(call.output);
  }

  /** @returns the exit code once it is over. */
  async hear(news: ContinuationNews): Promise<number | null> {
    const { output } = this.call;
    if (news.kind === 'found') return this.find(news.run, news.state);
    if (news.kind === 'begun') output.note(`executor ${news.executor} has the run now; Temporal does not get it back`);
    else if (news.kind === 'refused') this.refused(news.step, news.message);
    else if (news.kind === 'state') await this.show(news.state);
    else return this.end(news);
    return null;
  }

  private async find(run: JournalledRun, state: RunState): Promise<number | null> {
    const { output } = this.call;
    this.run = partsOfRun(run.run).workflow;
    if (run.ended) {
      output.answer(blocks(foundText(run, state), 'it has ended, and nothing is left to do'), run);
      return EXIT.done;
    }
    output.note(foundText(run, state));
    await confirmPlatform(this.call, this.loaded.configuration.platform, `carrying ${this.run} on without Temporal`);
    this.send({ kind: 'go', person: person() });
    return null;
  }

  private async show(state: RunState): Promise<void> {
    this.painter.show({ status: 'RUNNING', type: 'failOver', state, activities: [] });
    for (const step of this.asked) if (!state.questions.some((one) => one.step === step)) this.asked.delete(step);
    for (const question of state.questions) {
      if (this.asked.has(question.step)) continue;
      this.asked.add(question.step);
      this.painter.rest();
      await this.ask(question);
    }
  }

  private async ask(question: OperatorQuestion): Promise<void> {
    const { output } = this.call;
    output.note([...questionLines(question), `Answer with one of: ${question.actions.join(', ')}`].join('\n'));
    if (!output.isInteractive) {
      const what = `step '${question.step}' waits for a person, and nobody can be asked here`;
      throw new Failure('PERSON_NEEDED', what, { run: this.run });
    }
    this.send({ kind: 'tell', step: question.step, ...(await answerTo(question)) });
  }

  private refused(step: string, message: string): void {
    this.call.output.note(visibleLines(message));
    this.asked.delete(step);
  }

  private end({ result, failure }: Extract<ContinuationNews, { kind: 'ended' }>): number {
    const { output } = this.call;
    if (failure !== null) throw new Failure(failure.code, failure.message, { run: this.run, ...failure.details });
    const { plan, record, report, findings, kept } = result as FailOverResult | HandOverResult;
    output.answer(
      blocks(
        restoredText({ report, findings, kept }, output),
        recordText(this.loaded, record),
        servesNow(this.loaded, plan),
      ),
      result,
    );
    return exitOf(report.outcome, findings);
  }

  private send(word: ContinuationWord): void {
    this.program.send(word);
  }
}

function foundText({ run, startedAt, executor, done, open, ended }: JournalledRun, state: RunState): string {
  const whose = executor === 0 ? 'Temporal had it' : `executor ${executor} had it`;
  const steps = state.steps.map((step) => `  ${stepLine(step)}`);
  return [
    `${run}, begun ${timeText(startedAt)}; ${whose}`,
    `${visible(state.title)}: ${done} acts are done and written down, ${open} were begun and are done again`,
    ...(state.plan === null ? [] : [planText(state.plan)]),
    'So far:',
    ...steps,
    ...(ended ? [] : ["Every 'dr worker' of the platform that still runs stops working on it."]),
  ].join('\n');
}

type Told = Pick<Extract<ContinuationWord, { kind: 'tell' }>, 'name' | 'said'>;

async function answerTo({ step, actions }: OperatorQuestion): Promise<Told> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    for (;;) {
      const word = (await terminal.question(`${actions.join(', ')}? `)).trim();
      const action = actions.find((known) => known === word || known[0] === word);
      if (action === undefined) continue;
      const reason = (await terminal.question('reason: ')).trim();
      if (reason !== '') return { name: 'resolveStep', said: { step, action, reason, person: person() } };
    }
  } finally {
    terminal.close();
  }
}
