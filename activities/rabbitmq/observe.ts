// How the broker is now, for `dr status`. Nothing here reads a message.
import type { SystemStatus } from '../../domain/contracts/system-status.ts';
import { type BrokerNode, type BrokerQueue, brokerFigures, judgeBroker } from '../../domain/systems/rabbitmq-status.ts';
import type { BrokerDependencies } from './broker-dependencies.ts';
import { liveBroker } from './live-broker.ts';

interface NodeAnswer {
  readonly name: string;
  readonly running: boolean;
  readonly mem_alarm?: boolean;
  readonly disk_free_alarm?: boolean;
  readonly partitions?: readonly string[];
  readonly disk_free?: number;
}

interface QueueAnswer {
  readonly name: string;
  readonly vhost: string;
  readonly state?: string;
  readonly messages?: number;
  readonly consumers?: number;
}

/** Does: asks the management API. Repeat: harmless. Undo: none. @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED. */
export async function observe({ configuration }: BrokerDependencies): Promise<SystemStatus> {
  const { management } = await liveBroker(configuration);
  const [overview, nodes, queues] = await Promise.all([
    management.get<{ rabbitmq_version: string; cluster_name: string }>('/api/overview'),
    management.get<readonly NodeAnswer[]>('/api/nodes'),
    management.get<readonly QueueAnswer[]>('/api/queues?columns=name,vhost,state,messages,consumers'),
  ]);
  const about = { version: overview.rabbitmq_version, clusterName: overview.cluster_name, nodes: nodes.map(nodeOf) };
  const figures = brokerFigures(about, queues.map(queueOf));
  return { lines: judgeBroker(figures), facts: { ...figures } as unknown as SystemStatus['facts'], changedAt: null };
}

const nodeOf = ({ name, running, mem_alarm, disk_free_alarm, partitions, disk_free }: NodeAnswer): BrokerNode => ({
  ...{ name, running, partitions: partitions ?? [], diskFreeBytes: disk_free ?? null },
  ...{ memoryAlarm: mem_alarm === true, diskAlarm: disk_free_alarm === true },
});

// A queue tells neither its state nor its messages before its first statistics.
const queueOf = ({ name, vhost, state, messages, consumers }: QueueAnswer): BrokerQueue => ({
  ...{ name, vhost, state: state ?? 'unknown', messages: messages ?? null, consumers: consumers ?? null },
});
