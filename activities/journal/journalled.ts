// What is put around every activity of a takeover: only the current executor may act, its intent is written before and its
// end after, and an attempt that comes again after the end finds it.
import { createHash } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/activity';
import { Failure } from '../../domain/failures.ts';
import type { JournalNote, RecordedFailure, StepBegun, StepEnd } from '../../domain/journal.ts';
import { canonicalJson, type JsonValue } from '../../domain/json.ts';
import { translateError } from '../shared/activity-boundary.ts';
import { withFurtherSignal } from '../shared/activity-context.ts';
import { JournalStore } from './journal-store.ts';

/** One attempt of an activity, as its worker sees it. */
export interface Attempt {
  readonly workflow: string;
  readonly workflowRun: string;
  readonly call: number;
  readonly activity: string;
  readonly input: unknown;
  /** True when a failure of this attempt is the last word. */
  readonly isLast: boolean;
}

export interface Place {
  readonly witnessDirectory: string;
  /** Who this worker works for: 0 is Temporal. */
  readonly executor: number;
}

/** How often somebody at work looks whether the run was taken over, and renews the mark. */
const LOOK_MS = 1000;

export const digestOf = (input: unknown): string => createHash('sha256').update(canonicalJson(input)).digest('hex');

/**
 * Does: carries `work` out as a step of the journal that `note` names; where this machine does not see one, as it is.
 * Repeat: answers with what an earlier attempt came to. Undo: that of `work`.
 * @throws TAKEN_OVER, not to be tried again, before or while it works.
 */
export async function journalled(
  place: Place,
  note: JournalNote,
  attempt: Attempt,
  work: () => Promise<unknown>,
): Promise<unknown> {
  const journal = new JournalStore(place.witnessDirectory, note.run);
  if (note.begins !== null) await begin(journal, note, note.begins);
  else if (!(await journal.isKept())) return work();
  const step = stepOf(place, note, attempt);
  await journal.mark(step);
  try {
    await requireCurrent(journal, place.executor);
    return await carryOut(journal, step, attempt, work);
  } finally {
    await journal.unmark(step);
  }
}

const begin = (journal: JournalStore, { run, startedAt }: JournalNote, begins: NonNullable<JournalNote['begins']>) =>
  journal.begin({ format: 1, run, startedAt, ...begins });

function stepOf({ executor }: Place, note: JournalNote, attempt: Attempt): StepBegun {
  const { workflow, workflowRun, call, activity, input } = attempt;
  const { startedAt, at, told, cancelled } = note;
  return {
    ...{ format: 1, workflow, workflowRun, startedAt, call, activity, digest: digestOf(input) },
    ...{ executor, at, begunAt: new Date().toISOString(), told, cancelled },
  };
}

async function carryOut(
  journal: JournalStore,
  step: StepBegun,
  { isLast }: Attempt,
  work: () => Promise<unknown>,
): Promise<unknown> {
  await journal.writeBegun(step);
  const known = await journal.endOf(step);
  if (known?.kind === 'done') return known.result;
  const watch = watchOver(journal, step);
  try {
    const result = await withFurtherSignal(watch.signal, work);
    await end(journal, step, result === undefined ? { kind: 'done' } : { kind: 'done', result: result as JsonValue });
    return result;
  } catch (error) {
    if (watch.signal.aborted) throw watch.signal.reason;
    const failure = finalFailure(error, isLast);
    if (failure !== null) await end(journal, step, { kind: 'failed', failure });
    throw error;
  } finally {
    watch.stop();
  }
}

// The audit record of the takeover itself is the last thing that it leaves.
async function end(journal: JournalStore, step: StepBegun, how: StepEnd): Promise<void> {
  const at = new Date().toISOString();
  await journal.writeEnded(step, how, at);
  const isItsOwn = journal.run === `${step.workflow}/${step.workflowRun}`;
  if (isItsOwn && step.activity === 'audit.record' && how.kind === 'done') await journal.close(at);
}

function finalFailure(error: unknown, isLast: boolean): RecordedFailure | null {
  if (!(error instanceof ApplicationFailure) || !(isLast || error.nonRetryable)) return null;
  const { type, message, details } = error;
  return { type: type ?? 'BUG', message, details: (details ?? []) as JsonValue[] };
}

async function requireCurrent(journal: JournalStore, executor: number): Promise<void> {
  const current = await journal.executor();
  if (current !== executor) throw takenOver(journal, current);
}

const takenOver = ({ run }: JournalStore, current: number): Error =>
  translateError(
    new Failure('TAKEN_OVER', `'${run}' was taken over by executor ${current}`, { run: run.replace(/\/[^/]*$/, '') }),
  );

// A witness that cannot be looked at says nothing of the run: the step goes on, and its end cannot be written either.
function watchOver(journal: JournalStore, step: StepBegun) {
  const taken = new AbortController();
  const look = async () => {
    await journal.mark(step);
    const current = await journal.executor();
    if (current !== step.executor) taken.abort(takenOver(journal, current));
  };
  const timer = setInterval(() => void look().catch(() => undefined), LOOK_MS);
  return { signal: taken.signal, stop: () => clearInterval(timer) };
}
