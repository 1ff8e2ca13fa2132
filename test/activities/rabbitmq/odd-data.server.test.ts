import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRabbitmq } from '../../../activities/rabbitmq/index.ts';
import { WireConnection } from '../../../activities/rabbitmq/wire-connection.ts';
import { METHOD, Pieces } from '../../../activities/rabbitmq/wire-format.ts';
import type { BackupFacts } from '../../../domain/manifest.ts';
import type { Inventory } from '../../../domain/systems/rabbitmq-inventory.ts';
import { type BrokerFixture, startFixture, until } from './broker-fixture.ts';
import { declareOdd, definitionsOf, EXCHANGE_PLUGINS, LINES } from './odd-definitions.ts';

const VHOST = 'odd/v host %2F "é" 🐇';
const QUEUE = 'q/%2F?#[x] "a\'b" 🐇\t$(x)';
const BIG = 16 * 1024 * 1024;

const path = (...parts: string[]) => parts.map((part) => encodeURIComponent(part)).join('/');

/** One header of every type that AMQP and RabbitMQ know; streams of 3.10 end the connection at most of them. */
function everyHeader(only?: readonly string[]): Buffer {
  const int = (type: string, bytes: Buffer) => Buffer.concat([Buffer.from(type), bytes]);
  const long = (type: string, body: Buffer) => new Pieces().raw(Buffer.from(type)).long(body).bytes();
  const values: [string, Buffer][] = [
    ['t', int('t', Buffer.of(1))],
    ['b', int('b', Buffer.of(0x80))],
    ['B', int('B', Buffer.of(0xff))],
    ['s', int('s', Buffer.of(0x80, 0))],
    ['u', int('u', Buffer.of(0xff, 0xff))],
    ['I', int('I', Buffer.of(0x80, 0, 0, 0))],
    ['i', int('i', Buffer.of(0xff, 0xff, 0xff, 0xff))],
    ['l', int('l', Buffer.of(0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe))],
    ['f', int('f', Buffer.of(0x3f, 0x80, 0, 1))],
    ['d', int('d', Buffer.of(0x3f, 0xf0, 0, 0, 0, 0, 0, 1))],
    ['D', int('D', Buffer.of(2, 0, 0, 1, 0))],
    ['T', int('T', Buffer.of(0, 0, 0, 0, 0x65, 0, 0, 0))],
    ['V', int('V', Buffer.alloc(0))],
    ['S', long('S', Buffer.from('text é'))],
    ['bytes', long('S', Buffer.of(0xff, 0, 0xfe))],
    ['x', long('x', Buffer.of(0, 255))],
    [
      'F',
      long(
        'F',
        new Pieces()
          .short('in')
          .raw(int('B', Buffer.of(7)))
          .bytes(),
      ),
    ],
    ['A', long('A', Buffer.concat([int('t', Buffer.of(0)), long('S', Buffer.from('x'))]))],
    ['x-odd', long('S', Buffer.from('of the platform'))],
    ['', long('S', Buffer.alloc(0))],
  ];
  const chosen = values.filter(([name]) => only === undefined || only.includes(name));
  const table = chosen.reduce((pieces, [name, value]) => pieces.short(name).raw(value), new Pieces()).bytes();
  // Flags: content type, headers, delivery mode 2, priority, expiration (none), type.
  return new Pieces()
    .u16(0x8000 | 0x2000 | 0x1000 | 0x0800)
    .short('text/é')
    .long(table)
    .u8(2)
    .u8(3)
    .bytes();
}

