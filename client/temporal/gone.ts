// Before a run is taken from Temporal: does it answer, and does the run go on there?
import type { Configuration } from '../../domain/configuration/schema.ts';
import { Failure } from '../../domain/failures.ts';
import { connectTemporal } from './connection.ts';

const DEADLINE_MS = 3000;

/** @throws {Failure} TEMPORAL_ALIVE when it answers and has the run open. */
export async function requireTemporalGone(configuration: Configuration, run: string): Promise<void> {
  if (!(await isOpenThere(configuration, run))) return;
  throw new Failure('TEMPORAL_ALIVE', `Temporal answers, and '${run}' goes on there`, { run });
}

async function isOpenThere(configuration: Configuration, run: string): Promise<boolean> {
  try {
    const temporal = await connectTemporal(configuration, DEADLINE_MS);
    try {
      const { status } = await temporal.ask(() => temporal.client.workflow.getHandle(run).describe());
      return status.name === 'RUNNING';
    } finally {
      await temporal.close();
    }
  } catch (error) {
    if (error instanceof Failure && (error.code === 'NO_TEMPORAL' || error.code === 'RUN_NOT_FOUND')) return false;
    throw error;
  }
}
