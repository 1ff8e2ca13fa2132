// Following a run to its end. Ctrl-C detaches: the run goes on, and the command says how to find it again.
import { setTimeout as wait } from 'node:timers/promises';
import { WorkflowFailedError } from '@temporalio/client';
import { EXIT, Failure } from '../../domain/failures.ts';
import { wireFailureOf } from '../../domain/wire-failure.ts';
import { makePainter, type Painter } from '../output/live.ts';
import type { Output } from '../output/output.ts';
import type { Temporal } from './connection.ts';
import { type Desk, faceQuestion } from './decide.ts';
import { observe, type Snapshot } from './observe.ts';
import type { Run } from './start.ts';

export type Followed<Result> = Ended<Result> | { readonly detached: true };

/** A run's end. A failed run may have a result too: what it had found out by then. */
export interface Ended<Result> {
  readonly result: Result | null;
  readonly failure: unknown;
}

export interface FollowOptions {
  readonly platform: string;
  readonly confirm?: string | undefined;
}

// Short runs end within the first looks; long ones are looked at once a second.
const FIRST_MS = 150;
const EVERY_MS = 1000;
const SILENCE_MS = 60_000;

/**
 * Shows a run until it ends and returns what it left.
 * @throws {Failure} NO_TEMPORAL when Temporal stays silent for a minute (the run goes on), NOT_CONFIRMED.
 */
export async function follow<Result>(
  temporal: Temporal,
  run: Run,
  output: Output,
  options: FollowOptions,
): Promise<Followed<Result>> {
  output.note(`${run.id}\n${run.link}`);
  const detach = detachOnSignal();
  try {
    const desk = { temporal, run, output, confirm: undefined, ...options, signal: detach.signal };
    const ended = await watch(desk, makePainter(output));
    if (!ended) return leave(output, run);
    return await endOf<Result>(temporal, run);
  } finally {
    detach.release();
  }
}

async function endOf<Result>(temporal: Temporal, { id, runId }: Run): Promise<Ended<Result>> {
  try {
    const result = await temporal.ask(() => temporal.client.workflow.getHandle(id, runId).result());
    return { result: result as Result, failure: null };
  } catch (failure) {
    if (!(failure instanceof WorkflowFailedError)) throw failure;
    return { result: (wireFailureOf(failure).details.result as Result | undefined) ?? null, failure };
  }
}

/**
 * Tells the end of a run and returns the exit code. A failed run's result is shown to people before its failure is told;
 * with JSON both are in the one document.
 * @throws the run's failure.
 */
export function conclude<Result>(output: Output, followed: Followed<Result>, tell: (result: Result) => number): number {
  if ('detached' in followed) return EXIT.detached;
  const { result, failure } = followed;
  if (failure === null) return tell(result as Result);
  if (result !== null && !output.isJson) tell(result);
  throw failure;
}

function leave(output: Output, run: Run): { readonly detached: true } {
  const again = `dr runs watch ${run.id}`;
  output.note(`detached: the run goes on; watch it with '${again}'`);
  if (output.isJson) output.answer('', { run: run.id, detached: true, exit: EXIT.detached });
  return { detached: true };
}

async function watch(desk: Desk, painter: Painter): Promise<boolean> {
  const faced = new Set<string>();
  let [heardAt, pause] = [Date.now(), FIRST_MS];
  while (!desk.signal.aborted) {
    const snapshot = await look(desk, heardAt);
    if (snapshot !== null) {
      heardAt = Date.now();
      painter.show(snapshot);
      if (snapshot.status !== 'RUNNING') return true;
      await faceNew(desk, snapshot, faced, painter);
    }
    pause = Math.min(pause * 1.5, EVERY_MS);
    await wait(pause, undefined, { signal: desk.signal }).catch(() => undefined);
  }
  return false;
}

async function look({ temporal, run, output }: Desk, heardAt: number): Promise<Snapshot | null> {
  try {
    return await observe(temporal, run.id, run.runId);
  } catch (error) {
    const isSilent = error instanceof Failure && error.code === 'NO_TEMPORAL';
    if (!isSilent || Date.now() - heardAt > SILENCE_MS) throw error;
    output.note('Temporal does not answer; the run is kept there, trying again');
    return null;
  }
}

// A question is shown once; when the same step asks again later, it is a new question.
async function faceNew(desk: Desk, { state }: Snapshot, faced: Set<string>, painter: Painter): Promise<void> {
  const open = state?.questions ?? [];
  for (const step of faced) if (!open.some((question) => question.step === step)) faced.delete(step);
  for (const question of open) {
    if (state === null || faced.has(question.step)) continue;
    faced.add(question.step);
    painter.rest();
    await faceQuestion(desk, question, state);
  }
}

function detachOnSignal(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const detach = () => controller.abort();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.on(name, detach);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of signals) process.off(name, detach);
    },
  };
}
