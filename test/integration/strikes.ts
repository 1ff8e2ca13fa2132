// Strikes once after every activity of a run: a victim dies, and the answer of the activity is lost. The next attempt
// finds work that is done and must find it out. Victims rotate, from the seed on.
import type { RunningSite } from '../../local/site.ts';
import type { Boundary, Decide } from './director.ts';
import type { Harness } from './harness.ts';
import { killStore } from './store-victims.ts';

export const VICTIMS = ['worker', 'Temporal server', 'child process', 'store'] as const;
export type Victim = (typeof VICTIMS)[number];

export interface Strikes {
  readonly decide: Decide;
  /** One line a strike, in order: what stands in a failing test's message. */
  readonly told: readonly string[];
  /** Activities whose boundary was reached and not struck. */
  missed(): readonly string[];
}

export interface StrikeRules {
  /** Which activities are struck; the others run undisturbed. */
  readonly isWanted: (activity: string) => boolean;
  readonly victims?: readonly Victim[];
  /** Whose stores are struck; default: the active site. */
  readonly site?: RunningSite;
}

export function strikesOn(
  harness: Harness,
  { isWanted, victims = VICTIMS, site = harness.platform.site }: StrikeRules,
): Strikes {
  const told: string[] = [];
  const planned = new Map<string, Victim>();
  const reached = new Set<string>();
  const struck = new Set<string>();
  const strike = async (boundary: Boundary, victim: Victim): Promise<void> => {
    struck.add(boundary.activity);
    const fallen = await strikeVictim(harness, site, boundary, victim);
    told.push(`after ${boundary.activity}: ${fallen}`);
  };
  const before = (activity: string) => {
    if (planned.has(activity)) return 'go';
    const victim = nextVictim(victims);
    planned.set(activity, victim);
    return victim === 'child process' ? 'kill a child' : 'go';
  };
  return {
    told,
    missed: () => [...reached].filter((activity) => !struck.has(activity)),
    decide: async (boundary) => {
      const { activity, when, attempt, childKilled } = boundary;
      if (when === 'failed' || !isWanted(activity)) return 'go';
      if (when === 'before') return before(activity);
      reached.add(activity);
      if (struck.has(activity)) return 'go';
      const victim = planned.get(activity) ?? 'worker';
      const hadChild = childKilled || attempt > 1;
      await strike(boundary, victim === 'child process' && !hadChild ? 'worker' : victim);
      return 'lose the answer';
    },
  };
}

/** One line about many strikes: how many there were of each victim. */
export function tellStrikes(told: readonly string[]): string {
  const counts = VICTIMS.map((victim) => `${victim} ${told.filter((line) => line.endsWith(`: ${victim}`)).length}`);
  return `${told.length} boundaries were struck (${counts.join(', ')}); seed ${seed}\n`;
}

// A clean checkout is judged by strikes that can be repeated; everywhere else they differ from run to run.
export const seed = Number(process.env.HOLDFAST_SEED ?? (process.env.CI ? 26_903 : Date.now() % 100_000));
let turn = seed;

function nextVictim(victims: readonly Victim[]): Victim {
  turn += 1;
  return victims[turn % victims.length] ?? 'worker';
}

/** @returns what was struck: a run without a store, or whose store stands still, loses its worker instead. */
async function strikeVictim(harness: Harness, site: RunningSite, boundary: Boundary, victim: Victim): Promise<Victim> {
  if (victim === 'child process') return victim; // It was killed in the middle of the work.
  if (victim === 'Temporal server') {
    await harness.platform.ownTemporal?.stop('SIGKILL');
    await harness.platform.ownTemporal?.start();
    return victim;
  }
  const [system = ''] = boundary.activity.split('.');
  if (victim === 'store' && (await killStore(site, system))) return victim;
  await harness.replaceWorker(boundary.workflowId);
  return 'worker';
}
