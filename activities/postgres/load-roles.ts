// Roles of a backup in the target: created where they are missing, dropped again by the undo.
import type { RestoreStepResult } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { JsonValue } from '../../domain/json.ts';
import { quoteIdentifier } from '../../domain/systems/postgres-names.ts';
import { type CommonSetting, missingSettings, resetSettings, statementsOf } from './common-settings.ts';
import type { Session } from './connection.ts';
import { type LoadTarget, withMaintenance } from './load-database.ts';
import { onLive } from './load-target.ts';
import { readStoredRoles } from './read-stored.ts';
import { done, type RestoreContext, type StepContext } from './restore-context.ts';
import { createMissingRoles } from './roles.ts';

/**
 * Does: creates the roles that are missing and, of a whole backup, sets what is missing for all roles. Repeat: finds none
 * missing. Undo: `undoRoles`.
 */
export async function addRoles(context: StepContext, target: LoadTarget): Promise<RestoreStepResult> {
  const roles = await readStoredRoles(context.backup);
  const created = await withMaintenance(target, (session) => createMissingRoles(session, roles));
  const settings = await withMaintenance(target, async (session) => {
    const missing = await findMissingSettings(session, context);
    for (const statement of statementsOf(missing)) await session.rows(statement);
    return missing;
  });
  return done(`${created.length} of ${roles.length} roles were missing and are created`, {
    created: created.length,
    settings: settings.length,
  });
}

/** Settings of all roles that the backup has and the target has not; of a part of a backup none are restored. */
export async function findMissingSettings(
  session: Session,
  { request, backup }: RestoreContext,
): Promise<CommonSetting[]> {
  return request.scope.kind === 'whole' ? missingSettings(session, backup) : [];
}

/** Names of the backup's roles that the target has not. */
export async function findMissingRoles(target: LoadTarget, context: RestoreContext): Promise<string[]> {
  const recorded = await readStoredRoles(context.backup);
  const rows = await withMaintenance(target, (session) =>
    session.rows<{ name: string }>('select rolname as name from pg_roles'),
  );
  const there = new Set(rows.map(({ name }) => name));
  return recorded.map(({ role }) => role).filter((role) => !there.has(role));
}

// Only roles that the plan saw missing are dropped, and only when nothing came to depend on them.
export async function undoRoles(context: StepContext): Promise<RestoreStepResult> {
  const names = (context.observed.missingRoles ?? []) as readonly JsonValue[];
  return onLive(context, async (target) => {
    const settings = (context.observed.missingSettings ?? []) as unknown as readonly CommonSetting[];
    await withMaintenance(target, (session) => resetSettings(session, settings));
    const stayed: string[] = [];
    for (const name of names.map(String)) if (!(await dropRole(target, name))) stayed.push(name);
    return done(
      `${names.length - stayed.length} roles are dropped again`,
      {},
      stayed.map((name) => ({
        level: 'warning',
        subject: `role "${name}"`,
        message: 'stays, because something depends on it',
        code: null,
      })),
    );
  });
}

async function dropRole(target: LoadTarget, name: string): Promise<boolean> {
  const DEPENDENT = '2BP01';
  try {
    await withMaintenance(target, (session) => session.rows(`drop role if exists ${quoteIdentifier(name)}`));
    return true;
  } catch (error) {
    if (error instanceof Failure && error.details.sqlState === DEPENDENT) return false;
    throw error;
  }
}
