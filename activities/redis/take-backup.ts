// Taking a backup: the part that all kinds share.

import type { OpenBackup } from '../../domain/contracts/backup-content.ts';
import type { TakeBackupInput } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { BackupFacts, TakenBackup } from '../../domain/manifest.ts';
import { unloadableTypes } from '../../domain/systems/redis-modules.ts';
import { withStore } from './client.ts';
import { type RedisDependencies, withRunFolder } from './run-folder.ts';
import { type ServerFacts, serverFacts, sourceOf } from './server-facts.ts';
import { addInventory, addSurroundings } from './surroundings.ts';
import { takeAof } from './take-aof.ts';
import { type Taken, takeRdb } from './take-rdb.ts';
import { requireReadable } from './tools.ts';

/**
 * *Does*: stores the content of one moment with functions, accounts, settings and modules beside it.
 * *Repeat*: finds the finished backup of an earlier attempt, or removes what that left and begins anew; a rewrite
 * setting that a killed attempt changed is put back.
 * *Undo*: the open backup is abandoned; the store itself is not changed.
 */
export async function takeBackup(deps: RedisDependencies, input: TakeBackupInput): Promise<TakenBackup> {
  if (input.kind !== 'rdb' && input.kind !== 'aof')
    throw new Failure('BUG', `redis has no kind of backup named '${input.kind}'`);
  const backup = await deps.writer.begin(input.backup);
  if ('alreadyTaken' in backup) return backup.alreadyTaken;
  try {
    return await withRunFolder(deps, input.run, `take-${input.backup.backupId}`, (folder) =>
      fill(deps, input, backup, folder),
    );
  } catch (error) {
    await backup.abandon();
    throw error;
  }
}

async function fill(
  deps: RedisDependencies,
  input: TakeBackupInput,
  backup: OpenBackup,
  folder: string,
): Promise<TakenBackup> {
  const startedAt = new Date().toISOString();
  const facts = await withStore(deps.configuration, (redis) => serverFacts(redis, deps.configuration));
  const tool = await requireReadable(deps.configuration, facts.version);
  const taken = await takeKind(deps, input, { backup, folder, facts });
  const around = await withStore(deps.configuration, (redis) => addSurroundings(redis, backup));
  const inventory = await addInventory(backup, taken.inventory);
  const described: BackupFacts = {
    ...input.backup,
    kind: input.kind,
    site: input.site,
    startedAt,
    momentAt: new Date(taken.momentMs).toISOString(),
    finishedAt: new Date().toISOString(),
    source: { ...sourceOf(facts), ...taken.source },
    tools: { 'redis-check-rdb': tool },
    artifacts: [...taken.artifacts, ...around.artifacts, inventory],
    counts: taken.counts,
    parents: [],
    marker: null,
    warnings: [...taken.warnings, ...around.warnings, ...sourceWarnings(facts), ...moduleWarnings(taken, tool)],
    report: taken.report,
  };
  return await backup.finish(described);
}

interface Filling {
  readonly backup: OpenBackup;
  readonly folder: string;
  readonly facts: ServerFacts;
}

async function takeKind(
  deps: RedisDependencies,
  input: TakeBackupInput,
  { backup, folder, facts }: Filling,
): Promise<Taken> {
  if (input.kind === 'rdb')
    return await takeRdb(deps.configuration, backup, folder, Number(facts.info.used_memory ?? 0));
  return await withStore(deps.configuration, (redis) => takeAof(deps, redis, backup));
}

function moduleWarnings({ source }: Taken, tool: string): string[] {
  const types = unloadableTypes((source.moduleTypes ?? []) as readonly string[], tool);
  if (types.length === 0) return [];
  return [
    `holds keys of the module types ${types.join(', ')}, which no scratch server here can load: it cannot be proven`,
  ];
}

function sourceWarnings(facts: ServerFacts): string[] {
  if (facts.isCluster) return ['a node of a cluster: only the slots of this node are in the backup'];
  if (facts.role === 'slave' && facts.info.master_link_status !== 'up')
    return ['taken from a replica whose link to its primary is down: the content may be old'];
  return [];
}
