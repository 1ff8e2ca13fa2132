// The activities that tell what is stored, and record what is known about it.
import { withinLimits } from '../../domain/backup-choice.ts';
import type { ListInput, RepositoryActivities } from '../../domain/contracts/repository.ts';
import type { BackupSummary } from '../../domain/manifest.ts';
import { summaryOf } from '../../domain/standing.ts';
import { type RepositoryContext, storesFor } from './context.ts';
import { discardUnsealed } from './discard.ts';
import { showStored } from './held-keys.ts';
import { activeHolds, type HoldNames, holdBackup, listHolds, releaseBackup } from './holds.ts';
import { inBatches, type ListedBackup, listStored } from './listing.ts';
import { prepareRepository } from './prepare.ts';
import { listProofs, type ProofNames, provenAt, recordProof } from './proofs.ts';
import { makeRunbook, writeRunbook } from './runbook.ts';
import { checkStored } from './stored-check.ts';

type Catalogue = Omit<
  RepositoryActivities,
  | 'copyToTier'
  | 'readBack'
  | 'seal'
  | 'clearSpool'
  | 'planRetention'
  | 'applyRetention'
  | 'reportKeys'
  | 'planKeyRotation'
  | 'rotateKeys'
  | 'removeRetiredKeys'
>;

/** Preparing, listing, showing, checking, proving, holding and discarding. */
export function catalogueActivities(context: RepositoryContext): Catalogue {
  return {
    /**
     * Does: tries every tier, and writes `repository.json` where it is absent.
     * Repeat: tries again; the record is found and compared.
     * Undo: none needed; probes are removed.
     */
    prepare: () => prepareRepository(context),
    /**
     * Does: removes what an unsealed backup left in the tiers.
     * Repeat: finds less or nothing to remove.
     * Undo: none: the backup can be copied again from its spool.
     */
    discardUnsealed: ({ backup }) => discardUnsealed(context, backup),
    /**
     * Does: reads the newest checkpoint, the tiers' listings and the manifests.
     * Repeat: reads again.
     * Undo: none needed, nothing is changed.
     */
    listBackups: (input) => listSummaries(context, input),
    /**
     * Does: reads one manifest, and who can open the backup now.
     * Repeat: reads again.
     * Undo: none needed, nothing is changed.
     */
    showBackup: ({ backup }) => showStored(context, backup),
    /**
     * Does: reads the newest checkpoint, the manifests and the proofs.
     * Repeat: reads again.
     * Undo: none needed, nothing is changed.
     */
    makeRunbook: () => makeRunbook(context),
    /**
     * Does: writes `runbook.md` into every tier in place of the one before.
     * Repeat: writes it again.
     * Undo: none needed: it is made anew after each proof.
     */
    writeRunbook: () => writeRunbook(context),
    /**
     * Does: reads everything that one tier holds of one backup.
     * Repeat: reads again.
     * Undo: none needed, nothing is changed.
     */
    checkStored: (input) => checkStored(context, input),
    /**
     * Does: writes a signed proof into every tier.
     * Repeat: the same run finds its proof and brings it into the tiers that lack it.
     * Undo: none: that it was proven stays true.
     */
    recordProof: (input) => recordProof(context, input),
    /**
     * Does: writes a signed hold into every tier.
     * Repeat: the same person with the same reason finds the hold.
     * Undo: releaseBackup.
     */
    holdBackup: (input) => holdBackup(context, input),
    /**
     * Does: writes a signed release of every hold of the backup.
     * Repeat: finds nothing that is held.
     * Undo: holdBackup.
     */
    releaseBackup: (input) => releaseBackup(context, input),
  };
}

/** What is known about stored backups besides their manifests. */
export interface KnownRecords {
  readonly proofs: ProofNames;
  readonly holds: HoldNames;
}

/** Lists proofs and holds over all tiers: they count wherever they lie. */
export async function readKnownRecords({ stores }: RepositoryContext): Promise<KnownRecords> {
  const [proofs, holds] = await Promise.all([listProofs(stores), listHolds(stores)]);
  return { proofs, holds };
}

async function listSummaries(
  context: RepositoryContext,
  { system, tier, ...limits }: ListInput,
): Promise<readonly BackupSummary[]> {
  const listed = await listStored(context, system, tier);
  const scope = tier === null ? context : { ...context, stores: storesFor(context, tier) };
  const records = await readKnownRecords(scope);
  return withinLimits(await inBatches(listed, (one) => summarize(context, one, records)), limits);
}

/** The summary of a listed backup. */
export async function summarize(
  context: RepositoryContext,
  listed: ListedBackup,
  records: KnownRecords,
): Promise<BackupSummary> {
  const { entry, manifest } = listed;
  const [proven, holds] = await Promise.all([
    provenAt(context, records.proofs, entry, entry.manifestSha256),
    activeHolds(context, records.holds, entry),
  ]);
  return summaryOf(manifest, entry, { provenAt: proven, held: holds.length > 0 });
}
