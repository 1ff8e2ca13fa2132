// What a person reads before everything else of a failover's plan: what is lost, when it serves, what waiting costs, what
// nobody knows, and the one next command.
import type { Look } from './contracts/status.ts';
import type { FailoverPlan } from './failover.ts';
import { formatSeconds } from './quantities.ts';
import { refText } from './repository-layout.ts';
import { type Measurement, newestMeasurement } from './status/measurements.ts';
import type { SystemName } from './systems.ts';

export interface FailoverBrief {
  /** Seconds of each system's writes that are lost at the most. */
  readonly lossSeconds: FailoverPlan['lossSeconds'];
  /** Seconds until the new site serves, people's time left out; null when that was never measured. */
  readonly serveSeconds: number | null;
  /** What `serveSeconds` was measured by, or what was never measured. */
  readonly measuredBy: string;
  /** What comes on top of it. */
  readonly besides: readonly string[];
  readonly waiting: readonly string[];
  readonly unknown: readonly string[];
  /** The one next command, or what has to be done before there is one. */
  readonly next: string;
}

export interface BriefFacts {
  readonly plan: FailoverPlan;
  /** What restores and recoveries took. */
  readonly measured: Look<readonly Measurement[]>;
  /** How many people may approve. */
  readonly approvers: number;
  /** The longest TTL of the public names in seconds; null when no names are configured. */
  readonly ttlSeconds: number | null;
  /** What an hour without the platform costs, in words; null when the configuration does not say. */
  readonly hourCosts: string | null;
  /** The command that carries this plan out. */
  readonly command: string;
  readonly nowMs: number;
}

/** The head of the plan. */
export function briefFailover(facts: BriefFacts): FailoverBrief {
  const { plan, measured, nowMs } = facts;
  const served = 'seen' in measured ? timeToServe(plan, measured.seen, nowMs) : unread(measured.unseen.message);
  return {
    lossSeconds: plan.lossSeconds,
    serveSeconds: served.seconds,
    measuredBy: served.why,
    besides: besides(facts),
    waiting: waiting(facts),
    unknown: unknowns(facts, served.seconds === null),
    next: nextStep(facts),
  };
}

interface Served {
  readonly seconds: number | null;
  readonly why: string;
}

const unread = (why: string): Served => ({ seconds: null, why: `what restores took could not be read: ${why}` });

/** The slower of the newest recovery of all these systems and of their own newest restores, stage after stage. */
function timeToServe(plan: FailoverPlan, all: readonly Measurement[], nowMs: number): Served {
  const found = [recoveryOf(plan, all, nowMs), restoresOf(plan, all)].filter((one) => one.seconds !== null);
  const slowest = found.toSorted((a, b) => (b.seconds ?? 0) - (a.seconds ?? 0))[0];
  return slowest ?? restoresOf(plan, all);
}

function recoveryOf({ set }: FailoverPlan, all: readonly Measurement[], nowMs: number): Served {
  const covers = ({ what, systems }: Measurement) =>
    what === 'platform' && set.members.every(({ system }) => systems.includes(system));
  const newest = newestMeasurement(all.filter(covers));
  if (newest === undefined) return { seconds: null, why: 'no recovery of all of it was measured' };
  const where = newest.target === 'live' ? 'a live recovery' : 'a recovery into scratch';
  const age = formatSeconds(Math.max(0, nowMs - Date.parse(newest.at)) / 1000);
  return { seconds: newest.seconds - newest.waitedSeconds, why: `${where}, ${age} ago` };
}

function restoresOf({ set, stages }: FailoverPlan, all: readonly Measurement[]): Served {
  const times = new Map<SystemName, number>();
  for (const { system, kind } of set.members) {
    const newest = newestMeasurement(all.filter((one) => one.what === system && one.kind === kind));
    if (newest !== undefined) times.set(system, newest.seconds - newest.waitedSeconds);
  }
  const missing = set.members.filter(({ system }) => !times.has(system)).map(({ system, kind }) => `${system} ${kind}`);
  if (missing.length > 0) return { seconds: null, why: `never measured: a restore of ${missing.join(', ')}` };
  const stageSeconds = stages.map((stage) => Math.max(...stage.map((system) => times.get(system) ?? 0)));
  const seconds = stageSeconds.reduce((sum, one) => sum + one, 0);
  return { seconds, why: 'the newest restore of each, one stage after the other' };
}

function besides({ plan, ttlSeconds }: BriefFacts): readonly string[] {
  const names =
    ttlSeconds === null
      ? 'sending the clients to the new site, which is yours to do'
      : `clients that keep the old address for up to ${formatSeconds(ttlSeconds)}`;
  return [`${plan.approvals} signatures`, `the proof that '${plan.from}' is cut off`, names];
}

function waiting({ plan: { from }, hourCosts }: BriefFacts): readonly string[] {
  return [
    `while '${from}' takes no writes, nothing more is lost, and nobody is served${hourCosts === null ? '' : `: ${hourCosts} an hour`}`,
    `if '${from}' still takes writes, an hour of them more is lost in each hour`,
  ];
}

function unknowns({ plan, measured, hourCosts }: BriefFacts, isServeUnknown: boolean): readonly string[] {
  const unproven = plan.set.members.filter(({ standing }) => standing !== 'proven');
  return [
    `whether '${plan.from}' is dead: nobody has asked it yet; the step 'fence' does`,
    ...(isServeUnknown ? [`how long it takes${'seen' in measured ? ": 'dr recover --test' measures it" : ''}`] : []),
    ...unproven.map((member) => `whether ${refText(member)} restores: it was never proven`),
    ...(hourCosts === null ? ['what an hour costs: costs.downtimePerHour is not configured'] : []),
  ];
}

function nextStep({ plan, approvers, command }: BriefFacts): string {
  if (approvers >= plan.approvals) return command;
  return `name ${plan.approvals} people under failover.approvers (there are ${approvers}), restart the workers, then: ${command}`;
}
