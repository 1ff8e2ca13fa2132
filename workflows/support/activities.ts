// Typed doors to the activities. A name is `<room>.<verb>`; the profile says how long, how often, and how a
// cancellation is waited for. A proxy is cheap and adds nothing to the history, so one is made for every call.
import { type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import type { CertificateWatch } from '../../domain/contracts/certificate-watch.ts';
import type { DnsActivities } from '../../domain/contracts/dns.ts';
import type { FailoverActivities, QuiesceActivities } from '../../domain/contracts/failover.ts';
import type { LedgerActivities } from '../../domain/contracts/ledger.ts';
import { activityName, type ProtectedSystem } from '../../domain/contracts/protected-system.ts';
import type { RecoveryActivities } from '../../domain/contracts/recovery.ts';
import type {
  AuditActivities,
  NotificationActivities,
  RepositoryActivities,
} from '../../domain/contracts/repository.ts';
import type { TerraformActivities } from '../../domain/contracts/terraform.ts';
import type { SystemName } from '../../domain/systems.ts';
import { CONTROL_QUEUE, siteQueue } from '../messages.ts';

// The SDK's effective default lets a workflow go on while its activity still runs: an undo would race the step.
const WAIT = { cancellationType: 'WAIT_CANCELLATION_COMPLETED' } as const;

/** For questions and small acts: they end within a minute or are tried again. */
const QUICK: ActivityOptions = {
  ...WAIT,
  startToCloseTimeout: '2min',
  scheduleToCloseTimeout: '15min',
  heartbeatTimeout: '20s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '10s', maximumAttempts: 5 },
};

/** For what is asked elsewhere when it fails here: on the day a site is cut off nobody waits for it again and again. */
const LOOK: ActivityOptions = { ...QUICK, retry: { initialInterval: '1s', backoffCoefficient: 2, maximumAttempts: 3 } };

/** For everything that moves data. A dead worker is noticed by its heartbeat, not by the clock. */
const LONG: ActivityOptions = {
  ...WAIT,
  startToCloseTimeout: '12h',
  scheduleToCloseTimeout: '24h',
  heartbeatTimeout: '20s',
  retry: { initialInterval: '2s', backoffCoefficient: 2, maximumInterval: '30s', maximumAttempts: 5 },
};

/** For figures that are nice to have: nobody waits for them. */
const GLANCE: ActivityOptions = {
  ...WAIT,
  startToCloseTimeout: '15s',
  scheduleToCloseTimeout: '20s',
  heartbeatTimeout: '15s',
  retry: { maximumAttempts: 1 },
};

export type Profile = 'quick' | 'long' | 'glance' | 'look';

const PROFILES: Readonly<Record<Profile, ActivityOptions>> = { quick: QUICK, long: LONG, glance: GLANCE, look: LOOK };

// The proxy's keys are activity types; ours carry the room's name in front of the verb.
function room<T extends object>(name: Parameters<typeof activityName>[0], options: ActivityOptions): T {
  const proxy = proxyActivities<Record<string, (input: unknown) => Promise<unknown>>>(options);
  const door = { get: (_: object, verb: string) => proxy[activityName(name, verb)] };
  return new Proxy({}, door) as T;
}

/** A protected system's activities on its site's queue. `summary` is the line the Web UI shows. */
export function system(name: SystemName, site: string, profile: Profile, summary: string): ProtectedSystem {
  return room<ProtectedSystem>(name, { ...PROFILES[profile], taskQueue: siteQueue(site), summary });
}

/** The repository beside the stores (copying) or at the witness (sealing, listing, retention). */
export function repository(
  where: { readonly site: string } | 'control',
  profile: Profile,
  summary: string,
): RepositoryActivities {
  const taskQueue = where === 'control' ? CONTROL_QUEUE : siteQueue(where.site);
  return room<RepositoryActivities>('repository', { ...PROFILES[profile], taskQueue, summary });
}

export function notification(summary: string): NotificationActivities {
  return room<NotificationActivities>('notification', { ...QUICK, taskQueue: CONTROL_QUEUE, summary });
}

export function audit(summary: string): AuditActivities {
  return room<AuditActivities>('audit', { ...QUICK, taskQueue: CONTROL_QUEUE, summary });
}

export function recovery(summary: string): RecoveryActivities {
  return room<RecoveryActivities>('recovery', { ...QUICK, taskQueue: CONTROL_QUEUE, summary });
}

// A command of the configuration may take its minutes.
const COMMANDS: ActivityOptions = { ...QUICK, startToCloseTimeout: '10min', scheduleToCloseTimeout: '15min' };

/** Epoch, approvals and fence. What asks a dead site is limited by itself. */
export function failover(summary: string): FailoverActivities {
  return room<FailoverActivities>('failover', { ...COMMANDS, taskQueue: CONTROL_QUEUE, summary });
}

/** What keeps clients out of a site, run at that site. */
export function door(site: string, summary: string): QuiesceActivities {
  return room<QuiesceActivities>('failover', { ...COMMANDS, taskQueue: siteQueue(site), summary });
}

/** The ledger: glanced at while people wait for a site to open, and written after that whatever falls over meanwhile. */
export function ledger(profile: 'glance' | 'quick', summary: string): LedgerActivities {
  return room<LedgerActivities>('ledger', { ...PROFILES[profile], taskQueue: CONTROL_QUEUE, summary });
}

/** The public names. Waiting for them to move heartbeats; a call that asks or changes is short. */
export function dns(profile: Profile, summary: string): DnsActivities {
  return room<DnsActivities>('dns', { ...PROFILES[profile], taskQueue: CONTROL_QUEUE, summary });
}

/** Terraform: a cloud takes minutes for a database. Tries go on for half a minute, then a person is asked. */
export function terraform(summary: string): TerraformActivities {
  return room<TerraformActivities>('terraform', { ...LONG, taskQueue: CONTROL_QUEUE, summary });
}

/** The certificate watcher of a site: one call lasts up to half an hour. */
export function certificateWatch(site: string, summary: string): CertificateWatch {
  return room<CertificateWatch>('tls', {
    ...LONG,
    startToCloseTimeout: '1h',
    scheduleToCloseTimeout: '0s',
    retry: { initialInterval: '5s', maximumInterval: '1min' },
    taskQueue: siteQueue(site),
    summary,
  });
}

/** Any activity by its type, for questions. */
export function call(activity: string, taskQueue: string, input: unknown): Promise<unknown> {
  const proxy = proxyActivities<Record<string, (input: unknown) => Promise<unknown>>>({
    ...QUICK,
    taskQueue,
    summary: activity,
  });
  const run = proxy[activity] as (input: unknown) => Promise<unknown>;
  return run(input);
}
