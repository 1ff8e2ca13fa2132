// First phase of retention: the next checkpoint no longer names the backup in that tier, then its manifest is moved
// aside. In this order a listing is never shorter than the newest checkpoint.
import { type CheckpointEntry, entryOf, isSameBackup } from '../../domain/checkpoint.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { BackupRef } from '../../domain/manifest.ts';
import type { WithdrawalRecord } from '../../domain/records.ts';
import {
  backupFolder,
  MANIFEST,
  refText,
  SIGNATURE,
  WITHDRAWAL,
  withdrawnFolder,
} from '../../domain/repository-layout.ts';
import type { RetentionDecision, RetentionPlan } from '../../domain/retention.ts';
import { newestCheckpoint, writeCheckpoint } from './checkpoints.ts';
import { type RepositoryContext, storeOf } from './context.ts';
import { decideRecord } from './records.ts';
import { reinstateHeld } from './reinstate.ts';
import { inTurn } from './seal.ts';
import { type BackupStore, createText, readText } from './store.ts';

/**
 * Withdraws what `plan` deletes. What an earlier try withdrew is finished; what a hold protects since is left where it is.
 * @throws {Failure} PLAN_CHANGED when `fresh`, made of the world as it is now, would keep any of it.
 */
export async function withdraw(
  context: RepositoryContext,
  plan: RetentionPlan,
  fresh: Omit<RetentionPlan, 'digest'>,
): Promise<readonly Finding[]> {
  const going = plan.decisions.filter(({ keep }) => !keep);
  for (const decision of going) requireStillGoing(decision, fresh);
  return inTurn(async () => {
    await writeCheckpoint(context, (backups) => without(backups, going));
    const staying = await reinstateHeld(context, going);
    const findings = staying.map(heldMeanwhile);
    for (const decision of going) if (!staying.includes(decision)) findings.push(await moveAside(context, decision));
    return findings;
  });
}

const heldMeanwhile = ({ backup, tier }: RetentionDecision): Finding => ({
  level: 'warning',
  subject: refText(backup),
  message: `stays in tier '${tier}': a hold came while retention was at work`,
  code: 'RETENTION_REFUSED',
});

const isSamePlace = (a: RetentionDecision, b: RetentionDecision) =>
  a.tier === b.tier && isSameBackup(a.backup, b.backup);

// A place that the fresh plan does not know was withdrawn by an earlier try of the same plan.
function requireStillGoing(decision: RetentionDecision, fresh: Pick<RetentionPlan, 'decisions'>): void {
  const now = fresh.decisions.find((one) => isSamePlace(one, decision));
  if (now?.keep)
    throw new Failure(
      'PLAN_CHANGED',
      `${refText(decision.backup)} in tier '${decision.tier}' is to be kept now: ${now.reason}`,
    );
}

function without(backups: readonly CheckpointEntry[], going: readonly RetentionDecision[]): readonly CheckpointEntry[] {
  const left = backups
    .map((entry) => ({ ...entry, tiers: entry.tiers.filter((tier) => !isGoing(going, entry, tier)) }))
    .filter(({ tiers }) => tiers.length > 0);
  // A child may have been sealed since the plan was made.
  for (const { backup } of going) requireNotNeeded(left, backup);
  return left;
}

const isGoing = (going: readonly RetentionDecision[], entry: BackupRef, tier: string) =>
  going.some((one) => one.tier === tier && isSameBackup(one.backup, entry));

function requireNotNeeded(left: readonly CheckpointEntry[], backup: BackupRef): void {
  const child = left.find(({ system, parents }) => system === backup.system && parents.includes(backup.backupId));
  if (child) throw new Failure('PLAN_CHANGED', `${refText(child)} needs ${refText(backup)}, which the plan deletes`);
}

async function moveAside(context: RepositoryContext, { backup, tier }: RetentionDecision): Promise<Finding> {
  const store = storeOf(context, tier);
  await requireUnnamed(context, backup, tier);
  await decideRecord({ ...context, stores: [store] }, withdrawnFolder(backup) + WITHDRAWAL, (): WithdrawalRecord => {
    const { platform } = context;
    return { type: 'withdrawal', format: 1, platform, ...backup, tier, withdrawnAt: context.now().toISOString() };
  });
  for (const name of [MANIFEST, SIGNATURE]) await moveObject(store, backup, name);
  return { level: 'ok', subject: refText(backup), message: `withdrawn from tier '${tier}'`, code: null };
}

async function requireUnnamed(context: RepositoryContext, backup: BackupRef, tier: string): Promise<void> {
  const entry = entryOf((await newestCheckpoint(context))?.checkpoint ?? null, backup);
  if (entry?.tiers.includes(tier))
    throw new Failure('PLAN_CHANGED', `the newest checkpoint still names ${refText(backup)} in tier '${tier}'`);
}

async function moveObject(store: BackupStore, backup: BackupRef, name: string): Promise<void> {
  const text = await readText(store, backupFolder(backup) + name);
  if (text === null) return; // An earlier try has moved it.
  await createText(store, withdrawnFolder(backup) + name, text);
  await store.remove(backupFolder(backup) + name);
}
