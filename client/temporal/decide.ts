// Answering a run that waits for a person: the question in three lines, the ways to answer it, and the two updates.
import { createInterface } from 'node:readline/promises';
import { setTimeout as wait } from 'node:timers/promises';
import type { RestorePlan } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { OperatorQuestion, RunState, ShownPlan } from '../../domain/run-state.ts';
import { approvePlan, resolveStep, type StepDecision } from '../../workflows/messages.ts';
import { visible, visibleLines } from '../output/human.ts';
import type { Output } from '../output/output.ts';
import type { Temporal } from './connection.ts';
import { stateOf } from './observe.ts';
import { person } from './platform.ts';
import type { Run } from './start.ts';

export interface Desk {
  readonly temporal: Temporal;
  readonly run: Run;
  readonly output: Output;
  readonly platform: string;
  /** The name given with `--confirm`. */
  readonly confirm: string | undefined;
  /** Ends a question at the terminal when the command is detached. */
  readonly signal: AbortSignal;
}

/** Sends a decision. @throws the workflow's refusal, for example when the step does not wait. */
export async function decide(temporal: Temporal, run: string, decision: StepDecision): Promise<void> {
  const handle = temporal.client.workflow.getHandle(run);
  await temporal.ask(() => handle.executeUpdate(resolveStep, { args: [{ person: person(), ...decision }] }));
}

/** Deals with one question of the run. Returns when there is nothing more to say to it for now. */
export async function faceQuestion(desk: Desk, question: OperatorQuestion, state: RunState): Promise<void> {
  const { plan } = state;
  if (question.actions.includes('approve') && plan !== null) {
    desk.output.note(planText(plan));
    return whileOpen(desk, question, (open) => approve(open, question, plan));
  }
  desk.output.note(questionText(question, desk.run.id));
  if (desk.output.isInteractive) await whileOpen(desk, question, (open) => askAction(open, question));
}

const LOOK_MS = 2000;

// The question may be answered in the Web UI or at another terminal meanwhile: then this one stops asking.
async function whileOpen(desk: Desk, { step }: OperatorQuestion, work: (desk: Desk) => Promise<void>): Promise<void> {
  const closed = new AbortController();
  const signal = AbortSignal.any([desk.signal, closed.signal]);
  const watching = closeWhenAnswered(desk, step, closed);
  try {
    await work({ ...desk, signal });
  } finally {
    closed.abort();
    await watching;
  }
}

async function closeWhenAnswered(
  { temporal, run, output }: Desk,
  step: string,
  closed: AbortController,
): Promise<void> {
  for (;;) {
    await wait(LOOK_MS, undefined, { signal: closed.signal }).catch(() => undefined);
    if (closed.signal.aborted) return;
    const state = await stateOf(temporal, run.id, run.runId);
    if (state === null || state.questions.some((question) => question.step === step)) continue;
    if (!closed.signal.aborted) output.note('\nanswered elsewhere');
    return closed.abort();
  }
}

/** The three lines, and what can wait. */
export const questionLines = ({ step, message, safeToLeave }: OperatorQuestion): readonly string[] => [
  `step '${visible(step)}' waits for a person:`,
  visibleLines(message),
  ...(safeToLeave === '' ? [] : [`Until then: ${visible(safeToLeave)}`]),
];

/** The question and the commands that answer it. */
export function questionText(question: OperatorQuestion, run: string): string {
  const { step, actions } = question;
  const commands = actions
    .filter((action) => action !== 'approve')
    .map((action) => `  dr runs ${action} ${run} ${step} --reason "…"`);
  return [...questionLines(question), 'Answer here, in the Web UI (update resolveStep), or with:', ...commands].join(
    '\n',
  );
}

/** The plan as a person reads it before agreeing. */
export function planText(plan: ShownPlan): string {
  const { summary, warnings, steps, digest } = plan;
  return [
    `Plan: ${'request' in plan ? restoreTitle(plan) : plan.title}`,
    ...summary.map((line) => `  ${visible(line)}`),
    ...warnings.map((line) => `  WARNING: ${visible(line)}`),
    'Steps:',
    ...steps.map((step, index) => `  ${index + 1}. ${visible(step.title)}${step.hasUndo ? ' (can be undone)' : ''}`),
    `Digest: ${digest}`,
  ].join('\n');
}

function restoreTitle({ request: { backup, target, site } }: RestorePlan): string {
  const where = target === 'live' ? `site '${site}', LIVE` : 'scratch (isolated, thrown away)';
  return `restore ${backup.system}/${backup.backupId} into ${where}`;
}

async function approve(desk: Desk, question: OperatorQuestion, plan: ShownPlan): Promise<void> {
  const { temporal, run, output, platform, confirm } = desk;
  const typed = confirm ?? (output.isInteractive ? await typedName(desk) : undefined);
  if (desk.signal.aborted) return;
  if (typed !== platform) {
    const reason = typed === undefined ? 'the plan was not confirmed' : "the platform's name was not typed";
    await decide(temporal, run.id, { step: question.step, action: 'abort', reason });
    const what = typed === undefined ? 'the plan was not confirmed' : `'${visible(typed)}' is not the platform's name`;
    throw new Failure('NOT_CONFIRMED', what, { run: run.id });
  }
  const handle = temporal.client.workflow.getHandle(run.id);
  const approval = { digest: plan.digest, platform, person: person() };
  await temporal.ask(() => handle.executeUpdate(approvePlan, { args: [approval] }));
  output.note('approved');
}

const typedName = (desk: Desk): Promise<string> => ask(desk, "Type the platform's name to carry this out: ");

async function askAction(desk: Desk, { step, actions }: OperatorQuestion): Promise<void> {
  const words = actions.filter((action) => action !== 'approve');
  for (;;) {
    const word = await ask(desk, `${words.join(', ')}? (Enter: leave it waiting) `);
    const action = words.find((known) => known === word || known[0] === word);
    if (word === '' || desk.signal.aborted) return;
    if (action === undefined) continue;
    const reason = await ask(desk, 'reason: ');
    if (reason === '') continue;
    return decide(desk.temporal, desk.run.id, { step, action, reason });
  }
}

/** One line from the terminal; empty when the command is detached meanwhile. */
async function ask({ signal }: Desk, prompt: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    return (await terminal.question(prompt, { signal })).trim();
  } catch (error) {
    if (signal.aborted) return '';
    throw error;
  } finally {
    terminal.close();
  }
}
