// The journal of one takeover at the witness: `journal/<run id>/`. Records are created once; only the marks in `working/`,
// which say who is at work this very moment, are touched and removed.
import { mkdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../domain/failures.ts';
import {
  type ExecutorRecord,
  formatJournal,
  type JournalStep,
  parseBeginning,
  parseBegun,
  parseEnded,
  partsOfRun,
  type RunBeginning,
  type RunJournal,
  type StepBegun,
  type StepEnd,
} from '../../domain/journal.ts';
import { asDiskFailure, publishRecord, readRecord, recordNames, unless } from '../shared/durable-files.ts';

const BEGINNING = 'run.json';
const END = 'end.json';
const BEGUN = '.begun.json';
const ENDED = '.ended.json';
const EXECUTOR = /^executor-(\d{4})\.json$/;
const RUN_ID = /^[\w-]+$/;

export class JournalStore {
  private readonly folder: string;
  readonly run: string;

  /** @param run `<workflow id>/<run id>`. @throws {Failure} JOURNAL_BROKEN for a run id that is no name of a folder. */
  constructor(witnessDirectory: string, run: string) {
    const { id } = partsOfRun(run);
    if (!RUN_ID.test(id)) throw new Failure('JOURNAL_BROKEN', `'${id}' is no id of a run`);
    this.run = run;
    this.folder = join(witnessDirectory, 'journal', id);
  }

  /** Whether this machine sees the journal: it is not there for a run of an earlier release, nor away from the witness. */
  async isKept(): Promise<boolean> {
    return (await unless(['ENOENT'], () => stat(join(this.folder, BEGINNING)))) !== undefined;
  }

  /** Does: creates the first record. Repeat: leaves it. Undo: none: what was begun stays written down. */
  async begin(beginning: RunBeginning): Promise<void> {
    await publishRecord(this.folder, BEGINNING, formatJournal(beginning));
  }

  /** Whether nothing is left to do. */
  async isClosed(): Promise<boolean> {
    return (await unless(['ENOENT'], () => stat(join(this.folder, END)))) !== undefined;
  }

  /** Does: writes that nothing is left to do. Repeat: leaves it. Undo: none. */
  async close(endedAt: string): Promise<void> {
    await publishRecord(this.folder, END, formatJournal({ format: 1, endedAt }));
  }

  /** Who carries the run out: 0 is Temporal. */
  async executor(): Promise<number> {
    const names = await recordNames(this.below('executors'));
    return Math.max(0, ...names.map((name) => Number(EXECUTOR.exec(name)?.[1] ?? 0)));
  }

  /**
   * Does: takes the next number, only if nobody has it. Repeat: takes another one. Undo: none: whoever has a higher number
   * goes on.
   * @throws {Failure} STILL_WORKING when somebody was quicker.
   */
  async takeOver(after: number, person: string, at: string): Promise<number> {
    const number = after + 1;
    const record: ExecutorRecord = { format: 1, run: this.run, number, person, at };
    const name = `executor-${String(number).padStart(4, '0')}.json`;
    if (await publishRecord(this.below('executors'), name, formatJournal(record))) return number;
    throw new Failure('STILL_WORKING', `somebody else has just taken '${this.run}' over`, { run: this.run });
  }

  /** Does: writes the intent of a step. Repeat: leaves the first one. Undo: none. */
  async writeBegun(begun: StepBegun): Promise<void> {
    await publishRecord(this.below('steps'), nameOf(begun) + BEGUN, formatJournal(begun));
  }

  /** Does: writes how a step ended. Repeat: leaves the first one. Undo: none. */
  async writeEnded(begun: StepBegun, end: StepEnd, endedAt: string): Promise<void> {
    await publishRecord(this.below('steps'), nameOf(begun) + ENDED, formatJournal({ format: 1, endedAt, end }));
  }

  /** How this very step ended, where an earlier attempt came to its end. */
  async endOf(begun: StepBegun): Promise<StepEnd | null> {
    return this.readEnd(nameOf(begun));
  }

  /** Marks that somebody is at work on a step, and renews the mark. */
  async mark(begun: StepBegun): Promise<void> {
    const path = this.pathOfMark(begun);
    const now = new Date();
    try {
      if ((await unless(['ENOENT'], () => utimes(path, now, now).then(() => true))) === true) return;
      await mkdir(this.below('working'), { recursive: true, mode: 0o700 });
      await writeFile(path, '', { mode: 0o600 });
    } catch (error) {
      throw asDiskFailure(error, path);
    }
  }

  async unmark(begun: StepBegun): Promise<void> {
    await rm(this.pathOfMark(begun), { force: true });
  }

  /** The marks that are there, each with its time: they change while somebody is at work. */
  async marks(): Promise<readonly string[]> {
    const names = await recordNames(this.below('working'));
    const marks = names.map((name) =>
      unless(['ENOENT'], async () => `${name} ${(await stat(join(this.below('working'), name))).mtimeMs}`),
    );
    return (await Promise.all(marks)).filter((mark) => mark !== undefined).sort();
  }

  /** Everything that is written. @throws {Failure} JOURNAL_BROKEN. */
  async read(): Promise<RunJournal> {
    const beginning = parseBeginning(await readRecord(join(this.folder, BEGINNING)), BEGINNING);
    const names = (await recordNames(this.below('steps'))).filter((name) => name.endsWith(BEGUN));
    return { beginning, steps: await Promise.all(names.map((name) => this.readStep(name))) };
  }

  private async readStep(name: string): Promise<JournalStep> {
    const begun = parseBegun(await readRecord(join(this.below('steps'), name)), name);
    return { begun, end: await this.readEnd(name.slice(0, -BEGUN.length)) };
  }

  private async readEnd(step: string): Promise<StepEnd | null> {
    const name = step + ENDED;
    const text = await unless(['ENOENT'], () => readRecord(join(this.below('steps'), name)));
    return text === undefined ? null : parseEnded(text, name).end;
  }

  private below(part: string): string {
    return join(this.folder, part);
  }

  private pathOfMark(begun: StepBegun): string {
    return join(this.below('working'), nameOf(begun));
  }
}

// Executors ask in the same order, but one may ask for something that the one before it did not.
const nameOf = ({ executor, workflowRun, call }: StepBegun): string => `${executor}.${workflowRun}.${call}`;
