// The honest account of a failover: what was lost, counted before anybody writes at the new site, and how long it took.
// A figure that cannot be had is unknown and told; it neither holds the failover up nor takes anything back.
import { isCancellation } from '@temporalio/workflow';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import type { TakeoverPlan } from '../../domain/failover.ts';
import { type AccountedPlan, accountLines, accountOf, type FailoverRecord } from '../../domain/failover-record.ts';
import { isMarked, type MarkedSystem, type MarkerLosses, markerLoss } from '../../domain/markers.ts';
import type { StepState } from '../../domain/run-state.ts';
import { ledger, system as systemDoor } from './activities.ts';
import { failedFinding } from './closing.ts';
import type { Story } from './story.ts';
import { thisExecution } from './this-run.ts';

export interface CountedLoss {
  readonly markers: MarkerLosses;
  readonly findings: readonly Finding[];
}

export const UNCOUNTED: CountedLoss = { markers: {}, findings: [] };

/** Compares what a workload was told with what is there, while nobody writes. */
export async function countLoss(story: Story, { to, stages }: TakeoverPlan): Promise<CountedLoss> {
  const spec = { id: 'count', title: 'Count the markers that came back', failsAtOnce: true };
  try {
    const markers = await story.require(spec, () => countAt(to, stages.flat().filter(isMarked)), markersText);
    return { markers, findings: [] };
  } catch (error) {
    if (isCancellation(error)) throw error;
    return { markers: {}, findings: [{ ...failedFinding('markers that came back', error), level: 'warning' }] };
  }
}

async function countAt(site: string, systems: readonly MarkedSystem[]): Promise<MarkerLosses> {
  const acknowledged = await ledger('glance', 'how many markers were acknowledged').readMarkers({});
  const losses = systems.map(async (name) => {
    const told = acknowledged[name];
    if (told === undefined) return [];
    const found = await systemDoor(name, site, 'glance', `count the markers of ${name}`).countMarkers({});
    return [[name, found === null ? null : markerLoss(told, found)] as const];
  });
  return Object.fromEntries((await Promise.all(losses)).flat());
}

const markersText = (losses: MarkerLosses): string => {
  const told = Object.entries(losses).map(([name, loss]) => `${name} ${loss?.restored} of ${loss?.acknowledged}`);
  return told.length === 0 ? 'no workload keeps a list of markers' : told.join(', ');
};

export interface Opened {
  readonly platform: string;
  readonly plan: AccountedPlan;
  readonly markers: MarkerLosses;
  /** How long a cache may hold the old addresses; null where no names were moved. */
  readonly ttlSeconds: number | null;
}

/** Makes the account, shows it, and writes it to the ledger. */
export async function account(
  story: Story,
  opened: Opened,
): Promise<{ readonly record: FailoverRecord | null; readonly findings: readonly Finding[] }> {
  const spec = { id: 'account', title: 'Write what it took and lost', failsAtOnce: true };
  try {
    const record = await story.require(spec, async () => {
      const course = story.course;
      const openedAt = endOf('open', course.steps) ?? endOf('keep', course.steps) ?? new Date().toISOString();
      const outage = await ledger('quick', 'when the outage began').readOutage({
        startedAt: course.startedAt,
        openedAt,
      });
      const made = accountOf({ ...opened, ...course, run: thisExecution(), outage, openedAt });
      story.showMeasured(accountLines(made));
      await ledger('quick', 'write the account').recordFailover({ record: made });
      return made;
    });
    return { record, findings: [] };
  } catch (error) {
    return { record: null, findings: [failedFinding('account of the failover', error)] };
  }
}

const endOf = (step: string, steps: readonly StepState[]): string | null =>
  steps.find(({ id }) => id === step)?.endedAt ?? null;
