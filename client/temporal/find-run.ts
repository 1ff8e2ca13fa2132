// A run by the id that a person typed.
import { Failure } from '../../domain/failures.ts';
import { type Temporal, webLink } from './connection.ts';
import type { Run } from './start.ts';

/** The newest run of that id. @throws {Failure} RUN_NOT_FOUND, USAGE. */
export async function findRun(temporal: Temporal, id: string): Promise<Run> {
  if (id === '') throw new Failure('USAGE', 'which run? name one as the list of runs shows them');
  const { runId } = await temporal.ask(() => temporal.client.workflow.getHandle(id).describe());
  return { id, runId, link: webLink(temporal, id, runId) };
}
