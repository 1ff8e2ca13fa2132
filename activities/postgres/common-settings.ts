// Settings of all roles in all databases (ALTER ROLE ALL SET). pg_dumpall leaves them out, so they are an artifact of
// their own, and stand as statements at the head of the globals for whoever restores without Holdfast.
import { artifactsOf, type StoredBackup } from '../../domain/contracts/backup-content.ts';
import { quoteIdentifier } from '../../domain/systems/postgres-names.ts';
import type { Session } from './connection.ts';
import { textOf } from './read-stored.ts';
import { parseLines, settingValue } from './roles.ts';

export interface CommonSetting {
  readonly name: string;
  readonly value: string;
}

/** What the server has now. */
export function readCommonSettings(session: Session): Promise<CommonSetting[]> {
  return session.rows<CommonSetting>(`select split_part(o.entry, '=', 1) as name, substr(o.entry, strpos(o.entry, '=') + 1) as value
    from pg_db_role_setting s cross join unnest(s.setconfig) as o(entry)
    where s.setdatabase = 0 and s.setrole = 0 order by 1`);
}

/** SQL that makes them, one a line. */
export const statementsOf = (settings: readonly CommonSetting[]): string[] =>
  settings.map((one) => `ALTER ROLE ALL SET ${quoteIdentifier(one.name)} TO ${settingValue(one)}`);

/** Those of a backup; none of a base backup, which carries them inside, and of backups that were taken without them. */
export async function readStoredSettings(backup: StoredBackup): Promise<CommonSetting[]> {
  const [artifact] = artifactsOf(backup.manifest, 'settings');
  return artifact ? parseLines<CommonSetting>(await textOf(backup, artifact)) : [];
}

/** Those of the backup whose names the server does not set: what is set there stays. */
export async function missingSettings(session: Session, backup: StoredBackup): Promise<CommonSetting[]> {
  const there = new Set((await readCommonSettings(session)).map(({ name }) => name));
  return (await readStoredSettings(backup)).filter(({ name }) => !there.has(name));
}

/** Takes back what a restore has set; one that has another value by now is somebody else's. */
export async function resetSettings(session: Session, settings: readonly CommonSetting[]): Promise<void> {
  const present = new Map((await readCommonSettings(session)).map(({ name, value }) => [name, value]));
  for (const { name, value } of settings)
    if (present.get(name) === value) await session.rows(`ALTER ROLE ALL RESET ${quoteIdentifier(name)}`);
}
