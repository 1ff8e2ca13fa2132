// The activities that bring a taken backup into the tiers.
import type { RepositoryActivities } from '../../domain/contracts/repository.ts';
import { summaryOf } from '../../domain/standing.ts';
import { type RepositoryContext, storeOf } from './context.ts';
import { copyParts, readBackParts } from './copy.ts';
import { sealBackup } from './seal.ts';
import { clearSpool } from './spool.ts';

type WritingActivities = Pick<RepositoryActivities, 'copyToTier' | 'readBack' | 'seal' | 'clearSpool'>;

/** Copying, reading back, sealing, and clearing the spool. */
export function writingActivities(context: RepositoryContext): WritingActivities {
  return {
    /**
     * Does: stores every artifact and the wrapped key in one tier, create-only.
     * Repeat: finds what is there, compares it, and continues an upload where it stopped.
     * Undo: discardUnsealed.
     */
    copyToTier: ({ taken, tier }) => copyParts(storeOf(context, tier), taken),
    /**
     * Does: reads every stored byte and compares length and hash.
     * Repeat: reads again.
     * Undo: none needed, nothing is changed.
     */
    readBack: ({ taken, tier }) => readBackParts(storeOf(context, tier), taken),
    /**
     * Does: writes and signs the manifest in every tier, then the next checkpoint.
     * Repeat: finds the decision of the first try and finishes what it left.
     * Undo: none; a sealed backup goes by retention only.
     */
    async seal(input) {
      const manifest = await sealBackup(context, input);
      const tiers = context.stores.map(({ name }) => name);
      return summaryOf(manifest, { tiers }, { provenAt: null, held: false });
    },
    /**
     * Does: removes the spool of a backup.
     * Repeat: finds nothing.
     * Undo: none needed; the tiers hold the backup, or it was given up.
     */
    clearSpool: ({ backup }) => clearSpool(context.configuration.spool, backup),
  };
}
