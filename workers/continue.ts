// Carries a takeover on without Temporal: `node workers/continue.ts --config FILE --run RUN`, started by
// `dr failover continue`. Both talk over the channel between parent and child (`ContinuationNews`, `ContinuationWord`).
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { JournalStore } from '../activities/journal/journal-store.ts';
import { asFailure } from '../activities/shared/activity-boundary.ts';
import type { Configuration } from '../domain/configuration/schema.ts';
import type { ContinuationFailure, ContinuationNews, ContinuationWord } from '../domain/contracts/continuation.ts';
import { Failure, type FailureDetails } from '../domain/failures.ts';
import type { RunJournal } from '../domain/journal.ts';
import type { JsonValue } from '../domain/json.ts';
import { wireFailureOf } from '../domain/wire-failure.ts';
import { readConfiguration } from './configuration-file.ts';
import { ContinuedRun, outcomeOf } from './continuation/continued-run.ts';
import { findJournal, requireStillOurs, untilNobodyWorks } from './continuation/journals.ts';
import { openSandbox } from './continuation/sandbox.ts';
import { type Activities, activitiesFor } from './wiring.ts';

const LOOK_MS = 250;

const { values } = parseArgs({ options: { config: { type: 'string' }, run: { type: 'string' } } });

const send = (news: ContinuationNews): Promise<void> =>
  new Promise((resolve, reject) => {
    process.send?.(news, undefined, undefined, (error) => (error ? reject(error) : resolve()));
  });

process.on('disconnect', () => process.exit(1)); // Nobody watches any more: like a crash, and the journal has the rest.
await main().catch(async (error) => {
  await send({ kind: 'ended', result: null, failure: told(asFailure(error)) });
});
process.exit();

async function main(): Promise<void> {
  const configuration = await readConfiguration(values.config ?? 'holdfast.yaml');
  const store = await findJournal(configuration.witness.directory, values.run ?? '');
  const journal = await store.read();
  await requireStillOurs(configuration, journal);
  await tellFound(store, journal);
  const [go] = (await once(process, 'message')) as [ContinuationWord];
  if (go.kind !== 'go') throw new Failure('BUG', `the command said '${go.kind}' before it said go`);
  const executor = await store.takeOver(await store.executor(), go.person, new Date().toISOString());
  await untilNobodyWorks(store);
  await send({ kind: 'begun', executor });
  await carryOn(configuration, store, executor);
}

// Everything that is written is told through, and nothing else is done.
async function tellFound(store: JournalStore, journal: RunJournal): Promise<void> {
  const sandbox = await openSandbox();
  const looked = await ContinuedRun.begin(sandbox, journal, null);
  const { run, workflow, startedAt } = journal.beginning;
  const open = journal.steps.filter(({ end }) => end === null).length;
  const found = { run, workflow, startedAt, executor: await store.executor() };
  const counts = { done: journal.steps.length - open, open, ended: await store.isClosed() };
  await send({ kind: 'found', run: { ...found, ...counts }, state: await looked.settledState() });
  await sandbox.close();
}

async function carryOn(configuration: Configuration, store: JournalStore, executor: number): Promise<void> {
  const run = await ContinuedRun.begin(await openSandbox(), await store.read(), {
    place: { witnessDirectory: configuration.witness.directory, executor },
    activitiesOf: activitiesByQueue(configuration),
  });
  process.on('message', (word: ContinuationWord) => void hear(run, word));
  const watched = new AbortController();
  const watching = watch(run, watched.signal);
  const ending = await run.ended;
  watched.abort();
  await watching;
  const outcome = outcomeOf(ending);
  if ('result' in outcome) await send({ kind: 'ended', result: outcome.result, failure: null });
  else await send({ kind: 'ended', ...failureTold(outcome.error) });
}

function activitiesByQueue(configuration: Configuration): (queue: string) => Promise<Activities> {
  const made = new Map<string, Promise<Activities>>();
  return (queue) => {
    const known = made.get(queue) ?? activitiesFor(queue, configuration, { file: values.config ?? 'holdfast.yaml' });
    made.set(queue, known);
    return known;
  };
}

async function watch(run: ContinuedRun, signal: AbortSignal): Promise<void> {
  let last = '';
  while (!signal.aborted) {
    const state = await run.settledState();
    const text = JSON.stringify(state);
    if (text !== last) await send({ kind: 'state', state });
    last = text;
    await wait(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function hear(run: ContinuedRun, word: ContinuationWord): Promise<void> {
  if (word.kind !== 'tell') return;
  try {
    await run.tell(word.name, word.said as JsonValue);
  } catch (error) {
    await send({ kind: 'refused', step: word.step, message: wireFailureOf(error).message });
  }
}

function told({ code, message, details }: Failure): ContinuationFailure {
  return { code, message, details };
}

function failureTold(error: Error): { readonly result: unknown; readonly failure: ContinuationFailure } {
  if (error instanceof Failure) return { result: null, failure: told(error) };
  const { code, message, details } = wireFailureOf(error);
  const { whatHappened, result = null, ...facts } = details;
  const what = typeof whatHappened === 'string' ? whatHappened : (message.split('\n', 1)[0] ?? code);
  return { result, failure: { code, message: what, details: facts as FailureDetails } };
}