describe('odd data of RabbitMQ', () => {
  let fixture: BrokerFixture;
  let facts: BackupFacts;
  let definitions: Record<string, string[]>;

  const publish = async (vhost: string, queue: string, properties: Buffer, bodies: Buffer[]) => {
    const { host, port } = fixture.deps.configuration;
    const { user, password } = fixture.broker;
    const wire = await WireConnection.open({ host, port }, vhost, { user, password });
    const confirmed = new Promise<void>((resolve, reject) => {
      wire.listen({
        method: (id, args) => {
          if (id === METHOD.basicAck && args.u64() === bodies.length) resolve();
          else if (id !== METHOD.basicAck) reject(new Error(`the broker refused it (${id})`));
        },
        header: () => undefined,
        body: () => undefined,
        ended: reject,
      });
    });
    await wire.call(METHOD.confirmSelect, Buffer.of(0), METHOD.confirmSelectOk);
    for (const body of bodies) wire.publish('', queue, properties, body);
    await confirmed;
    await wire.close();
  };
  const declare = (vhost: string, name: string, args: Record<string, unknown>, more = {}) =>
    fixture.api('PUT', `/api/queues/${path(vhost, name)}`, { durable: true, arguments: args, ...more });

  const fillEachType = async () => {
    for (const type of ['classic', 'quorum', 'stream']) {
      const properties = everyHeader(type === 'stream' ? ['t', 'b', 'I', 'l', 'S', 'x-odd'] : undefined);
      await declare('/', `headers ${type}`, { 'x-queue-type': type });
      await publish('/', `headers ${type}`, properties, [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(0)]);
      await declare('/', `big ${type}`, { 'x-queue-type': type });
      await publish('/', `big ${type}`, properties, [randomBytes(type === 'stream' ? BIG / 16 : BIG), Buffer.alloc(0)]);
    }
  };
  const fillOddQueues = async () => {
    const { connection, channel } = await fixture.connect();
    for (let n = 0; n < 40; n += 1) {
      channel.sendToQueue('dying', Buffer.from(`d${n}`), {
        persistent: true,
        expiration: n % 4 === 0 ? '1' : '500000',
      });
      channel.sendToQueue('alone', Buffer.from(`a${n}`), { persistent: true });
    }
    await channel.waitForConfirms();
    await channel.prefetch(5);
    await channel.consume('alone', () => undefined);
    await connection.close();
    for (let n = 0; n < 30; n += 1)
      await fixture.api('POST', `/api/exchanges/${path(VHOST)}/amq.default/publish`, {
        routing_key: QUEUE,
        payload: `p${n}`,
        payload_encoding: 'string',
        properties: { delivery_mode: 2, priority: n % 11, headers: { CC: ['nowhere'] } },
      });
  };

  /** A queue at its limit while a consumer holds as many again, and a queue that ends with its connection. */
  const holdFull = async () => {
    const { connection, channel } = await fixture.connect();
    await channel.assertQueue('exclusive', { exclusive: true });
    const send = async (from: number, count: number) => {
      for (let n = from; n < from + count; n += 1)
        channel.sendToQueue('full', Buffer.from(`f${n}`), { persistent: true });
      await channel.waitForConfirms();
    };
    await send(0, 10);
    let held = 0;
    await channel.prefetch(5);
    await channel.consume('full', () => {
      held += 1;
    });
    await until(async () => (held === 5 ? true : null));
    await send(10, 5);
    type Counts = { messages_ready?: number; messages_unacknowledged?: number };
    await until(async () => {
      const seen = await fixture.api<Counts>('GET', '/api/queues/%2F/full');
      return seen?.messages_ready === 10 && seen.messages_unacknowledged === 5 ? true : null;
    });
    return connection;
  };

  beforeAll(async () => {
    fixture = await startFixture({ plugins: EXCHANGE_PLUGINS });
    const { user } = fixture.broker;
    const full = { configure: '.*', write: '.*', read: '.*' };
    await fixture.api('PUT', `/api/vhosts/${path(VHOST)}`, {});
    await fixture.api('PUT', `/api/permissions/${path(VHOST, user)}`, full);
    await fixture.api('PUT', `/api/users/${path('odd "user" é')}`, { password: 'x y', tags: 'monitoring,own tag' });
    await fixture.api('PUT', `/api/permissions/${path(VHOST, 'odd "user" é')}`, { ...full, read: '^q.*$' });
    await fixture.api('PUT', `/api/topic-permissions/${path(VHOST, 'odd "user" é')}`, {
      exchange: 'amq.topic',
      write: '^a',
      read: '',
    });
    for (const type of ['direct', 'fanout', 'topic', 'headers'])
      await fixture.api('PUT', `/api/exchanges/${path(VHOST, `e ${type}`)}`, {
        type,
        durable: true,
        internal: type === 'fanout',
        arguments: { 'alternate-exchange': 'amq.fanout' },
      });
    await declare(VHOST, QUEUE, { 'x-max-priority': 9 });
    await fixture.api('POST', `/api/bindings/${path(VHOST)}/e/${path('e headers')}/q/${path(QUEUE)}`, {
      routing_key: '',
      arguments: { 'x-match': 'all', a: 1, b: 'x' },
    });
    await fixture.api('POST', `/api/bindings/${path(VHOST)}/e/${path('e topic')}/e/${path('e direct')}`, {
      routing_key: 'a.#',
      arguments: {},
    });
    await fixture.api('PUT', `/api/operator-policies/${path(VHOST, 'ops')}`, {
      pattern: '^ops',
      definition: { 'max-length': 3 },
      'apply-to': 'queues',
    });
    await fixture.api('PUT', `/api/policies/${path(VHOST, 'zero é')}`, {
      pattern: '^never$',
      definition: { 'message-ttl': 1 },
      priority: 5,
      'apply-to': 'queues',
    });
    await declare('/', 'keeps nothing', { 'x-max-length': 0 });
    await declare('/', 'keeps nothing either', { 'x-message-ttl': 0 });
    await declare('/', 'bytes', { 'x-max-length-bytes': 8, 'x-overflow': 'reject-publish' });
    await declare('/', 'dead', {});
    await declare('/', 'dying', {
      'x-message-ttl': 600_000,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': 'dead',
    });
    await declare('/', 'alone', { 'x-single-active-consumer': true, 'x-queue-type': 'quorum', 'x-delivery-limit': 2 });
    await declare('/', 'empty', {});
    await fillEachType();
    await fillOddQueues();
    await declareOdd(fixture);
    await declare('/', 'full', { 'x-max-length': 10 });
    const holder = await holdFull();
    facts = await fixture.take('messages');
    await holder.close();
    definitions = await definitionsOf(fixture);
  });
  afterAll(() => fixture?.end());

  // A second backup, of what was restored: the same queues with the same messages in the same order.
  const sameMessages = async () => {
    const sums = async (backup: BackupFacts) => {
      const stored = await fixture.deps.reader.open(backup);
      const chunks: Uint8Array[] = [];
      for await (const chunk of stored.read('inventory.json')) chunks.push(chunk);
      const { queues } = JSON.parse(Buffer.concat(chunks).toString()) as Inventory;
      const kept = queues.filter(({ name }) => name !== 'full' && name !== 'exclusive');
      return kept.map(({ vhost, name, captured }) => [vhost, name, captured?.messages, captured?.ordered]).sort();
    };
    expect(await sums(await fixture.take('messages'))).toEqual(await sums(facts));
    const { messages_ready } = (await fixture.api<{ messages_ready: number }>('GET', '/api/queues/%2F/full')) ?? {};
    expect(messages_ready).toBe(10);
  };

  it('captures, checks and proves it all', async () => {
    const system = createRabbitmq(fixture.deps);
    const report = await system.checkBackup({ site: 'here', backup: facts, tier: null, run: 'check' });
    expect(report.findings.filter(({ level }) => level !== 'ok')).toEqual([]);
    expect(facts.report.captured).toMatchObject({
      stream: { queues: 3, messages: 5 },
      quorum: { queues: 3, messages: 45 },
    });
    expect(facts.warnings).toEqual([
      '1 transient or exclusive queues are not in it, with 0 messages',
      expect.stringMatching(/^5 queues \(.*\["\/","dying"\].*"by policy".*\) limit the life of messages/),
      expect.stringMatching(/^1 queues \(\["\/","full"\]\) hold more than their length with what consumers have/),
      expect.stringMatching(/^1 queues \(.*\) have a line break in their names/),
      expect.stringMatching(/^1 queues \(\["\/","dying"\]\) hold messages with an expiration/),
    ]);
    const plan = await system.planRestore(fixture.request(facts, { target: 'scratch' }));
    const result = await system.runRestoreStep({ plan, stepId: 'prove', input: {} });
    expect(result.findings.filter(({ level }) => level !== 'ok')).toEqual([]);
  });

  it('faults 64: brings all of it back into a broker that lost it, the same by definitions and checksums, once', async () => {
    for (const name of [VHOST, LINES]) await fixture.api('DELETE', `/api/vhosts/${path(name)}`);
    for (const name of ['odd "user" é', LINES, 'no password']) await fixture.api('DELETE', `/api/users/${path(name)}`);
    await fixture.api('DELETE', '/api/global-parameters/of%20the%20platform');
    const before = await fixture.api<{ name: string; messages: number }[]>('GET', '/api/queues?columns=name,messages');
    for (const { name } of before ?? []) await fixture.api('DELETE', `/api/queues/${path('/', name)}`);
    await fixture.restore(fixture.request(facts, {}));
    expect(await definitionsOf(fixture)).toEqual(definitions);
    await sameMessages();
    const second = await fixture.restore(fixture.request(facts, {}));
    expect(second.difference).toMatchObject({ missing: {}, different: [], messages: 0 });
  });
});
