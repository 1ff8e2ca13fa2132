// Taking a restored queue's work as its application would: every message, in order, compared with what was published.
import { setTimeout as wait } from 'node:timers/promises';
import type { ConsumeMessage } from 'amqplib';
import type { DatasetSize } from '../dataset/progress.ts';
import {
  DATASET_QUEUES,
  messageBody,
  messagesOf,
  type QueueData,
  type RabbitmqAccess,
  withChannel,
} from '../dataset/rabbitmq-data.ts';

const QUIET_MS = 60_000;

export interface Drained {
  readonly expected: number;
  readonly taken: number;
  /** Number of the first message whose body is not the published one; null when all are. */
  readonly firstWrong: number | null;
}

/** Consumes a queue of the dataset to its end. @throws when nothing comes for a minute before all are there. */
export function drainQueue(
  access: RabbitmqAccess,
  wanted: { readonly vhost: string; readonly queue: string },
  size: DatasetSize,
): Promise<Drained> {
  const data = DATASET_QUEUES.find(({ vhost, queue }) => vhost === wanted.vhost && queue === wanted.queue);
  if (data === undefined) throw new Error(`the dataset has no queue ${wanted.vhost}/${wanted.queue}`);
  const expected = messagesOf(data, size);
  return withChannel(access, data.vhost, async (channel) => {
    let taken = 0;
    let firstWrong: number | null = null;
    let lastAt = Date.now();
    const take = (message: ConsumeMessage | null) => {
      if (message === null) return;
      taken += 1;
      lastAt = Date.now();
      if (firstWrong === null && !isPublished(message, data, taken, size)) firstWrong = taken;
      channel.ack(message);
    };
    await channel.prefetch(500);
    await channel.consume(data.queue, take);
    while (taken < expected) {
      if (Date.now() - lastAt > QUIET_MS) break;
      await wait(20);
    }
    return { expected, taken, firstWrong };
  });
}

function isPublished(message: ConsumeMessage, data: QueueData, n: number, size: DatasetSize): boolean {
  const { messageId } = message.properties;
  return messageId === `${data.queue}-${n}` && message.content.equals(messageBody(data, n, size));
}
