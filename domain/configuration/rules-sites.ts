// Rules about sites and the systems in them.
import { SYSTEM_NAMES } from '../systems.ts';
import type { RuleFinding } from './problem.ts';
import { systemsOf } from './protection.ts';
import { isLoopback, quoted, repeated } from './rule-facts.ts';
import type { Configuration } from './schema.ts';

export function activeSiteExists({ activeSite, sites }: Configuration): RuleFinding[] {
  if (Object.hasOwn(sites, activeSite)) return [];
  const names = Object.keys(sites);
  const message = `no site is called '${activeSite}': ${names.length === 0 ? 'there are none' : `known: ${quoted(names)}`}`;
  return [{ level: 'error', path: ['activeSite'], message, ...(names[0] ? { example: names[0] } : {}) }];
}

export function activeSiteProtectsSomething(configuration: Configuration): RuleFinding[] {
  const { activeSite, sites } = configuration;
  if (!Object.hasOwn(sites, activeSite) || systemsOf(configuration, activeSite).length > 0) return [];
  const message = `nothing is protected here: name at least one of ${quoted([...SYSTEM_NAMES])}`;
  return [{ level: 'error', path: ['sites', activeSite], message }];
}

export function brokerMessagesAreReachable({ sites }: Configuration): RuleFinding[] {
  return Object.entries(sites).flatMap(([name, { rabbitmq }]): RuleFinding[] => {
    if (!rabbitmq || rabbitmq.dataDirectory !== undefined) return [];
    const message = 'definitions only: without dataDirectory the messages of this broker are in no backup';
    return [
      { level: 'warning', path: ['sites', name, 'rabbitmq'], message, example: '/var/lib/rabbitmq/mnesia/rabbit@host' },
    ];
  });
}

export function servicesHaveDataDirectories({ sites }: Configuration): RuleFinding[] {
  return Object.entries(sites).flatMap(([name, site]) =>
    (['postgres', 'redis', 'rabbitmq'] as const).flatMap((system): RuleFinding[] => {
      const store = site[system];
      if (store?.service === undefined || store.dataDirectory !== undefined) return [];
      const message = 'a service that can be stopped needs a dataDirectory, or nothing can be restored in its place';
      return [{ level: 'warning', path: ['sites', name, system, 'service'], message }];
    }),
  );
}

export function certificatesHaveOwnNames({ sites }: Configuration): RuleFinding[] {
  return Object.entries(sites).flatMap(([name, { tls }]) =>
    repeated(tls?.certificates.map((one) => one.name) ?? []).map(
      (index): RuleFinding => ({
        level: 'error',
        path: ['sites', name, 'tls', 'certificates', index, 'name'],
        message: 'this certificate name is given twice',
      }),
    ),
  );
}

export function passwordsTravelEncrypted({ sites }: Configuration): RuleFinding[] {
  return Object.entries(sites).flatMap(([name, site]): RuleFinding[] => {
    const plain = (['redis', 'rabbitmq'] as const).filter((system) => {
      const store = site[system];
      return store?.password !== undefined && !store.tls && !isLoopback(store.host);
    });
    return plain.map((system) => ({
      level: 'warning',
      path: ['sites', name, system],
      message: 'the password crosses the network unencrypted: set tls to true',
    }));
  });
}

export function enoughPeopleMayApprove({ failover }: Configuration): RuleFinding[] {
  const { approvals, approvers } = failover;
  const findings = repeated(approvers.map(({ name }) => name)).map(
    (index): RuleFinding => ({
      level: 'error',
      path: ['failover', 'approvers', index, 'name'],
      message: 'this approver is named twice',
    }),
  );
  // Naming nobody is saying nothing of failovers yet; the plan of one says so then.
  if (approvers.length === 0 || approvers.length >= approvals) return findings;
  const message = `a failover needs ${approvals} people, and ${approvers.length} may approve one: none can be run`;
  return [...findings, { level: 'error', path: ['failover'], message }];
}

/** A site that keeps clients out is meant to hand over; what cannot be taken back is refused when it is planned. */
export function handoversCanBeTakenBack({ sites }: Configuration): RuleFinding[] {
  return Object.entries(sites).flatMap(([name, { quiesce, fence }]): RuleFinding[] => {
    if (quiesce === undefined || fence === undefined || fence.undo !== undefined) return [];
    const message =
      "no command starts this site again after its fence: a planned failover from here is refused; give 'undo'";
    return [{ level: 'warning', path: ['sites', name, 'fence'], message }];
  });
}

/** What scratch servers add below `workDirectory`: the run's folder, theirs, and a socket in it. */
const SOCKET_BELOW = '/20261123t054900z-7c97dc/postgres-restore/.s.PGSQL.5432';
/** Linux takes no longer path of a socket, in bytes. */
const SOCKET_LIMIT = 107;

export function workDirectoriesHaveRoomForSockets({ sites }: Configuration): RuleFinding[] {
  const longest = SOCKET_LIMIT - SOCKET_BELOW.length;
  return Object.entries(sites).flatMap(([name, { postgres, workDirectory }]): RuleFinding[] => {
    const bytes = new TextEncoder().encode(workDirectory).length;
    if (!postgres || bytes <= longest) return [];
    const message = `its ${bytes} bytes leave no room for a scratch server's socket, whose path may have ${SOCKET_LIMIT}: at most ${longest}`;
    return [{ level: 'error', path: ['sites', name, 'workDirectory'], message, example: '/var/lib/holdfast/work' }];
  });
}
