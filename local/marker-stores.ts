// Where markers are written: a row, a key and a message, each acknowledged by the store itself. Every call makes its own
// connection or mends it: the stores are restarted under it.
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { MARKERS } from '../domain/markers.ts';
import { manage, type RabbitmqAccess } from './dataset/rabbitmq-data.ts';
import type { SiteAccess } from './site.ts';
import { within } from './within.ts';

export interface MarkerStore {
  readonly system: 'postgres' | 'redis' | 'rabbitmq';
  /** What a restore of the markers alone is asked for. */
  readonly scope: { readonly kind: string; readonly names: Readonly<Record<string, string>> };
  /** Makes the place for markers. */
  prepare(): Promise<void>;
  /** Writes one marker and returns when the store has acknowledged it. Writing one again changes nothing that counts. */
  write(marker: number): Promise<void>;
  /** Every marker that is there now, in the store's order. */
  read(): Promise<number[]>;
  /** Destroys all of them, as an accident would. */
  lose(): Promise<void>;
  /** Takes the place for markers away again, with all that is in it. */
  remove(): Promise<void>;
  close(): Promise<void>;
}

const DATABASE = 'orchestrator';
const { schema: SCHEMA, table: TABLE } = MARKERS.postgres;
const { prefix: KEY } = MARKERS.redis;
const { queue: QUEUE } = MARKERS.rabbitmq;
const VHOST = 'agents';

export function markerStores(access: SiteAccess): readonly MarkerStore[] {
  return [postgresMarkers(access), redisMarkers(access), rabbitmqMarkers(access.rabbitmq)];
}

function postgresMarkers({ postgres }: SiteAccess): MarkerStore {
  let client: Client | null = null;
  const query = async (text: string, values: unknown[] = []) => {
    client ??= await opened();
    try {
      return await client.query(text, values);
    } catch (error) {
      const broken = client;
      client = null;
      await broken.end().catch(() => undefined); // It may be broken already.
      throw error;
    }
  };
  const opened = async () => {
    const fresh = new Client({ ...postgres, database: DATABASE, connectionTimeoutMillis: 5000, query_timeout: 20_000 });
    fresh.on('error', () => undefined); // The next query tells.
    await fresh.connect();
    return fresh;
  };
  return {
    system: 'postgres',
    scope: { kind: 'table', names: { database: DATABASE, schema: SCHEMA, table: TABLE } },
    prepare: async () => {
      await query(`create schema if not exists ${SCHEMA}`);
      await query(
        `create table if not exists ${SCHEMA}.${TABLE} (marker bigint primary key, at timestamptz not null default now())`,
      );
    },
    write: async (marker) => {
      await query(`insert into ${SCHEMA}.${TABLE} (marker) values ($1) on conflict do nothing`, [marker]);
    },
    read: async () =>
      (await query(`select marker::float8 as marker from ${SCHEMA}.${TABLE} order by marker`)).rows.map(
        ({ marker }) => marker,
      ),
    lose: async () => {
      await query(`truncate ${SCHEMA}.${TABLE}`);
    },
    remove: async () => void (await query(`drop schema ${SCHEMA} cascade`)),
    close: async () => client?.end(),
  };
}

function redisMarkers({ redis }: SiteAccess): MarkerStore {
  const client = new Redis({ ...redis, maxRetriesPerRequest: 0, commandTimeout: 20_000, lazyConnect: true });
  client.on('error', () => undefined); // The next command tells.
  const keys = () => client.keys(`${KEY}*`);
  const lose = async () => {
    const all = await keys();
    if (all.length > 0) await client.unlink(all);
  };
  return {
    system: 'redis',
    scope: { kind: 'pattern', names: { pattern: `${KEY}*`, database: '0' } },
    prepare: async () => undefined,
    write: async (marker) => {
      await client.set(`${KEY}${marker}`, new Date().toISOString());
    },
    read: async () => (await keys()).map((key) => Number(key.slice(KEY.length))).sort((a, b) => a - b),
    lose,
    remove: lose,
    close: async () => client.disconnect(),
  };
}

function rabbitmqMarkers(access: RabbitmqAccess): MarkerStore {
  let open: { readonly connection: ChannelModel; readonly channel: ConfirmChannel } | null = null;
  const channel = async (): Promise<ConfirmChannel> => {
    open ??= await openChannel(access, () => {
      open = null;
    });
    return open.channel;
  };
  const close = async () => {
    const closing = open;
    open = null;
    await closing?.connection.close().catch(() => undefined); // It may be closed already.
  };
  const lose = async () => void (await manage(access, 'DELETE', `queues/${VHOST}/${QUEUE}`));
  const declare = () =>
    manage(access, 'PUT', `queues/${VHOST}/${QUEUE}`, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
  return {
    system: 'rabbitmq',
    scope: { kind: 'queue', names: { vhost: VHOST, queue: QUEUE } },
    prepare: async () => void (await declare()),
    write: async (marker) => {
      const target = await channel();
      const options = { persistent: true, messageId: String(marker), mandatory: true };
      await within(20_000, publishOne(target, String(marker), options)).catch(async (error) => {
        await close();
        throw error;
      });
    },
    // Nothing else reads this queue: its messages are taken and put back in their order.
    read: async () => {
      const taken = await drain(await channel());
      const target = await channel();
      for (const marker of taken) target.sendToQueue(QUEUE, Buffer.from(String(marker)), { persistent: true });
      await target.waitForConfirms();
      return taken;
    },
    lose,
    remove: lose,
    close,
  };
}

async function openChannel({ host, port, user, password }: RabbitmqAccess, onEnd: () => void) {
  const address = { hostname: host, port, username: user, password, vhost: VHOST, heartbeat: 10 };
  const connection = await connect(address, { timeout: 10_000 });
  connection.on('error', () => undefined); // `close` follows.
  connection.on('close', onEnd);
  const channel = await connection.createConfirmChannel();
  channel.on('error', () => undefined); // The next publish tells.
  channel.on('close', onEnd);
  return { connection, channel };
}

// A message that no queue took is confirmed all the same: it comes back first, and is not written.
function publishOne(channel: ConfirmChannel, body: string, options: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const onReturn = () => reject(new Error(`no queue takes ${body}`));
    channel.once('return', onReturn);
    channel.sendToQueue(QUEUE, Buffer.from(body), options, (error) => {
      channel.removeListener('return', onReturn);
      return error ? reject(error) : resolve();
    });
  });
}

async function drain(channel: ConfirmChannel): Promise<number[]> {
  const found: number[] = [];
  for (;;) {
    const message = await channel.get(QUEUE, { noAck: true });
    if (message === false) return found;
    found.push(Number(message.content.toString()));
  }
}
