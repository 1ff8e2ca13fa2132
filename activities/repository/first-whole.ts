// The same thing lies in several tiers: the first whole copy counts.
import { Failure, type FailureCode } from '../../domain/failures.ts';
import type { ReadableStore } from './store.ts';

// A copy that fails with one of these may be whole in the next tier.
const NEXT_TIER: readonly FailureCode[] = [
  'ARTIFACT_MISSING',
  'ARTIFACT_DAMAGED',
  'BACKUP_NOT_FOUND',
  'MANIFEST_UNTRUSTED',
  'CHECKPOINT_MISMATCH',
  'STORE_UNREACHABLE',
  'LISTING_INCOMPLETE',
  'ACCESS_DENIED',
];
// When every tier fails, what says most about the backup is told: damage before absence before silence.
const TELLING: readonly FailureCode[] = [
  'MANIFEST_UNTRUSTED',
  'CHECKPOINT_MISMATCH',
  'ARTIFACT_DAMAGED',
  'ARTIFACT_MISSING',
];

/** The first tier's answer that is whole. @throws {Failure} the most telling failure when no tier has one. */
export async function firstWhole<S extends ReadableStore, T>(
  stores: readonly S[],
  read: (store: S) => Promise<T>,
): Promise<T> {
  const failures: Failure[] = [];
  for (const store of stores) {
    try {
      return await read(store);
    } catch (error) {
      if (!(error instanceof Failure && NEXT_TIER.includes(error.code))) throw error;
      failures.push(error);
    }
  }
  const rank = ({ code }: Failure) => (TELLING.includes(code) ? TELLING.indexOf(code) : TELLING.length);
  throw failures.sort((a, b) => rank(a) - rank(b))[0] ?? new Failure('CONFIG_INVALID', 'no tier is configured');
}
