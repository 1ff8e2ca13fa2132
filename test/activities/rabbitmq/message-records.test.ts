import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatProperties, parseProperties, textHeader } from '../../../activities/rabbitmq/message-properties.ts';
import {
  fileHead,
  messageBytes,
  queueEnd,
  queueHead,
  readRecords,
} from '../../../activities/rabbitmq/message-records.ts';
import { asOriginal, forRepublish } from '../../../activities/rabbitmq/message-republish.ts';

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const messages = fc.array(
  fc.record({
    redelivered: fc.boolean(),
    exchange: bytes(255),
    routingKey: bytes(255),
    properties: bytes(300),
    body: bytes(2000),
  }),
  { maxLength: 20 },
);
const queue = { vhost: '/ü\n', name: '-rf "queue" 🐇' };

describe('files of messages', () => {
  it('give back any message in any cut of the stream', async () => {
    await fc.assert(
      fc.asyncProperty(messages, fc.integer({ min: 1, max: 500 }), async (some, cut) => {
        const wanted = some.map((message, order) => ({ kind: 'message', message: { order, ...message } }));
        const file = whole(some);
        const events = [];
        for await (const event of readRecords(pieces(file, cut))) events.push(event);
        expect(events).toEqual([{ kind: 'queue', queue }, ...wanted, { kind: 'end', count: some.length }]);
      }),
      { numRuns: 50 },
    );
  });

  it('faults 22: are refused wherever they end too early', async () => {
    const empty = Buffer.alloc(0);
    const file = whole([
      { redelivered: false, exchange: empty, routingKey: empty, properties: empty, body: Buffer.from('x') },
    ]);
    for (let length = 0; length < file.length; length += 1) {
      const reading = async () => {
        for await (const _ of readRecords(pieces(file.subarray(0, length), 7)));
      };
      await expect(reading()).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
    }
  });
});

describe('properties of a message', () => {
  const rules = { mayImpersonate: false, holdExpiration: true, dropsDeaths: true };
  const original = formatProperties({
    values: new Map([
      ['userId', Buffer.from('app')],
      ['expiration', Buffer.from('60000')],
      ['deliveryMode', Buffer.of(2)],
    ]),
    headers: [
      { name: Buffer.from('wide'), value: Buffer.from([0x6c, 0, 0, 0, 0, 0, 0, 0, 5]) },
      textHeader('CC', Buffer.from('elsewhere')),
      textHeader('x-death', Buffer.from('once')),
      textHeader('x-delivery-count', Buffer.from('3')),
    ],
  });

  it('keep their bytes when they are taken apart and put together', () => {
    expect(formatProperties(parseProperties(original))).toEqual(original);
  });

  it('lose what would route, be refused or expire, and are recognised afterwards', () => {
    const published = forRepublish(original, rules);
    const names = parseProperties(published).headers?.map(({ name }) => name.toString());
    expect(names).toEqual(['wide', 'x-dr-cc', 'x-death', 'x-dr-x-death', 'x-dr-user-id', 'x-dr-expiration']);
    expect([...parseProperties(published).values.keys()]).toEqual(['deliveryMode']);
    expect(formatProperties(asOriginal(published))).toEqual(formatProperties(asOriginal(original)));
  });
});

interface Some {
  readonly redelivered: boolean;
  readonly exchange: Buffer;
  readonly routingKey: Buffer;
  readonly properties: Buffer;
  readonly body: Buffer;
}

function whole(some: readonly Some[]): Buffer {
  const records = some.map((message, order) => messageBytes({ order, ...message }));
  return Buffer.concat([fileHead(), queueHead(queue), ...records, queueEnd(some.length)]);
}

async function* pieces(file: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < file.length; at += size) yield file.subarray(at, at + size);
}
