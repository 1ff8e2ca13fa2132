// The file format of drained messages (docs/decisions/0402-message-records.md). Length-prefixed, big endian, streamed:
//   file    = "HFMSG1\r\n" section+
//   section = "Q" u32 length { u16-prefixed vhost, u16-prefixed queue } message* "E" u64 count
//   message = "M" u32 length { u64 order, u8 redelivered, u8-prefixed exchange, u8-prefixed routing key,
//                              u32-prefixed properties, body to the end }
// `properties` are the bytes of the AMQP content header from its flags on, exactly as the broker sent them.

import type { ByteSource } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import { Pieces, Reading } from './wire-format.ts';

const MAGIC = Buffer.from('HFMSG1\r\n');
const TAG = { queue: 0x51, message: 0x4d, end: 0x45 } as const;

export interface QueueName {
  readonly vhost: string;
  readonly name: string;
}

export interface MessageRecord {
  /** Place in the queue, counted from 0. */
  readonly order: number;
  readonly redelivered: boolean;
  readonly exchange: Buffer;
  readonly routingKey: Buffer;
  readonly properties: Buffer;
  readonly body: Buffer;
}

/** What a reader of a records file meets, in order. */
export type RecordEvent =
  | { readonly kind: 'queue'; readonly queue: QueueName }
  | { readonly kind: 'message'; readonly message: MessageRecord }
  | { readonly kind: 'end'; readonly count: number };

export const fileHead = (): Buffer => MAGIC;

export function queueHead(queue: QueueName): Buffer {
  const [vhost, name] = [Buffer.from(queue.vhost), Buffer.from(queue.name)];
  const body = new Pieces().u16(vhost.length).raw(vhost).u16(name.length).raw(name).bytes();
  return new Pieces().u8(TAG.queue).long(body).bytes();
}

export function queueEnd(count: number): Buffer {
  return new Pieces().u8(TAG.end).u64(count).bytes();
}

/** One message's bytes in the file; written in one allocation, because this runs once per message. */
export function messageBytes(message: MessageRecord): Buffer {
  const { exchange, routingKey, properties, body } = message;
  const length = 8 + 1 + 1 + exchange.length + 1 + routingKey.length + 4 + properties.length + body.length;
  const bytes = Buffer.allocUnsafe(5 + length);
  bytes[0] = TAG.message;
  let at = bytes.writeUInt32BE(length, 1);
  at = bytes.writeBigUInt64BE(BigInt(message.order), at);
  at = bytes.writeUInt8(message.redelivered ? 1 : 0, at);
  at = bytes.writeUInt8(exchange.length, at);
  at += exchange.copy(bytes, at);
  at = bytes.writeUInt8(routingKey.length, at);
  at += routingKey.copy(bytes, at);
  at = bytes.writeUInt32BE(properties.length, at);
  at += properties.copy(bytes, at);
  body.copy(bytes, at);
  return bytes;
}

/**
 * Reads a records file as a stream. Memory: one message and one chunk.
 * @throws {Failure} ARTIFACT_DAMAGED when the bytes are not this format, end too early, or a count does not add up.
 */
export async function* readRecords(source: ByteSource): AsyncGenerator<RecordEvent> {
  let rest: Buffer = Buffer.alloc(0);
  let sawHead = false;
  const order = new SectionOrder();
  for await (const chunk of source) {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    if (!sawHead) {
      if (rest.length < MAGIC.length) continue;
      if (!rest.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged('it does not start as one');
      rest = rest.subarray(MAGIC.length);
      sawHead = true;
    }
    for (let size = entrySize(rest); size <= rest.length; size = entrySize(rest)) {
      yield order.check(parseEntry(rest.subarray(0, size)));
      rest = rest.subarray(size);
    }
  }
  if (rest.length > 0 || !order.isWhole) throw damaged('it ends in the middle');
}

function damaged(why: string, cause?: unknown): Failure {
  return new Failure('ARTIFACT_DAMAGED', `a file of messages cannot be read: ${why}`, { system: 'rabbitmq' }, cause);
}

/** Bytes of the entry at the front, or Infinity while too little of it is there. */
function entrySize(rest: Buffer): number {
  if (rest.length === 0) return Number.POSITIVE_INFINITY;
  if (rest[0] === TAG.end) return 9;
  if (rest[0] !== TAG.queue && rest[0] !== TAG.message) throw damaged(`an entry has the unknown tag ${rest[0]}`);
  return rest.length < 5 ? Number.POSITIVE_INFINITY : 5 + rest.readUInt32BE(1);
}

function parseEntry(entry: Buffer): RecordEvent {
  try {
    const reading = new Reading(entry, entry[0] === TAG.end ? 1 : 5);
    if (entry[0] === TAG.end) return { kind: 'end', count: reading.u64() };
    if (entry[0] === TAG.message) return { kind: 'message', message: parseMessage(reading) };
    const vhost = reading.take(reading.u16()).toString('utf8');
    return { kind: 'queue', queue: { vhost, name: reading.take(reading.u16()).toString('utf8') } };
  } catch (cause) {
    throw damaged('an entry is not well formed', cause);
  }
}

function parseMessage(reading: Reading): MessageRecord {
  const order = reading.u64();
  const redelivered = reading.u8() === 1;
  const [exchange, routingKey] = [reading.short(), reading.short()];
  return { order, redelivered, exchange, routingKey, properties: reading.long(), body: reading.rest() };
}

/** Keeps the order of entries honest: sections open and close, messages are numbered without a gap. */
class SectionOrder {
  private isOpen = false;
  private sections = 0;
  private next = 0;

  /** True after the end of at least one section, outside of any. */
  get isWhole(): boolean {
    return this.sections > 0 && !this.isOpen;
  }

  check(event: RecordEvent): RecordEvent {
    if ((event.kind === 'queue') === this.isOpen) throw damaged('its sections are out of order');
    if (event.kind === 'message' && event.message.order !== this.next++) throw damaged('a message is missing');
    if (event.kind === 'end' && event.count !== this.next) throw damaged('its count does not add up');
    if (event.kind === 'end') this.sections += 1;
    if (event.kind !== 'message') {
      this.isOpen = event.kind === 'queue';
      this.next = 0;
    }
    return event;
  }
}
