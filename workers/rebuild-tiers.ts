// Which tiers of a configuration that came back are still there. Folders are looked at; a bucket may need secrets that
// are not here yet, and stays as it is.
import type { RebuildSource } from '../activities/repository/rebuild-source.ts';
import type { Configuration, TierConfiguration } from '../domain/configuration/schema.ts';
import { Failure } from '../domain/failures.ts';

export interface ExaminedTiers {
  readonly from: { readonly name: string; readonly tier: TierConfiguration } | null;
  readonly lost: readonly string[];
  readonly warnings: readonly string[];
}

/** Finds the tier that was read from, and those that are lost. */
export async function examineTiers(
  { repository }: Configuration,
  given: TierConfiguration,
  source: RebuildSource,
): Promise<ExaminedTiers> {
  const tiers = Object.entries(repository.tiers);
  const same = tiers.find(([, tier]) => isSamePlace(tier, given))?.[0];
  const looked = await Promise.all(
    tiers
      .filter(([name]) => name !== same)
      .map(async ([name, tier]) => ({ name, ...(await look(name, tier, source)) })),
  );
  const gone = looked.filter(({ isLost }) => isLost).map(({ name }) => name);
  // A copy in another place stands for a tier that is gone: every tier has the same names and bytes.
  const name = same ?? gone[0];
  const warnings = looked.flatMap(({ warning }) => warning ?? []);
  if (name === undefined)
    return {
      from: null,
      lost: gone,
      warnings: [...warnings, 'what was given is no tier of the configuration, and all of its tiers were kept'],
    };
  return { from: same === undefined ? { name, tier: given } : null, lost: gone, warnings };
}

function isSamePlace(one: TierConfiguration, other: TierConfiguration): boolean {
  if (one.kind === 'folder') return other.kind === 'folder' && one.path === other.path;
  return other.kind === 's3' && one.bucket === other.bucket && one.prefix === other.prefix;
}

interface Looked {
  readonly isLost: boolean;
  readonly warning?: string;
}

async function look(name: string, tier: TierConfiguration, { newestOf, checkpoint }: RebuildSource): Promise<Looked> {
  if (tier.kind !== 'folder')
    return { isLost: false, warning: `tier '${name}' (a bucket) was not looked at: 'dr doctor' does` };
  try {
    const found = await newestOf(tier);
    if (found === null) return { isLost: true };
    const [there, here] = [found.checkpoint.number, checkpoint.checkpoint.number];
    if (there === here) return { isLost: false };
    return { isLost: false, warning: `tier '${name}' has checkpoint ${there}, and what was read has ${here}` };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.code === 'STORE_UNREACHABLE') return { isLost: true };
    return { isLost: false, warning: `tier '${name}' could not be believed: ${error.message}` };
  }
}
