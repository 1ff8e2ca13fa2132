// Plans that the command which started this process makes for it: what a person would type, by the same program, with
// the command's own way to Temporal.
import type { FailoverBrief } from '../domain/failover-brief.ts';
import { EXIT, Failure } from '../domain/failures.ts';
import type { PreparedPlan } from '../domain/outage-notices.ts';

/** What is asked of the parent. */
export interface PlanWanted {
  readonly planFor: string;
}

/** How `dr failover plan --json` ended. */
export interface PlanEnd {
  readonly status: number | null;
  readonly stdout: string;
}

/** Asks for the plan of a failover to a site. @throws {Failure} BUG without a parent that plans. */
export async function planByParent(site: string): Promise<PreparedPlan> {
  if (process.send === undefined) throw new Failure('BUG', 'nobody plans for this process: start it by its command');
  const answered = new Promise<PlanEnd>((resolve) => process.once('message', (end) => resolve(end as PlanEnd)));
  process.send({ planFor: site } satisfies PlanWanted);
  return preparedPlan(await answered);
}

/** What a plan's end says. */
export function preparedPlan({ status, stdout }: PlanEnd): PreparedPlan {
  const document = parsed(stdout);
  if (status === EXIT.done && document?.plan !== undefined && document.brief !== undefined)
    return { digest: document.plan.digest, brief: document.brief };
  const [what] = (document?.error?.message ?? '').split('\n');
  return { missing: what || `the plan ended with ${status ?? 'a signal'}` };
}

interface PlanDocument {
  readonly plan?: { readonly digest: string };
  readonly brief?: FailoverBrief;
  readonly error?: { readonly message: string };
}

function parsed(text: string): PlanDocument | null {
  try {
    return JSON.parse(text) as PlanDocument;
  } catch {
    return null; // Ended before it said anything.
  }
}
