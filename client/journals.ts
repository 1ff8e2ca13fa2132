// Takeovers that can go on without Temporal, as far as this machine sees the witness.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Configuration } from '../domain/configuration/schema.ts';
import { Failure } from '../domain/failures.ts';
import { parseBeginning, partsOfRun } from '../domain/journal.ts';

/** What carries a run on without Temporal. */
export const continueCommand = (run: string): string => `dr failover continue ${run} --without-temporal`;

/** A silence of Temporal, told with the command that carries the open takeover on, where there is one. */
export async function withWayOut(error: unknown, configuration: Configuration): Promise<unknown> {
  if (!(error instanceof Failure) || error.code !== 'NO_TEMPORAL') return error;
  const runs = await openRuns(join(configuration.witness.directory, 'journal'));
  if (runs.length === 0) return error;
  const ways = runs.map((run) => `${run} can be finished without it: ${continueCommand(run)}`);
  return new Failure('NO_TEMPORAL', [error.message, ...ways].join('\n'), error.details, error);
}

// What cannot be read here is no way out that could be offered.
async function openRuns(folder: string): Promise<readonly string[]> {
  const ids = await readdir(folder).catch(() => []);
  const runs = await Promise.all(ids.map((id) => openRun(join(folder, id)).catch(() => null)));
  return [...new Set(runs.filter((run) => run !== null))];
}

async function openRun(folder: string): Promise<string | null> {
  const { run } = parseBeginning(await readFile(join(folder, 'run.json'), 'utf8'), 'run.json');
  const hasEnded = await stat(join(folder, 'end.json')).then(
    () => true,
    () => false,
  );
  return hasEnded ? null : partsOfRun(run).workflow;
}
