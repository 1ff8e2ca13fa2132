// Retention's effects. Planning reads; withdrawing takes manifests out of the list; deleting removes data after a grace.
import { durationMs } from '../../domain/configuration/schema.ts';
import type { RepositoryActivities } from '../../domain/contracts/repository.ts';
import { Failure, type FailureCode } from '../../domain/failures.ts';
import { canonicalJson } from '../../domain/json.ts';
import { carriedPlan, planRetention, type RetainedBackup, type RetentionPlan } from '../../domain/retention.ts';
import { readKnownRecords, summarize } from './catalogue-activities.ts';
import type { RepositoryContext } from './context.ts';
import { inBatches, listStored } from './listing.ts';
import { sha256Of } from './measure.ts';
import { probe } from './prepare.ts';
import { withdraw } from './withdraw.ts';
import { deleteWithdrawn } from './withdrawn-data.ts';

type RetentionActivities = Pick<RepositoryActivities, 'planRetention' | 'applyRetention'>;

/** Planning and carrying out retention. */
export function retentionActivities(context: RepositoryContext): RetentionActivities {
  return {
    /**
     * Does: reads what is stored and decides what may go.
     * Repeat: decides again.
     * Undo: none needed, nothing is changed.
     */
    planRetention: async () => digested(carriedPlan(await makePlan(context))),
    /**
     * Does: `withdraw` takes backups out of the checkpoint and moves their manifests aside; `delete` removes the data of
     * those that were withdrawn longer ago than the grace.
     * Repeat: finds what is withdrawn or deleted already and goes on with the rest.
     * Undo: within the grace the data is still there; after it, none.
     */
    async applyRetention({ plan, phase }) {
      requireOwnDigest(plan);
      const fresh = await makePlan(context);
      requireNoRefusals(plan);
      requireNoRefusals(fresh);
      return phase === 'withdraw' ? withdraw(context, plan, fresh) : deleteWithdrawn(context);
    },
  };
}

// Without a whole listing there is nothing to decide about; the plan says why and keeps everything.
const NO_LISTING: readonly FailureCode[] = [
  'LISTING_INCOMPLETE',
  'STORE_UNREACHABLE',
  'CHECKPOINT_MISMATCH',
  'MANIFEST_UNTRUSTED',
];

async function makePlan(context: RepositoryContext): Promise<Omit<RetentionPlan, 'digest'>> {
  const now = context.now().toISOString();
  try {
    const { minimumKept, tiers } = context.configuration;
    const keeps = Object.entries(tiers).map(([name, tier]) => ({ name, keepMs: durationMs(tier.keep) }));
    const clocks = await readClocks(context);
    return planRetention({ now, clocks, tiers: keeps, minimumKept, backups: await readRetained(context) });
  } catch (error) {
    if (!(error instanceof Failure && NO_LISTING.includes(error.code))) throw error;
    return { madeAt: now, decisions: [], leftOut: 0, refusals: [`${error.code}: ${error.message}`] };
  }
}

const digestOf = ({ madeAt, decisions, leftOut, refusals }: Omit<RetentionPlan, 'digest'>) =>
  sha256Of(canonicalJson({ madeAt, decisions, leftOut, refusals }));

const digested = (plan: Omit<RetentionPlan, 'digest'>): RetentionPlan => ({ ...plan, digest: digestOf(plan) });

function requireOwnDigest(plan: RetentionPlan): void {
  if (digestOf(plan) !== plan.digest)
    throw new Failure('PLAN_CHANGED', 'the plan is not the one that its digest names');
}

function requireNoRefusals({ refusals }: Pick<RetentionPlan, 'refusals'>): void {
  if (refusals.length > 0) throw new Failure('RETENTION_REFUSED', refusals.join('; '));
}

async function readClocks(context: RepositoryContext) {
  return Promise.all(
    context.stores.map(async (store) => {
      const skewMs = await probe(context, store);
      return { source: `tier ${store.name}`, at: new Date(context.now().getTime() + skewMs).toISOString() };
    }),
  );
}

async function readRetained(context: RepositoryContext): Promise<readonly RetainedBackup[]> {
  const [listed, records] = await Promise.all([listStored(context, null, null), readKnownRecords(context)]);
  const configured = new Set(context.stores.map(({ name }) => name));
  const summaries = await inBatches(listed, (one) => summarize(context, one, records));
  return summaries.map((one) => ({ ...one, tiers: one.tiers.filter((tier) => configured.has(tier)) }));
}
