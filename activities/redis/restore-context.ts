// What every step of a restore needs, made again from the plan: nothing is remembered between two activities.
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import type { StoredBackup } from '../../domain/contracts/backup-content.ts';
import type { RestorePlan } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { type RestoreMode, selectionOf } from '../../domain/systems/redis-restore.ts';
import type { TtlPolicy } from '../../domain/systems/redis-ttl.ts';
import { withStore } from './client.ts';
import type { KeySelection } from './compare.ts';
import { type RedisDependencies, runName } from './run-folder.ts';
import { withScratch } from './scratch.ts';
import type { ServerFiles } from './server-facts.ts';
import { scratchContent } from './stored-content.ts';

/** What the plan rests on. */
export interface Observed {
  readonly mode: RestoreMode;
  readonly ttl: TtlPolicy;
  /** Identity and run id of the live server; run id null when it could not be reached, both null for scratch. */
  readonly identity: string | null;
  readonly runId: string | null;
  readonly files: ServerFiles | null;
}

export interface RestoreContext {
  readonly deps: RedisDependencies;
  readonly plan: RestorePlan;
  readonly observed: Observed;
  readonly stored: StoredBackup;
  readonly selection: KeySelection;
  /** Where what is replaced is kept until somebody removes it. */
  readonly keptFolder: string;
}

/** Opens the plan's backup again. */
export async function contextOf(deps: RedisDependencies, plan: RestorePlan): Promise<RestoreContext> {
  const { request } = plan;
  return {
    deps,
    plan,
    observed: plan.observed as unknown as Observed,
    stored: await deps.reader.open(request.backup, request.tier ?? undefined),
    selection: selectionOf(request),
    keptFolder: keptFolder(deps, request.run),
  };
}

/** Kept data is outside the run's folder, which goes when the run is finished. */
export function keptFolder(deps: RedisDependencies, run: string): string {
  return join(deps.workDirectory, 'kept', runName(run), 'redis');
}

/** Runs `work` with the loaded scratch server of the run. */
export function withLoaded<T>(context: RestoreContext, work: (scratch: Redis) => Promise<T>): Promise<T> {
  const { deps, plan, stored, observed } = context;
  return withScratch(deps, plan.request.run, scratchContent(stored, observed.ttl), work);
}

/** Runs `work` with the scratch server and the live one. */
export function withBoth<T>(context: RestoreContext, work: (scratch: Redis, live: Redis) => Promise<T>): Promise<T> {
  return withLoaded(context, (scratch) => withStore(context.deps.configuration, (live) => work(scratch, live)));
}

/** @throws {Failure} PLAN_CHANGED when the live server is another process than the plan saw. */
export async function requireSameServer(context: RestoreContext, runId: string): Promise<void> {
  const { runId: planned } = context.observed;
  if (planned !== null && planned !== runId)
    throw new Failure('PLAN_CHANGED', 'the live Redis was restarted or replaced since the plan was made');
}
