// What a RabbitMQ backup records about queues and their messages, and the estimate of how long a broker stands still.
import type { JsonValue } from '../json.ts';
import { limitsOf } from './rabbitmq-limits.ts';

export type QueueType = 'classic' | 'quorum' | 'stream';

export interface CapturedMessages {
  /** Artifacts that hold them, in order. */
  readonly artifacts: readonly string[];
  readonly messages: number;
  readonly bytes: number;
  /** How many carry an expiration of their own; absent in older backups. */
  readonly expiring?: number;
  /** SHA-256 over the messages in order; sum of the messages' own modulo 2^256. Hex. */
  readonly ordered: string;
  readonly unordered: string;
}

export interface QueueRecord {
  readonly vhost: string;
  readonly name: string;
  readonly type: QueueType;
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  readonly arguments: Readonly<Record<string, JsonValue>>;
  /** What its policy and operator policy come to; absent in older backups. */
  readonly effectivePolicy?: Readonly<Record<string, JsonValue>>;
  /** The live broker's own statistics, seconds old at most; null when it gave none. */
  readonly ready: number | null;
  readonly unacknowledged: number | null;
  readonly persistent: number | null;
  /** Null in a backup of definitions, and for a queue that no copy can hold. */
  readonly captured: CapturedMessages | null;
}

export interface Inventory {
  readonly queues: readonly QueueRecord[];
  readonly exchanges: readonly Readonly<Record<string, JsonValue>>[];
  readonly bindings: readonly Readonly<Record<string, JsonValue>>[];
}

export const DEFINITIONS_ONLY = 'definitions only: messages are not in it';

/** True for a queue that ends with its connection or the broker, so that no copy of the files can hold it. */
export function isTransient(queue: Pick<QueueRecord, 'durable' | 'exclusive'>): boolean {
  return !queue.durable || queue.exclusive;
}

/** Messages and queues captured, by type of queue. */
export function capturedByType(
  queues: readonly QueueRecord[],
): Record<QueueType, { queues: number; messages: number }> {
  const sum = { classic: none(), quorum: none(), stream: none() };
  for (const { type, captured } of queues) {
    if (captured === null) continue;
    sum[type].queues += 1;
    sum[type].messages += captured.messages;
  }
  return sum;
}

const none = () => ({ queues: 0, messages: 0 });

/** False for a name with a line break: a broker takes it in an import and cuts it out of every declaration of a client. */
export const isAddressable = ({ name }: Pick<QueueRecord, 'name'>): boolean => !/[\r\n]/.test(name);

/** Sentences about what is not in a backup of messages, by the nature of the queues. */
export function lossesByNature(queues: readonly QueueRecord[]): string[] {
  const transient = queues.filter(isTransient);
  const held = transient.reduce((sum, queue) => sum + (queue.ready ?? 0) + (queue.unacknowledged ?? 0), 0);
  const volatile = queues.filter((queue) => !isTransient(queue) && queue.type === 'classic').map(notPersistent);
  const notWritten = volatile.reduce((sum, count) => sum + count, 0);
  const timed = queues.filter((queue) => queue.captured !== null && limitsOf(queue).lifeMs !== null);
  const unreachable = queues.filter((queue) => !isAddressable(queue));
  const overfull = queues.filter(isOverfull);
  const expiring = queues.filter(({ captured }) => (captured?.expiring ?? 0) > 0);
  return [
    ...(transient.length > 0
      ? [`${transient.length} transient or exclusive queues are not in it, with ${held} messages`]
      : []),
    ...(notWritten > 0 ? [`${notWritten} messages are not persistent and may not be in it`] : []),
    ...(timed.length > 0
      ? [`${named(timed)} limit the life of messages: what ended before the clone was read is not in it`]
      : []),
    ...(overfull.length > 0
      ? [`${named(overfull)} hold more than their length with what consumers have: the oldest are not in it`]
      : []),
    ...(unreachable.length > 0
      ? [`${named(unreachable)} have a line break in their names, so no client can read them: messages are not in it`]
      : []),
    ...(expiring.length > 0
      ? [`${named(expiring)} hold messages with an expiration: what ended before the clone was read is not in it`]
      : []),
  ];
}

// In the clone nothing is unacknowledged any more, so that a queue's own limit counts it all and drops the oldest.
function isOverfull(queue: QueueRecord): boolean {
  const { messages } = limitsOf(queue);
  return messages !== null && (queue.ready ?? 0) + (queue.unacknowledged ?? 0) > messages;
}

const NAMES_SHOWN = 5;

function named(queues: readonly QueueRecord[]): string {
  const names = queues.slice(0, NAMES_SHOWN).map(({ vhost, name }) => JSON.stringify([vhost, name]));
  return `${queues.length} queues (${names.join(', ')}${queues.length > NAMES_SHOWN ? ', …' : ''})`;
}

const notPersistent = ({ ready, unacknowledged, persistent }: QueueRecord): number =>
  persistent === null ? 0 : Math.max(0, (ready ?? 0) + (unacknowledged ?? 0) - persistent);

export interface PassMeasure {
  readonly elapsedMs: number;
}

/** Stopping every thread and starting them again, in milliseconds: a generous multiple of what was measured (3-17). */
const STOP_AND_GO_MS = 50;
/** The frozen pass finds about what the last difference pass found; under load it may find more. */
const MARGIN = 2;

/** How long the broker would stand still, from the last pass that copied a difference. */
export function estimatedPauseMs(lastDifference: PassMeasure): number {
  return Math.ceil(STOP_AND_GO_MS + MARGIN * lastDifference.elapsedMs);
}
