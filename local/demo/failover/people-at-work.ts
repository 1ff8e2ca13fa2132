// What people do at a run: they read what it asks, and answer with the commands that anybody would type.
import { setTimeout as wait } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { failoverWorkflowId } from '../../../domain/run-names.ts';
import type { OperatorQuestion } from '../../../domain/run-state.ts';
import { runState } from '../../../workflows/messages.ts';
import { typed } from '../product.ts';
import type { Screen } from '../screen.ts';
import type { TwoSites } from './stage.ts';

/** A run that people stand in front of. */
export interface Desk {
  readonly stage: TwoSites;
  readonly screen: Screen;
  readonly run: string;
  /** Waits until the run asks at this step. */
  asked(step: string): Promise<OperatorQuestion>;
}

/** Starts a run, and lets people answer its questions in turn. @throws unless it ends with 0, or with 3 for warnings. */
export async function carryOut(
  stage: TwoSites,
  screen: Screen,
  words: readonly string[],
  answers: readonly ((desk: Desk) => Promise<void>)[],
): Promise<void> {
  const connection = await Connection.connect({ address: stage.platform.temporal.address });
  try {
    const run = failoverWorkflowId(stage.platform.name);
    const handle = new Client({ connection }).workflow.getHandle(run);
    // Before the run has begun, and while it plans, there is nothing to ask.
    const questions = () =>
      handle.query(runState).then(
        (state) => state.questions,
        () => [],
      );
    const desk = { stage, screen, run, asked: (step: string) => untilAsked(questions, step) };
    const ended = stage.witness.watch(words, showing(screen));
    const answering = (async () => {
      for (const answer of answers) await answer(desk);
    })();
    await Promise.race([answering, ended]);
    const exit = await ended;
    if (exit !== 0 && exit !== 3) throw new Error(`${typed(words)} ended with ${exit}`);
  } finally {
    await connection.close();
  }
}

// The answer of the command repeats the steps that it told as they went: here both come out at one place.
function showing(screen: Screen): (line: string) => void {
  const steps = new Set<string>();
  return (line) => {
    if (!steps.has(line)) screen.line(`  │ ${line}`);
    if (line.startsWith('✔')) steps.add(line);
  };
}

const ASKED_WITHIN_MS = 300_000;
const LOOK_EVERY_MS = 200;

async function untilAsked(
  questions: () => Promise<readonly OperatorQuestion[]>,
  step: string,
): Promise<OperatorQuestion> {
  for (const deadline = Date.now() + ASKED_WITHIN_MS; Date.now() < deadline; await wait(LOOK_EVERY_MS)) {
    const question = (await questions()).find((one) => one.step === step);
    if (question !== undefined) return question;
  }
  throw new Error(`the run did not ask at step '${step}'`);
}

/** Somebody agrees to what Terraform makes: to the plan that was shown, and to no other. */
export async function agreeToGround({ stage, screen, run, asked }: Desk): Promise<void> {
  const { message } = await asked('provision');
  const plan = /--input (plan=\w+)/.exec(message)?.[1];
  if (plan === undefined) throw new Error(`no word to agree with in: ${message}`);
  const words = ['runs', 'retry', run, 'provision', '--input', plan, '--reason', 'as shown'];
  screen.good((await say(stage, screen, words)).at(-1) ?? 'accepted');
}

/** Everybody signs the plan. It is shown to each of them once more; here only what that ends with is. */
export async function approveAll({ stage, screen, run, asked }: Desk): Promise<void> {
  await asked('approve');
  for (const { name, privateKey } of stage.people) {
    const words = ['approve', run, '--as', name, '--key', privateKey, '--confirm', stage.platform.name];
    const lines = await say(stage, screen, words);
    screen.good(lines.findLast((line) => line.startsWith('approved by')) ?? 'approved');
  }
}

/** Somebody reads the measured loss and says go. */
export async function sayGo({ stage, screen, run, asked }: Desk): Promise<void> {
  await asked('go');
  const words = ['runs', 'go', run, 'go', '--reason', 'nothing is lost'];
  screen.good((await say(stage, screen, words)).at(-1) ?? 'accepted');
}

async function say({ witness }: TwoSites, screen: Screen, words: readonly string[]): Promise<readonly string[]> {
  screen.line(`  ${screen.paint('bold', typed(words))}`);
  const lines: string[] = [];
  const exit = await witness.watch(words, (line) => void lines.push(line));
  if (exit !== 0) throw new Error(`${typed(words)} ended with ${exit}:\n${lines.join('\n')}`);
  return lines;
}
