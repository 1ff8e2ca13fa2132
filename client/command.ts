// What a command is, as data. Help, option parsing and exit codes look the same everywhere because of it.
import type { Output } from './output/output.ts';

export type ExitName = keyof typeof EXIT_MEANINGS;

/** What each exit code means; every help text lists its own. */
export const EXIT_MEANINGS = {
  done: '0 done',
  failed: '1 failed',
  usage: '2 usage or configuration',
  warnings: '3 done with warnings',
  refused: '4 refused by a gate or not approved',
  locked: '5 locked by another run',
  notFound: '6 not found',
  noTemporal: '7 no Temporal or no worker',
  objectiveMissed: '8 objective missed',
  verificationFailed: '9 verification failed',
  cannotDecrypt: '10 cannot decrypt',
  toolMissing: '11 a tool is missing',
  undone: '12 undone safely',
  stuck: '13 stuck: a person is needed',
  detached: '130 detached: the run goes on',
} as const;

export interface OptionSpec {
  /** As commander reads it: `--backup <id>`, `--all`. */
  readonly flags: string;
  readonly description: string;
  /** May be given several times. */
  readonly repeatable?: boolean;
  readonly choices?: readonly string[];
  readonly default?: string;
}

/** The words of one call: what stands on the command line, and where its answer goes. */
export interface Call {
  readonly args: readonly string[];
  readonly options: CallOptions;
  readonly output: Output;
}

export interface CallOptions {
  text(name: string): string | undefined;
  flag(name: string): boolean;
  list(name: string): readonly string[];
}

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  /** As commander reads it: `[system...]`. */
  readonly args?: string;
  readonly options?: readonly OptionSpec[];
  /** Shown first in the help. */
  readonly examples: readonly (readonly [line: string, does: string])[];
  /** Exit codes beside 0, 1 and 2. */
  readonly exits?: readonly ExitName[];
  /** More help, after the options. */
  readonly notes?: string;
  /** @returns the exit code. @throws {Failure} which is told in three lines. */
  run(call: Call): Promise<number>;
}

/** A word with commands below it, such as `dr backups list`. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly CommandSpec[];
}

export type CommandModule = CommandSpec | CommandGroup;
