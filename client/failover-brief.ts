// The head of a failover's plan: the facts that the plan does not hold, and the command that carries it out.
import type { AuditRecord } from '../domain/audit.ts';
import { type Configuration, durationMs } from '../domain/configuration/schema.ts';
import type { Look } from '../domain/contracts/status.ts';
import type { FailoverPlan } from '../domain/failover.ts';
import { briefFailover, type FailoverBrief } from '../domain/failover-brief.ts';
import { type Measurement, measurementsIn } from '../domain/status/measurements.ts';
import type { Call, CallOptions } from './command.ts';
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
    command: commandOf(call),
    nowMs: Date.now(),
  });
}

const OPTIONS = ['to', 'at', 'kind', 'option', 'config'] as const;

// The same words as were given to plan: another backup would be another plan.
function commandOf({ args, options }: Call): string {
  const named = OPTIONS.flatMap((name) => valuesOf(options, name).flatMap((value) => [`--${name}`, quotedWord(value)]));
  return ['dr failover run', ...args, ...named, ...(options.flag('unproven') ? ['--unproven'] : [])].join(' ');
}

function valuesOf(options: CallOptions, name: string): readonly string[] {
  const one = options.text(name);
  return one === undefined ? options.list(name) : [one];
}

const quotedWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
