// How many of a workload's markers are here. The queue is asked for its count; no message is read.
import { MARKERS } from '../../domain/markers.ts';
import type { BrokerDependencies } from './broker-dependencies.ts';
import { listQueues, liveBroker } from './live-broker.ts';
import { countReady } from './wire-connection.ts';

/**
 * Does: asks every queue of the markers' name how many messages are ready.
 * Repeat: asks again. Undo: none needed, nothing is changed. @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED.
 */
export async function countMarkers({ configuration }: BrokerDependencies): Promise<number> {
  const broker = await liveBroker(configuration);
  const queues = (await listQueues(broker.management)).filter(({ name }) => name === MARKERS.rabbitmq.queue);
  const counts = await Promise.all(queues.map((queue) => countReady(broker, queue)));
  return counts.reduce((sum, count) => sum + count, 0);
}
