// Finding a run's journal at the witness, and making sure that nobody else works on it.
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { createFailover } from '../../activities/failover/index.ts';
import { JournalStore } from '../../activities/journal/journal-store.ts';
import { recordNames } from '../../activities/shared/durable-files.ts';
import type { Configuration } from '../../domain/configuration/schema.ts';
import { type EpochRecord, lostTo } from '../../domain/epoch.ts';
import { requireNoneOpen } from '../../domain/failover.ts';
import { Failure } from '../../domain/failures.ts';
import { partsOfRun, type RunJournal } from '../../domain/journal.ts';

/** The newest journal of a run, by its workflow id or by `<workflow id>/<run id>`. @throws {Failure} RUN_NOT_FOUND. */
export async function findJournal(witnessDirectory: string, run: string): Promise<JournalStore> {
  const ids = await recordNames(join(witnessDirectory, 'journal'));
  const stores = ids.map((id) => new JournalStore(witnessDirectory, `${run}/${id}`));
  const found = await Promise.all(
    stores.map(async (store) => ((await store.isKept()) ? [(await store.read()).beginning] : [])),
  );
  const [newest] = found
    .flat()
    .filter((one) => one.run === run || partsOfRun(one.run).workflow === run)
    .sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
  if (newest !== undefined) return new JournalStore(witnessDirectory, newest.run);
  throw new Failure('RUN_NOT_FOUND', `the witness has no journal of '${run}'`, { run });
}

/** Longer than a worker that is at work leaves its mark alone: it renews it every second. */
const QUIET_MS = 6000;
const PATIENCE_MS = 60_000;

/**
 * Waits until nobody is at work on the run: whoever lives has seen that it was taken over and stops. Marks are watched, not
 * read: the clock of another machine says nothing here.
 * @throws {Failure} STILL_WORKING when somebody goes on for a minute.
 */
export async function untilNobodyWorks(journal: JournalStore): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  const look = async () => (await journal.marks()).join('\n');
  for (let [seen, since] = [await look(), Date.now()]; seen !== '' && Date.now() - since < QUIET_MS; ) {
    if (Date.now() > deadline)
      throw new Failure('STILL_WORKING', `a worker still works on '${journal.run}'`, { run: journal.run });
    await wait(250);
    const now = await look();
    if (now !== seen) [seen, since] = [now, Date.now()];
  }
}

/**
 * The world may have moved on since the journal's last line.
 * @throws {Failure} EPOCH_TAKEN when another run decides by now; FENCE_OPEN when the old site serves again.
 */
export async function requireStillOurs(configuration: Configuration, { beginning, steps }: RunJournal): Promise<void> {
  const failover = createFailover({ configuration });
  const done = (activity: string) =>
    steps.flatMap(({ begun, end }) => (begun.activity === activity && end?.kind === 'done' ? [end.result] : []));
  const taken = done('failover.takeEpoch') as unknown as readonly EpochRecord[];
  const { record } = await failover.readEpoch({});
  const last = taken.reduce((most, { number }) => Math.max(most, number), 0);
  if (last > 0 && record !== null && record.number > last && record.run !== beginning.run) throw lostTo(record);
  const isTakenBack = taken.some(({ intent }) => intent === 'undo') || done('failover.undoFence').length > 0;
  const from = taken.at(-1)?.from;
  if (from === undefined || isTakenBack || done('failover.fence').length === 0) return;
  requireNoneOpen(from, await failover.probeFence({ site: from }));
}
