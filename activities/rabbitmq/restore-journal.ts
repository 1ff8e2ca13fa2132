// The journal of a live restore is kept in the broker itself, as a global parameter of ours: whichever worker goes on
// finds it, and a broker that is thrown away takes it along.
import { createHash } from 'node:crypto';
import { Failure } from '../../domain/failures.ts';
import { type Definitions, JOURNAL_NAME } from '../../domain/systems/rabbitmq-definitions.ts';
import { type Filling, type QueueRef, refKey } from '../../domain/systems/rabbitmq-restore.ts';
import { type Management, segment } from './management.ts';

type Entry = NonNullable<Definitions['permissions']>[number];

export interface RestoreJournal {
  readonly run: string;
  /** Permissions as they were before applications were locked out. */
  readonly permissions: readonly Entry[];
  readonly lockedVhosts: readonly string[];
  /** What this run creates, written down before it does. */
  readonly creates: Definitions;
  readonly fillings: readonly Filling[];
  /** Targets whose filling has begun: until then they must be empty. */
  readonly begun: readonly string[];
  /** Targets that are filled and were counted. */
  readonly filled: readonly string[];
  /** Messages confirmed, of targets that let messages go by themselves and so cannot be counted. */
  readonly confirmed: Readonly<Record<string, number>>;
  readonly isOpen: boolean;
}

const PATH = `/api/global-parameters/${segment(JOURNAL_NAME)}`;

/** The journal of this run, or null. @throws {Failure} LOCKED when another run's is there. */
export async function findJournal(management: Management, run: string): Promise<RestoreJournal | null> {
  const found = await management.find<{ value: RestoreJournal }>(PATH);
  if (found === null) return null;
  if (found.value.run !== run)
    throw new Failure('LOCKED', `the broker is being restored by run '${found.value.run}'`, { run: found.value.run });
  return found.value;
}

/** @throws {Failure} PLAN_CHANGED when the run has not begun. */
export async function requireJournal(management: Management, run: string): Promise<RestoreJournal> {
  const journal = await findJournal(management, run);
  if (journal) return journal;
  throw new Failure(
    'PLAN_CHANGED',
    'the broker knows nothing of this restore: its first step was not done or was undone',
  );
}

export async function writeJournal(management: Management, journal: RestoreJournal): Promise<void> {
  await management.put(PATH, { name: JOURNAL_NAME, value: journal });
}

/** Removes this run's journal; another run's stays. */
export async function removeJournal(management: Management, run: string): Promise<void> {
  const found = await management.find<{ value: RestoreJournal }>(PATH);
  if (found?.value.run === run) await management.remove(PATH);
}

/** Notes how far the filling of a queue is; `confirmed` for a target that cannot be counted. */
export async function noteFilling(
  management: Management,
  journal: RestoreJournal,
  to: QueueRef,
  { what, confirmed }: { readonly what: 'begun' | 'filled'; readonly confirmed: number | null },
): Promise<RestoreJournal> {
  const key = refKey(to);
  const next = {
    ...journal,
    [what]: [...new Set([...journal[what], key])],
    confirmed: confirmed === null ? journal.confirmed : { ...journal.confirmed, [key]: confirmed },
  };
  await writeJournal(management, next);
  return next;
}

/** SHA-256 of a text, hex: what an approval binds to. */
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
