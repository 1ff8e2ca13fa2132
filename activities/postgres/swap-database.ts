// Two databases change places by rename, in one transaction; the replaced one stays and takes no connections.
import { setTimeout as wait } from 'node:timers/promises';
import type { RestoreStepResult } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { DatabaseLine } from '../../domain/systems/postgres-inventory.ts';
import {
  IS_PLATFORM_DATABASE,
  keptDatabaseName,
  loadingDatabaseName,
  quoteIdentifier,
} from '../../domain/systems/postgres-names.ts';
import type { Session } from './connection.ts';
import { type LoadTarget, withMaintenance } from './load-database.ts';
import { done } from './restore-context.ts';

/** All databases but PostgreSQL's own templates. */
export function listDatabases(session: Session): Promise<{ name: string; oid: string }[]> {
  return session.rows(
    `select datname as name, oid::text as oid from pg_database where ${IS_PLATFORM_DATABASE} order by 1`,
  );
}

interface Names {
  readonly name: string;
  readonly loading: string;
  readonly kept: string;
}

const namesOf = (line: DatabaseLine, run: string): Names => ({
  name: line.database,
  loading: loadingDatabaseName(line.index, run),
  kept: keptDatabaseName(line, run),
});

/**
 * Does: ends the sessions of the live database, renames it away and the loaded one into its place.
 * Repeat: sees the loaded one gone and says so. Undo: `swapDatabaseBack`.
 * @param oid what the plan saw under that name. @throws {Failure} PLAN_CHANGED when another database is there now.
 */
export function swapDatabase(
  target: LoadTarget,
  line: DatabaseLine,
  run: string,
  oid: string | null,
): Promise<RestoreStepResult> {
  const names = namesOf(line, run);
  return withMaintenance(awayFrom(target, names), async (session) => {
    const there = await oidsOf(session);
    const finished = done(`the restored "${names.name}" serves`, { database: names.name });
    if (!there.has(names.loading) && there.has(names.name) && there.get(names.name) !== oid) return finished;
    if ((there.get(names.name) ?? null) !== oid)
      throw new Failure('PLAN_CHANGED', `database "${names.name}" is not the one that the plan saw`);
    await putInPlace(session, names, oid !== null, line.connectionLimit);
    return finished;
  });
}

async function putInPlace(session: Session, names: Names, replaces: boolean, connectionLimit: number): Promise<void> {
  if (replaces) await closeDatabase(session, names.name);
  try {
    await session.rows('begin');
    if (replaces) await rename(session, names.name, names.kept);
    await rename(session, names.loading, names.name);
    await session.rows(`alter database ${quoteIdentifier(names.name)} connection limit ${connectionLimit}`);
    await session.rows('commit');
  } catch (error) {
    await session.rows('rollback');
    if (replaces) await openDatabase(session, names.name);
    throw error;
  }
}

/** Does: the reverse; the restored one goes back under its loading name. Repeat: sees the old one in place. */
export function swapDatabaseBack(
  target: LoadTarget,
  line: DatabaseLine,
  run: string,
  oid: string | null,
): Promise<RestoreStepResult> {
  const names = namesOf(line, run);
  return withMaintenance(awayFrom(target, names), async (session) => {
    const there = await oidsOf(session);
    const current = there.get(names.name) ?? null;
    if (current !== oid) await putBack(session, names, current !== null, oid !== null);
    if (oid !== null) await openDatabase(session, names.name);
    return done(`database "${names.name}" is as it was before`);
  });
}

async function putBack(session: Session, names: Names, isThere: boolean, wasThere: boolean): Promise<void> {
  if (isThere) await closeDatabase(session, names.name);
  await session.rows('begin');
  if (isThere) await rename(session, names.name, names.loading);
  if (wasThere) await rename(session, names.kept, names.name);
  await session.rows('commit');
  if (isThere) await openDatabase(session, names.loading);
}

// One cannot rename the database one is connected to.
function awayFrom(target: LoadTarget, { name }: Names): LoadTarget {
  return target.maintenance === name ? { ...target, maintenance: 'template1' } : target;
}

async function oidsOf(session: Session): Promise<Map<string, string>> {
  return new Map((await listDatabases(session)).map(({ name, oid }) => [name, oid]));
}

async function closeDatabase(session: Session, name: string): Promise<void> {
  await session.rows(`alter database ${quoteIdentifier(name)} allow_connections false`);
  for (const until = Date.now() + 15_000; Date.now() < until; await wait(50)) {
    const ended = await session.rows(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
      [name],
    );
    if (ended.length === 0) return;
  }
}

async function openDatabase(session: Session, name: string): Promise<void> {
  await session.rows(`alter database ${quoteIdentifier(name)} allow_connections true`);
}

async function rename(session: Session, from: string, to: string): Promise<void> {
  await session.rows(`alter database ${quoteIdentifier(from)} rename to ${quoteIdentifier(to)}`);
}
