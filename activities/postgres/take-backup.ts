// Taking a backup: what both kinds have in common.
import type { OpenBackup } from '../../domain/contracts/backup-content.ts';
import type { TakeBackupInput } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { BackupFacts, TakenBackup } from '../../domain/manifest.ts';
import type { Dependencies } from './context.ts';
import { takeLogical } from './take-logical.ts';
import { takePhysical } from './take-physical.ts';

const KINDS: Readonly<
  Record<string, (deps: Dependencies, input: TakeBackupInput, open: OpenBackup) => Promise<BackupFacts>>
> = { logical: takeLogical, physical: takePhysical, incremental: takePhysical };

/**
 * Does: writes the artifacts of one backup into the spool; it counts for nothing until it is sealed.
 * Repeat: returns the backup that an earlier attempt finished; else removes what it left and starts over.
 * Undo: none needed; what a failed attempt wrote is abandoned here.
 * @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED, TOOL_MISSING, VERSION_UNFIT, TOOL_FAILED, NO_SPACE.
 */
export async function takeBackup(deps: Dependencies, input: TakeBackupInput): Promise<TakenBackup> {
  const take = KINDS[input.kind];
  if (!take) throw new Failure('USAGE', `PostgreSQL has no backups of kind '${input.kind}'`);
  const open = await deps.writer.begin(input.backup);
  if ('alreadyTaken' in open) return open.alreadyTaken;
  try {
    return await open.finish(await take(deps, input, open));
  } catch (error) {
    await open.abandon();
    throw error;
  }
}
