// What an agent platform keeps in RabbitMQ: two virtual hosts with classic, quorum and stream queues, filled through
// their exchanges with publisher confirms, and the users, policies and bindings around them.
import { type ConfirmChannel, connect } from 'amqplib';
import { counter, type DatasetSize, type OnProgress, scaled } from './progress.ts';

export interface RabbitmqAccess {
  readonly host: string;
  readonly port: number;
  readonly management: string;
  readonly user: string;
  readonly password: string;
}

export interface QueueData {
  readonly vhost: string;
  readonly queue: string;
  readonly type: 'classic' | 'quorum' | 'stream';
  readonly exchange: string;
  readonly routingKey: string;
  readonly messages: number;
}

const queue = (vhost: string, name: string, type: QueueData['type'], messages: number): QueueData => ({
  vhost,
  queue: name,
  type,
  exchange: type === 'stream' ? 'log' : 'work',
  routingKey: `${type}.${name}`,
  messages,
});

export const DATASET_QUEUES: readonly QueueData[] = [
  queue('agents', 'tasks', 'quorum', 15_000),
  queue('agents', 'mail', 'classic', 10_000),
  queue('agents', 'journal', 'stream', 8000),
  queue('billing', 'invoices', 'quorum', 8000),
  queue('billing', 'reminders', 'classic', 6000),
  queue('billing', 'ledger', 'stream', 3000),
  queue('billing', 'dead', 'classic', 0),
];

/** Number of messages that a queue gets at this size. */
export function messagesOf(data: QueueData, size: DatasetSize): number {
  return data.messages === 0 ? 0 : scaled(data.messages, size);
}

/** The body of message `n` (from 1) of a queue: what a consumer must find there, in this order. */
export function messageBody(data: QueueData, n: number, { seed }: DatasetSize): Buffer {
  const padding = '.'.repeat((n * 37) % 400);
  return Buffer.from(JSON.stringify({ queue: data.queue, n, seed, padding }));
}

/** Declares everything through the management interface and publishes, one connection for each queue. */
export async function loadRabbitmq(access: RabbitmqAccess, size: DatasetSize, onProgress: OnProgress): Promise<void> {
  await declare(access);
  const total = DATASET_QUEUES.reduce((sum, data) => sum + messagesOf(data, size), 0);
  const onMessages = counter(total, onProgress);
  await Promise.all(DATASET_QUEUES.map((data) => publish(access, data, size, onMessages)));
}

async function declare(access: RabbitmqAccess): Promise<void> {
  const put = (path: string, body: object = {}) => manage(access, 'PUT', path, body);
  for (const vhost of ['agents', 'billing']) {
    await put(`vhosts/${vhost}`);
    await put(`permissions/${vhost}/${access.user}`, { configure: '.*', write: '.*', read: '.*' });
    await put(`exchanges/${vhost}/work`, { type: 'topic', durable: true });
    await put(`exchanges/${vhost}/log`, { type: 'direct', durable: true });
    await put(`policies/${vhost}/limits`, {
      pattern: '^mail$|^reminders$',
      definition: { 'max-length': 1_000_000 },
      'apply-to': 'queues',
    });
    await put(`users/${vhost}-app`, { password: 'not-the-real-one', tags: '' });
    await put(`permissions/${vhost}/${vhost}-app`, { configure: '', write: '^work$', read: '.*' });
  }
  await put('exchanges/billing/audit', { type: 'fanout', durable: true });
  await manage(access, 'POST', 'bindings/billing/e/work/e/audit', { routing_key: 'classic.#' });
  for (const data of DATASET_QUEUES) await declareQueue(access, data);
}

async function declareQueue(access: RabbitmqAccess, { vhost, queue: name, type, exchange, routingKey }: QueueData) {
  await manage(access, 'PUT', `queues/${vhost}/${name}`, { durable: true, arguments: { 'x-queue-type': type } });
  await manage(access, 'POST', `bindings/${vhost}/e/${exchange}/q/${name}`, { routing_key: routingKey });
}

/** One call of the management interface. @throws {Error} unless it answers 2xx. */
export async function manage(
  { management, user, password }: RabbitmqAccess,
  method: string,
  path: string,
  body?: object,
): Promise<unknown> {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const headers = { authorization, 'content-type': 'application/json' };
  const response = await fetch(`${management}/api/${path}`, {
    method,
    headers,
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
  return text === '' ? null : JSON.parse(text);
}

const BATCH_MESSAGES = 500;

function publish(access: RabbitmqAccess, data: QueueData, size: DatasetSize, onMessages: (messages: number) => void) {
  const total = messagesOf(data, size);
  return withChannel(access, data.vhost, async (channel) => {
    for (let first = 1; first <= total; first += BATCH_MESSAGES) {
      const last = Math.min(total, first + BATCH_MESSAGES - 1);
      for (let n = first; n <= last; n += 1) send(channel, data, n, size);
      await channel.waitForConfirms();
      onMessages(last - first + 1);
    }
  });
}

function send(channel: ConfirmChannel, data: QueueData, n: number, size: DatasetSize): void {
  channel.publish(data.exchange, data.routingKey, messageBody(data, n, size), {
    persistent: true,
    mandatory: true,
    contentType: 'application/json',
    messageId: `${data.queue}-${n}`,
    timestamp: 1_767_225_600 + n,
    headers: { attempt: n % 3, source: 'dataset', nested: { list: [n, 'two'] } },
  });
}

/** Opens a confirm channel for the length of `use`. @throws when the broker closes it or returns a message. */
export async function withChannel<T>(
  { host: hostname, port, user: username, password }: RabbitmqAccess,
  vhost: string,
  use: (channel: ConfirmChannel) => Promise<T>,
): Promise<T> {
  const connection = await connect({ hostname, port, username, password, vhost });
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => undefined); // Nobody waits for it before the channel is open.
  connection.on('error', broken.reject); // Each may be told several times, and one without a listener ends the process.
  try {
    const channel = await connection.createConfirmChannel();
    channel.on('error', broken.reject);
    channel.on('return', ({ fields }) => broken.reject(new Error(`no queue for ${fields.routingKey}`)));
    return await Promise.race([use(channel), broken.promise]);
  } finally {
    await connection.close().catch(() => undefined); // Closed already when the broker ended it; that error is thrown.
  }
}
