// The live broker as its operators see it: through the management API only. Nothing here reads a message.
import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import type { SystemConfiguration } from '../../domain/configuration/schema.ts';
import { Failure } from '../../domain/failures.ts';
import type { JsonValue } from '../../domain/json.ts';
import type { Definitions } from '../../domain/systems/rabbitmq-definitions.ts';
import type { QueueRecord, QueueType } from '../../domain/systems/rabbitmq-inventory.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { resolveSecret } from '../shared/secrets.ts';
import { createManagement, type Management } from './management.ts';
import type { Credentials, Endpoint } from './wire-connection.ts';

export type BrokerConfiguration = SystemConfiguration<'rabbitmq'>;

export interface LiveBroker {
  readonly management: Management;
  readonly endpoint: Endpoint;
  readonly credentials: Credentials;
}

export interface NodeFacts {
  readonly name: string;
  readonly running: boolean;
  readonly mem_alarm: boolean;
  readonly disk_free_alarm: boolean;
  readonly enabled_plugins: readonly string[];
}

export interface ClusterFacts {
  readonly version: string;
  readonly erlang: string;
  readonly node: string;
  readonly clusterName: string;
  readonly nodes: readonly NodeFacts[];
  readonly featureFlags: readonly string[];
}

interface QueueAnswer {
  readonly name: string;
  readonly vhost: string;
  readonly type: string;
  readonly durable: boolean;
  readonly exclusive?: boolean;
  readonly auto_delete: boolean;
  readonly arguments: Readonly<Record<string, JsonValue>>;
  readonly effective_policy_definition?: Readonly<Record<string, JsonValue>> | readonly [] | null;
  readonly messages_ready?: number;
  readonly messages_unacknowledged?: number;
  readonly messages_persistent?: number;
  readonly owner_pid_details?: object;
}

/** Clients of the configured broker. Nothing is sent yet. @throws {Failure} SECRET_UNRESOLVED, FILE_TOO_OPEN. */
export async function liveBroker(configuration: BrokerConfiguration): Promise<LiveBroker> {
  const { host, port, user, management, tls, tlsRootFile } = configuration;
  const credentials = { user, password: await resolveSecret(configuration.password) };
  const ca = tlsRootFile === undefined ? {} : { ca: await readFile(tlsRootFile, 'utf8') };
  return {
    credentials,
    endpoint: { host, port, ...(tls ? { tls: ca } : {}) },
    management: createManagement({ url: management, ...ca }, credentials),
  };
}

/** Version, nodes, plugins and feature flags. */
export async function clusterFacts(management: Management): Promise<ClusterFacts> {
  const [overview, nodes, flags] = await Promise.all([
    management.get<{ rabbitmq_version: string; erlang_version: string; node: string; cluster_name: string }>(
      '/api/overview',
    ),
    listNodes(management),
    management.find<readonly { name: string; state: string }[]>('/api/feature-flags'),
  ]);
  return {
    version: overview.rabbitmq_version,
    erlang: overview.erlang_version,
    node: overview.node,
    clusterName: overview.cluster_name,
    nodes: nodes.map(nodeFacts),
    featureFlags: (flags ?? []).filter(({ state }) => state === 'enabled').map(({ name }) => name),
  };
}

// Only what is reported: a node's answer holds hundreds of figures.
function nodeFacts({ name, running, mem_alarm, disk_free_alarm, enabled_plugins }: NodeFacts): NodeFacts {
  return { name, running, mem_alarm, disk_free_alarm, enabled_plugins };
}

const NODES_WITHIN_MS = 20_000;

// A node that has just started lists itself without facts until its first statistics.
async function listNodes(management: Management): Promise<readonly NodeFacts[]> {
  for (const deadline = Date.now() + NODES_WITHIN_MS; ; await wait(250)) {
    throwIfCancelled();
    const nodes = await management.get<readonly NodeFacts[]>('/api/nodes');
    if (nodes.every((node) => !node.running || node.enabled_plugins !== undefined)) {
      return nodes.map((node) => ({ ...node, enabled_plugins: node.enabled_plugins ?? [] }));
    }
    if (Date.now() > deadline) throw new Failure('STORE_UNREACHABLE', 'the broker does not tell about its nodes');
  }
}

/** All definitions, whole. They hold password hashes: never log them. */
export function readDefinitions(management: Management): Promise<Definitions> {
  return management.get<Definitions>('/api/definitions');
}

/** Every queue with the broker's own counts (as old as its statistics interval, 5 s by default). */
export async function listQueues(management: Management): Promise<QueueRecord[]> {
  const answers = await management.get<readonly QueueAnswer[]>('/api/queues');
  return answers.map((queue) => ({
    vhost: queue.vhost,
    name: queue.name,
    type: typeOf(queue),
    durable: queue.durable,
    exclusive: queue.exclusive ?? queue.owner_pid_details !== undefined,
    autoDelete: queue.auto_delete,
    arguments: queue.arguments,
    effectivePolicy: policyOf(queue),
    ready: queue.messages_ready ?? null,
    unacknowledged: queue.messages_unacknowledged ?? null,
    persistent: queue.messages_persistent ?? null,
    captured: null,
  }));
}

// An empty one comes as an empty list, or not at all.
function policyOf({ effective_policy_definition: found }: QueueAnswer): Readonly<Record<string, JsonValue>> {
  return found && !Array.isArray(found) ? (found as Readonly<Record<string, JsonValue>>) : {};
}

function typeOf({ type, name }: QueueAnswer): QueueType {
  const plain = type.replace(/^rabbit_(classic|quorum|stream)_queue$/, '$1');
  if (plain === 'classic' || plain === 'quorum' || plain === 'stream') return plain;
  throw new Failure('VERSION_UNFIT', `queue ${JSON.stringify(name)} has the unknown type '${type}'`, {
    need: 'classic, quorum and stream queues only',
  });
}

/** Exchanges that were declared (the broker's own are left out) and all bindings, as the broker lists them. */
export async function listTopology(management: Management) {
  type Entry = Readonly<Record<string, JsonValue>>;
  const [exchanges, bindings] = await Promise.all([
    management.get<readonly Entry[]>('/api/exchanges?columns=name,vhost,type,durable,auto_delete,internal,arguments'),
    management.get<readonly Entry[]>('/api/bindings'),
  ]);
  return { exchanges: exchanges.filter(({ name }) => name !== '' && !String(name).startsWith('amq.')), bindings };
}
