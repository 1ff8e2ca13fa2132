// Sessions that a database's own settings and event triggers leave alone: a database may be set read-only or given a
// short time limit, and an event trigger may write down, or refuse, what our own work does in a restored copy.
import { type Reach, withSession } from './connection.ts';
import type { Credentials } from './tools.ts';

const QUIET = 'session_replication_role = replica';

/** `credentials` whose sessions fire no ordinary trigger, where the role may say so (a superuser). */
export async function withoutTriggers(reach: Reach, database: string, credentials: Credentials): Promise<Credentials> {
  if (!(await isSuperuser(reach, database))) return credentials;
  const options = `${credentials.env.PGOPTIONS ?? ''} -c ${QUIET.replaceAll(' ', '')}`;
  return { env: { ...credentials.env, PGOPTIONS: options } };
}

/** Runs one statement in a session of its own that fires no ordinary trigger, where the role may say so. */
export async function runQuietly(reach: Reach, database: string, sql: string): Promise<void> {
  const isQuiet = await isSuperuser(reach, database);
  await withSession(reach, database, async (session) => {
    if (isQuiet) await session.rows(`set ${QUIET}`);
    await session.rows(sql);
  });
}

function isSuperuser(reach: Reach, database: string): Promise<boolean> {
  return withSession(reach, database, async (session) => {
    const { is } = await session.row<{ is: boolean }>(
      'select rolsuper as is from pg_roles where rolname = current_user',
    );
    return is;
  });
}
