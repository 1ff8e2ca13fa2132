// Second phase of retention: data of backups that were withdrawn longer ago than the grace. Nothing is deleted that a
// checkpoint names, that another backup needs, that is held, or whose withdrawal nobody we trust has signed.
import { type Checkpoint, entryOf } from '../../domain/checkpoint.ts';
import { durationMs } from '../../domain/configuration/schema.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { type BackupRef, isSafeName } from '../../domain/manifest.ts';
import { parseWithdrawal, type WithdrawalRecord } from '../../domain/records.ts';
import {
  backupFolder,
  CHECKPOINTS,
  numberIn,
  proofFolder,
  refText,
  SEQUENCES,
  WITHDRAWAL,
  WITHDRAWN,
  withdrawnFolder,
} from '../../domain/repository-layout.ts';
import { isSystemName } from '../../domain/systems.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { newestCheckpoint } from './checkpoints.ts';
import type { RepositoryContext } from './context.ts';
import { activeHolds, type HoldNames, listHolds } from './holds.ts';
import { readRecord } from './records.ts';
import type { BackupStore } from './store.ts';

const RECORDS_KEPT = 100;

/** Deletes what may go in every tier, and old checkpoints and claims. Sealing goes on meanwhile: it needs none of it. */
export async function deleteWithdrawn(context: RepositoryContext): Promise<readonly Finding[]> {
  const holds = await listHolds(context.stores);
  const findings: Finding[] = [];
  for (const store of context.stores) {
    for (const backup of await withdrawnIn(store)) findings.push(...(await deleteOne(context, store, backup, holds)));
    await pruneNumbered(context, store);
  }
  return findings;
}

async function withdrawnIn(store: BackupStore): Promise<readonly BackupRef[]> {
  const names = (await store.list(WITHDRAWN)).map(({ name }) => name.split('/'));
  return names.flatMap(([, system = '', backupId = '', file]) =>
    file === WITHDRAWAL && isSystemName(system) && isSafeName(backupId) ? [{ system, backupId }] : [],
  );
}

async function deleteOne(context: RepositoryContext, store: BackupStore, backup: BackupRef, holds: HoldNames) {
  throwIfCancelled();
  const record = await readRecord(context, store, withdrawnFolder(backup) + WITHDRAWAL, parseWithdrawal);
  // Read anew for each backup: a seal may have come in between.
  const checkpoint = (await newestCheckpoint(context))?.checkpoint ?? null;
  const obstacle =
    obstacleOf(record, store, backup, checkpoint) ??
    ((await activeHolds(context, holds, backup)).length > 0 ? 'it is held' : null);
  if (obstacle !== null) return [finding('warning', store, backup, `its data was kept: ${obstacle}`)];
  if (record && isWithinGrace(context, record)) return [];
  await deleteData(store, backup);
  return [finding('ok', store, backup, 'its data was deleted')];
}

function obstacleOf(
  record: WithdrawalRecord | null,
  store: BackupStore,
  backup: BackupRef,
  checkpoint: Checkpoint | null,
): string | null {
  const isItsOwn = record?.tier === store.name && refText(record) === refText(backup);
  if (!isItsOwn) return 'its withdrawal is not signed by a trusted key for this tier';
  if (entryOf(checkpoint, backup)?.tiers.includes(store.name)) return 'the newest checkpoint names it';
  const child = checkpoint?.backups.find(
    ({ system, parents }) => system === backup.system && parents.includes(backup.backupId),
  );
  return child ? `${child.backupId} needs it` : null;
}

function isWithinGrace(context: RepositoryContext, { withdrawnAt }: WithdrawalRecord): boolean {
  const ageMs = context.now().getTime() - Date.parse(withdrawnAt);
  return !(ageMs >= durationMs(context.configuration.deleteGrace));
}

// The record of the withdrawal goes last: an interrupted deletion is found and finished by it.
async function deleteData(store: BackupStore, backup: BackupRef): Promise<void> {
  await removeAll(store, backupFolder(backup));
  await removeAll(store, proofFolder(backup));
  const folder = withdrawnFolder(backup);
  const names = (await store.list(folder)).map(({ name }) => name).filter((name) => name !== folder + WITHDRAWAL);
  for (const name of [...names, folder + WITHDRAWAL]) await store.remove(name);
}

async function removeAll(store: BackupStore, folder: string): Promise<void> {
  for (const { name } of await store.list(folder)) {
    throwIfCancelled();
    await store.remove(name);
  }
}

function finding(level: Finding['level'], store: BackupStore, backup: BackupRef, message: string): Finding {
  const code = level === 'ok' ? null : 'RETENTION_REFUSED';
  return { level, subject: `${refText(backup)} in tier ${store.name}`, message, code };
}

// Every checkpoint names all backups: only the newest ones are needed, the others would grow without end.
async function pruneNumbered(context: RepositoryContext, store: BackupStore): Promise<void> {
  const newest = (await newestCheckpoint(context))?.checkpoint;
  if (!newest) return;
  await pruneBelow(store, CHECKPOINTS, newest.number - RECORDS_KEPT);
  await pruneBelow(store, SEQUENCES, newest.lastSequence - RECORDS_KEPT);
}

async function pruneBelow(store: BackupStore, folder: string, least: number): Promise<void> {
  for (const { name } of await store.list(folder)) {
    const number = numberIn(name);
    if (number !== null && number < least) await store.remove(name);
  }
}
