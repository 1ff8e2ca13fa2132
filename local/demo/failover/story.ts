// The failover's whole story: west dies under a live load and east takes over; west is rebuilt and takes over again.
import { comeBack, compareRest } from './return.ts';
import type { TwoSites } from './stage.ts';
import { CLEAN_WINDOW_MS, type FailoverSpec, takeOver } from './take-over.ts';

export interface FailoverEnd {
  readonly stage: TwoSites;
  readonly good: boolean;
}

/** Tells both halves and compares everything. @returns with `good` false when something is not as it has to be. */
export async function tellFailover(spec: FailoverSpec): Promise<FailoverEnd> {
  const { screen, cleanWindowMs = CLEAN_WINDOW_MS } = spec;
  const taken = await takeOver(spec);
  const { stage, good } = await comeBack({ screen, cleanWindowMs }, taken);
  const isSame = await compareRest(stage, screen, taken.before);
  return { stage, good: taken.good && good && isSame };
}
