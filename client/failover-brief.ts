// The head of a failover's plan: the facts that the plan does not hold, and the command that carries it out.
import type { AuditRecord } from '../domain/audit.ts';
import { type Configuration, durationMs } from '../domain/configuration/schema.ts';
import type { Look } from '../domain/contracts/status.ts';
import type { FailoverPlan } from '../domain/failover.ts';
import { briefFailover, type FailoverBrief } from '../domain/failover-brief.ts';
import { type Measurement, measurementsIn } from '../domain/status/measurements.ts';
import type { Call } from './command.ts';
import { commandWith } from './takeover.ts';
import { look } from './temporal/look.ts';
import { askQuestion } from './temporal/question.ts';

/** What restores and recoveries took, or why nobody can say. */
export const lookAtMeasured = (call: Call): Promise<Look<readonly Measurement[]>> =>
  look(async () => measurementsIn(await askQuestion<readonly AuditRecord[]>(call, { kind: 'listMeasured' })));

/** The plan's head. */
export function briefOf(
  call: Call,
  configuration: Configuration,
  plan: FailoverPlan,
  measured: Look<readonly Measurement[]>,
): FailoverBrief {
  const { failover, dns, costs } = configuration;
  return briefFailover({
    plan,
    measured,
    approvers: failover.approvers.length,
    ttlSeconds: dns === undefined ? null : Math.max(...dns.records.map(({ ttl }) => durationMs(ttl))) / 1000,
    hourCosts: costs === undefined ? null : `${costs.currency} ${costs.downtimePerHour.toLocaleString('en-US')}`,
    command: commandWith(call, 'dr failover run'),
    nowMs: Date.now(),
  });
}
