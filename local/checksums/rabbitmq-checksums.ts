// Counts of RabbitMQ's queues, by declaring them passively; streams are read through, which takes nothing from them.
import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { ConfirmChannel, ConsumeMessage } from 'amqplib';
import { manage, type RabbitmqAccess, withChannel } from '../dataset/rabbitmq-data.ts';

export interface QueueChecksum {
  readonly type: string;
  readonly messages: number;
  /** Of bodies in order, for streams only: reading any other queue would take its messages. */
  readonly hash: string | null;
}

interface Listed {
  readonly name: string;
  readonly vhost: string;
  readonly type?: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** By `vhost/queue`; Holdfast's own queues (`dr.`) are left out. */
export async function rabbitmqChecksums(access: RabbitmqAccess): Promise<Record<string, QueueChecksum>> {
  const listed = (await manage(access, 'GET', 'queues')) as Listed[];
  const queues = listed.filter(({ name }) => !name.startsWith('dr.'));
  const checked = await Promise.all(
    queues.map(async (queue) => [keyOf(queue), await checksum(access, queue)] as const),
  );
  return Object.fromEntries(checked.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const keyOf = ({ vhost, name }: Listed) => `${vhost}/${name}`;

function checksum(access: RabbitmqAccess, queue: Listed): Promise<QueueChecksum> {
  const type = String(queue.arguments['x-queue-type'] ?? queue.type ?? 'classic');
  return withChannel(access, queue.vhost, async (channel) => {
    if (type === 'stream') return { type, ...(await readStream(channel, queue.name)) };
    return { type, messages: await stableCount(channel, queue.name), hash: null };
  });
}

// Counts of quorum queues follow a moment after what happened to them.
async function stableCount(channel: ConfirmChannel, queue: string): Promise<number> {
  const count = async () => (await channel.checkQueue(queue)).messageCount;
  for (let last = await count(), same = 0; ; ) {
    await wait(50);
    const now = await count();
    same = now === last ? same + 1 : 0;
    if (same === 4) return now;
    last = now;
  }
}

const QUIET_MS = 1500;

/** Reads a stream from its first message until nothing more comes. */
async function readStream(channel: ConfirmChannel, queue: string): Promise<{ messages: number; hash: string }> {
  const hash = createHash('sha256');
  let messages = 0;
  let lastAt = Date.now();
  await channel.prefetch(1000);
  const { consumerTag } = await channel.consume(queue, take, { arguments: { 'x-stream-offset': 'first' } });
  while (Date.now() - lastAt < QUIET_MS) await wait(50);
  await channel.cancel(consumerTag);
  return { messages, hash: hash.digest('hex') };

  function take(message: ConsumeMessage | null) {
    if (message === null) return;
    hash.update(`${message.content.length}:`).update(message.content);
    messages += 1;
    lastAt = Date.now();
    channel.ack(message);
  }
}
