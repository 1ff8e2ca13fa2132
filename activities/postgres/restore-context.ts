// What the steps of a restore have in common: the backup, the target, the plan, and who the target must be.
import { createHash } from 'node:crypto';
import type { StoredBackup } from '../../domain/contracts/backup-content.ts';
import type {
  FinishRestoreResult,
  RestorePlan,
  RestoreRequest,
  RestoreStep,
  RestoreStepResult,
} from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { canonicalJson, type JsonValue } from '../../domain/json.ts';
import { whyUnfit } from '../../domain/systems/postgres-versions.ts';
import { withSession } from './connection.ts';
import { type Dependencies, type Live, makeRunFolder, reachLive } from './context.ts';
import { isBaseBackup, majorOf } from './read-stored.ts';
import type { ScratchSpec } from './scratch-server.ts';
import { findTools, type Tools, toolMajor } from './tools.ts';

export interface RestoreContext {
  readonly deps: Dependencies;
  readonly request: RestoreRequest;
  readonly backup: StoredBackup;
}

/** A plan without its digest. */
export type PlanDraft = Omit<RestorePlan, 'request' | 'digest'>;

export interface StepContext extends RestoreContext {
  readonly observed: RestorePlan['observed'];
  /** The number behind the step's name, for example 3 of `load-0003`; 0 when it has none. */
  readonly number: number;
}

export type StepWork = (context: StepContext) => Promise<RestoreStepResult>;

/** One way to restore: how it is planned, what each step does and undoes, and what stays afterwards. */
export interface RestoreProcedure {
  plan(context: RestoreContext): Promise<PlanDraft>;
  readonly run: Readonly<Record<string, StepWork>>;
  readonly undo: Readonly<Record<string, StepWork>>;
  kept(context: StepContext): Promise<FinishRestoreResult['kept']>;
}

/** SHA-256 of the canonical JSON of everything but the digest itself. */
export function digestOf(plan: Omit<RestorePlan, 'digest'>): string {
  const { request, summary, difference, warnings, steps, observed } = plan;
  return createHash('sha256')
    .update(canonicalJson({ request, summary, difference, warnings, steps, observed }))
    .digest('hex');
}

/** A step with the usual answers; `changes` names what differs. */
export function step(id: string, title: string, changes: Partial<RestoreStep> = {}): RestoreStep {
  return {
    id,
    title,
    skippable: false,
    hasUndo: false,
    safeToLeave: 'everything can wait: the live server is as it was',
    ...changes,
  };
}

/** `load-0003` */
export const numbered = (name: string, number: number): string => `${name}-${String(number).padStart(4, '0')}`;

/** The result of a step. */
export function done(
  summary: string,
  facts: Readonly<Record<string, JsonValue>> = {},
  findings: RestoreStepResult['findings'] = [],
): RestoreStepResult {
  return { summary, facts, findings };
}

/** The scratch server of this run: its folder is made, the server is not started. */
export async function scratchOf(context: RestoreContext): Promise<ScratchSpec> {
  const { deps, request, backup } = context;
  const tools = await toolsFor(context);
  const superuser = String(backup.manifest.source.superuser);
  return { deps, tools, folder: await makeRunFolder(deps, request.run, 'restore'), superuser };
}

/** The programs on this worker that start a server for the backup. @throws {Failure} TOOL_MISSING, VERSION_UNFIT. */
export async function toolsFor({ deps, backup }: Pick<RestoreContext, 'deps' | 'backup'>): Promise<Tools> {
  const tools = await findTools(deps.configuration.binDirectory, majorOf(backup.manifest));
  refuseVersion(backup, await toolMajor(tools, 'postgres'));
  return tools;
}

/** @throws {Failure} VERSION_UNFIT when a PostgreSQL of this major version cannot take the backup. */
export function refuseVersion({ manifest }: StoredBackup, major: number): void {
  const unfit = whyUnfit(isBaseBackup(manifest) ? 'base' : 'dump', majorOf(manifest), major);
  if (unfit) throw new Failure('VERSION_UNFIT', unfit.reason, { need: unfit.need });
}

/** The identity a live target must have: what the request names, or what the backup came from. */
export function wantedIdentity({ request, backup }: RestoreContext): string {
  return request.expectedIdentity ?? String(backup.manifest.source.systemIdentifier);
}

/**
 * Reaches the live server and makes sure that it is the one that is meant. Every live step begins with this.
 * @throws {Failure} TARGET_MISMATCH before anything was touched.
 */
export async function requireLive(context: RestoreContext): Promise<Live> {
  const live = await reachLive(context.deps);
  const { identity } = await withSession(live.reach, live.reach.database, (session) =>
    session.row<{ identity: string }>('select system_identifier::text as identity from pg_control_system()'),
  );
  refuseOther(context, identity);
  return live;
}

/** @throws {Failure} TARGET_MISMATCH */
export function refuseOther(context: RestoreContext, identity: string): void {
  const wanted = wantedIdentity(context);
  if (identity !== wanted)
    throw new Failure('TARGET_MISMATCH', `the live server is ${identity}, but ${wanted} was named`, {
      found: identity,
      wanted,
    });
}
