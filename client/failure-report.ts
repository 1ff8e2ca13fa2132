// Any error to the three lines and the exit code; with --json to the same as data.
import { describeFailure, EXIT, FAILURES, Failure, type FailureCode } from '../domain/failures.ts';
import { wireFailureOf } from '../domain/wire-failure.ts';
import { visibleLines } from './output/human.ts';
import type { Output } from './output/output.ts';

export interface ToldFailure {
  readonly code: FailureCode;
  /** The three lines. */
  readonly message: string;
  readonly exit: number;
  /** What the run had to say in spite of its failure. */
  readonly result: unknown;
}

/** What to tell about an error of ours, of Temporal or of the command line. */
export function toldFailure(error: unknown): ToldFailure {
  if (error instanceof Failure)
    return told(error.code, describeFailure(error.code, error.message, error.details), error.details.result);
  const ended = endedRun(error);
  if (ended) return toldFailure(ended);
  const { code, message, details } = wireFailureOf(error);
  return told(code, message.includes('\nMEANS: ') ? message : describeFailure(code, message), details.result);
}

// A run that was cancelled or terminated has no failure of ours in its chain, unless it ended by one all the same.
function endedRun(error: unknown): Failure | null {
  const cause = error instanceof Error ? error.cause : undefined;
  if (!(cause instanceof Error)) return null;
  if (cause.name === 'TerminatedFailure') return new Failure('RUN_TERMINATED', 'the run was terminated', {}, error);
  return cause.name === 'CancelledFailure' ? new Failure('ABORTED', 'the run was cancelled', {}, error) : null;
}

function told(code: FailureCode, message: string, result: unknown): ToldFailure {
  return { code, message, exit: FAILURES[code].exit, result };
}

/** Prints the failure and returns its exit code. */
export function reportFailure(error: unknown, output: Output): number {
  const help = helpExit(error);
  if (help !== null) return help;
  const failure = toldFailure(usageOf(error));
  const [what = '', ...rest] = visibleLines(failure.message).split('\n');
  if (output.isJson) {
    const { code, message, exit, result } = failure;
    output.answer('', { error: { code, exit, message }, ...(result === undefined ? {} : { result }) });
  } else output.note([output.paintNote('red', what), ...rest].join('\n'));
  return failure.exit;
}

// Commander throws to end: for help that was asked for, and for words that it does not know.
interface CommanderEnd {
  readonly code: string;
  readonly exitCode: number;
  readonly message: string;
}

const isCommanderEnd = (error: unknown): error is CommanderEnd =>
  error instanceof Error && String((error as Partial<CommanderEnd>).code ?? '').startsWith('commander.');

function helpExit(error: unknown): number | null {
  if (!isCommanderEnd(error)) return null;
  if (error.exitCode === 0) return EXIT.done;
  return error.code === 'commander.help' ? EXIT.usage : null;
}

function usageOf(error: unknown): unknown {
  if (!isCommanderEnd(error)) return error;
  const what = error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
  return new Failure('USAGE', what);
}
