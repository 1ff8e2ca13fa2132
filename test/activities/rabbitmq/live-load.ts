// Applications at work on one queue: a publisher with confirms and a slower consumer with acknowledgements, with a log
// of what each was told and when.
import type { BrokerFixture } from './broker-fixture.ts';

export interface Load {
  readonly queue: string;
  /** Number of a message to the time its confirm arrived. */
  readonly confirmed: ReadonlyMap<number, number>;
  /** Number of a message to the time its acknowledgement was sent. */
  readonly acknowledged: ReadonlyMap<number, number>;
  readonly redelivered: number;
  readonly deliveryCounts: number;
  lastDeliveryAt(): number;
  end(): Promise<void>;
}

const PUBLISH_EVERY_MS = 10;
const BATCH = 8;
const ACKNOWLEDGE_OF_BATCH = 5;

export async function startLoad(fixture: BrokerFixture, type: 'classic' | 'quorum' | 'stream'): Promise<Load> {
  const queue = `q-${type}`;
  const { connection, channel } = await fixture.connect();
  const confirmed = new Map<number, number>();
  const acknowledged = new Map<number, number>();
  const seen = { redelivered: 0, deliveryCounts: 0, lastAt: 0 };
  await channel.assertQueue(queue, { arguments: { 'x-queue-type': type } });
  const consumer = await connection.createChannel();
  await consumer.prefetch(50);
  const waiting: (() => void)[] = [];
  const offset = type === 'stream' ? { arguments: { 'x-stream-offset': 'first' } } : {};
  await consumer.consume(
    queue,
    (message) => {
      if (!message) return;
      seen.lastAt = Date.now();
      if (message.fields.redelivered) seen.redelivered += 1;
      if (message.properties.headers?.['x-delivery-count'] !== undefined) seen.deliveryCounts += 1;
      waiting.push(() => {
        // A stream keeps what is acknowledged, so only the other types count it as gone.
        if (type !== 'stream') acknowledged.set(message.content.readUInt32BE(0), Date.now());
        consumer.ack(message);
      });
    },
    offset,
  );
  let next = 0;
  const timer = setInterval(() => {
    for (const acknowledge of waiting.splice(0, ACKNOWLEDGE_OF_BATCH)) acknowledge();
    for (let one = 0; one < BATCH; one += 1) {
      const n = next++;
      const body = Buffer.alloc(512);
      body.writeUInt32BE(n);
      channel.sendToQueue(queue, body, { persistent: true }, (error) => {
        if (!error) confirmed.set(n, Date.now());
      });
    }
  }, PUBLISH_EVERY_MS);
  return {
    queue,
    confirmed,
    acknowledged,
    get redelivered() {
      return seen.redelivered;
    },
    get deliveryCounts() {
      return seen.deliveryCounts;
    },
    lastDeliveryAt: () => seen.lastAt,
    end: async () => {
      clearInterval(timer);
      await channel.waitForConfirms();
      await connection.close();
    },
  };
}
