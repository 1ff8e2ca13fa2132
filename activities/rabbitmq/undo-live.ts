// Undoing a restore into the live broker: only what this run made, and only while nobody has used it.
import type { RestorePlan, RestoreStepResult } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { refKey } from '../../domain/systems/rabbitmq-restore.ts';
import { letIn } from './application-lock.ts';
import type { BrokerDependencies } from './broker-dependencies.ts';
import { shown } from './fill.ts';
import { type LiveBroker, liveBroker } from './live-broker.ts';
import { type Management, segment } from './management.ts';
import { findJournal, type RestoreJournal, removeJournal } from './restore-journal.ts';
import { requireIdentity } from './restore-live.ts';
import { WireConnection } from './wire-connection.ts';

const NOTHING: RestoreStepResult = { summary: 'there was nothing to undo', findings: [], facts: {} };

/** @throws {Failure} UNDO_FAILED when somebody has used what would be removed. */
export async function undoLiveStep(
  deps: BrokerDependencies,
  plan: RestorePlan,
  id: string,
): Promise<RestoreStepResult> {
  const broker = await liveBroker(deps.configuration);
  await requireIdentity(plan, broker);
  const journal = await findJournal(broker.management, plan.request.run);
  if (journal === null || journal.isOpen) return NOTHING;
  if (id === 'messages') return emptyFilled(broker, journal);
  if (id === 'policies') return removeCreated(broker.management, journal, ['policies', 'parameters']);
  if (id === 'topology')
    return removeCreated(broker.management, journal, ['queues', 'bindings', 'exchanges', 'users', 'vhosts']);
  if (id !== 'lock') return NOTHING;
  await letIn(broker.management, journal);
  await removeJournal(broker.management, plan.request.run);
  return { summary: `${journal.permissions.length} permissions given back`, findings: [], facts: {} };
}

async function emptyFilled(broker: LiveBroker, journal: RestoreJournal): Promise<RestoreStepResult> {
  for (const filling of journal.fillings) {
    const path = `/api/queues/${segment(filling.to.vhost)}/${segment(filling.to.name)}`;
    const queue = await broker.management.find<{ type: string }>(path);
    if (queue === null) continue;
    const isOurs = (journal.creates.queues ?? []).some(
      ({ vhost, name }) => refKey({ vhost: String(vhost), name: String(name) }) === refKey(filling.to),
    );
    // Behind the lock nobody but us and the broker's own dead-lettering has put anything into a queue of this run.
    const isOnlyOurs = isOurs && journal.lockedVhosts.includes(filling.to.vhost);
    await requireUnused(broker, journal, { ...filling, isOnlyOurs });
    if (isOurs) await broker.management.remove(path);
    else if (queue.type === 'stream')
      throw inUse(filling.to, 'is a stream that was there before and cannot be emptied');
    else await broker.management.remove(`${path}/contents`);
  }
  return { summary: `${journal.fillings.length} queues emptied again`, findings: [], facts: {} };
}

async function requireUnused(
  { endpoint, credentials }: LiveBroker,
  journal: RestoreJournal,
  { to, messages, isOnlyOurs }: RestoreJournal['fillings'][number] & { readonly isOnlyOurs: boolean },
): Promise<void> {
  const connection = await WireConnection.open(endpoint, to.vhost, credentials);
  try {
    const found = await connection.countQueue(to.name);
    const isWhole = journal.filled.includes(refKey(to));
    if (found.consumers > 0) throw inUse(to, `has ${found.consumers} consumers`);
    if (isOnlyOurs) return;
    const isCounted = journal.confirmed[refKey(to)] === undefined;
    if (found.messages > messages || (isCounted && isWhole && found.messages < messages))
      throw inUse(to, `holds ${found.messages} messages and was given ${messages}`);
  } finally {
    await connection.close();
  }
}

function inUse(queue: { vhost: string; name: string }, why: string): Failure {
  return new Failure('UNDO_FAILED', `${shown(queue)} ${why}`, { queue: queue.name });
}

type Named = Readonly<Record<string, unknown>>;

const PATHS: Readonly<Record<string, (entry: Named) => string>> = {
  queues: ({ vhost, name }) =>
    `/api/queues/${segment(String(vhost))}/${segment(String(name))}?if-empty=true&if-unused=true`,
  exchanges: ({ vhost, name }) => `/api/exchanges/${segment(String(vhost))}/${segment(String(name))}?if-unused=true`,
  policies: ({ vhost, name }) => `/api/policies/${segment(String(vhost))}/${segment(String(name))}`,
  parameters: ({ vhost, component, name }) =>
    `/api/parameters/${segment(String(component))}/${segment(String(vhost))}/${segment(String(name))}`,
  users: ({ name }) => `/api/users/${segment(String(name))}`,
};

async function removeCreated(
  management: Management,
  journal: RestoreJournal,
  sections: readonly ('queues' | 'bindings' | 'exchanges' | 'users' | 'vhosts' | 'policies' | 'parameters')[],
): Promise<RestoreStepResult> {
  let removed = 0;
  for (const section of sections) {
    for (const entry of journal.creates[section] ?? []) {
      if (section === 'bindings') await removeBinding(management, entry);
      else if (section === 'vhosts') await removeEmptyVhost(management, String(entry.name));
      else await management.remove((PATHS[section] as (entry: Named) => string)(entry));
      removed += 1;
    }
  }
  return { summary: `${removed} definitions removed again`, findings: [], facts: { removed } };
}

// The broker names a binding by a key of its own making, so it is looked up.
async function removeBinding(management: Management, entry: Named): Promise<void> {
  const kind = entry.destination_type === 'exchange' ? 'e' : 'q';
  const between = [entry.vhost, 'e', entry.source, kind, entry.destination].map((part) => segment(String(part)));
  const path = `/api/bindings/${between.join('/')}`;
  const found = (await management.find<readonly { routing_key: string; properties_key: string }[]>(path)) ?? [];
  for (const one of found) {
    if (one.routing_key === entry.routing_key) await management.remove(`${path}/${segment(one.properties_key)}`);
  }
}

async function removeEmptyVhost(management: Management, name: string): Promise<void> {
  const queues = await management.find<readonly object[]>(`/api/queues/${segment(name)}`);
  if (queues && queues.length > 0)
    throw new Failure('UNDO_FAILED', `virtual host ${JSON.stringify(name)} holds queues that this run did not make`);
  await management.remove(`/api/vhosts/${segment(name)}`);
}
