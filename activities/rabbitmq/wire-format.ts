// AMQP 0-9-1 on the wire: frames in, methods out. Messages pass through with their properties byte for byte, which no
// client library offers: a decoded header table loses the width of its integers. Source: the AMQP 0-9-1 specification
// and RabbitMQ's errata to it (https://www.rabbitmq.com/amqp-0-9-1-errata).
import { Failure } from '../../domain/failures.ts';

export const FRAME = { method: 1, header: 2, body: 3, heartbeat: 8 } as const;
const FRAME_END = 0xce;

/** A method as class and method number in one: `class << 16 | method`. */
export const METHOD = {
  connectionStart: (10 << 16) | 10,
  connectionStartOk: (10 << 16) | 11,
  connectionTune: (10 << 16) | 30,
  connectionTuneOk: (10 << 16) | 31,
  connectionOpen: (10 << 16) | 40,
  connectionOpenOk: (10 << 16) | 41,
  connectionClose: (10 << 16) | 50,
  connectionCloseOk: (10 << 16) | 51,
  connectionBlocked: (10 << 16) | 60,
  connectionUnblocked: (10 << 16) | 61,
  channelOpen: (20 << 16) | 10,
  channelOpenOk: (20 << 16) | 11,
  channelClose: (20 << 16) | 40,
  channelCloseOk: (20 << 16) | 41,
  queueDeclare: (50 << 16) | 10,
  queueDeclareOk: (50 << 16) | 11,
  basicQos: (60 << 16) | 10,
  basicQosOk: (60 << 16) | 11,
  basicConsume: (60 << 16) | 20,
  basicConsumeOk: (60 << 16) | 21,
  basicCancel: (60 << 16) | 30,
  basicPublish: (60 << 16) | 40,
  basicReturn: (60 << 16) | 50,
  basicDeliver: (60 << 16) | 60,
  basicAck: (60 << 16) | 80,
  basicNack: (60 << 16) | 120,
  confirmSelect: (85 << 16) | 10,
  confirmSelectOk: (85 << 16) | 11,
} as const;

export interface Frame {
  readonly type: number;
  readonly channel: number;
  readonly payload: Buffer;
}

/** Cuts a byte stream into frames. Keeps what is incomplete for the next chunk. */
export class FrameReader {
  private rest: Buffer = Buffer.alloc(0);

  /** @throws {Failure} STORE_UNREACHABLE when the peer does not speak AMQP. */
  *feed(chunk: Buffer): Generator<Frame> {
    const data = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    let at = 0;
    while (data.length - at >= 8) {
      const size = data.readUInt32BE(at + 3);
      const end = at + 7 + size;
      if (end >= data.length) break;
      if (data[end] !== FRAME_END) throw new Failure('STORE_UNREACHABLE', 'what answers there does not speak AMQP');
      yield { type: data[at] as number, channel: data.readUInt16BE(at + 1), payload: data.subarray(at + 7, end) };
      at = end + 1;
    }
    this.rest = at === 0 ? data : data.subarray(at);
  }
}

/** One frame's bytes. */
export function frame(type: number, channel: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(payload.length + 8);
  bytes[0] = type;
  bytes.writeUInt16BE(channel, 1);
  bytes.writeUInt32BE(payload.length, 3);
  payload.copy(bytes, 7);
  bytes[payload.length + 7] = FRAME_END;
  return bytes;
}

/** The method frame that publishes to an exchange; the broker gives a message back that no queue takes. */
export function publishMethod(exchange: string, routingKey: string): Buffer {
  const id = new Pieces().u32(METHOD.basicPublish).bytes();
  const args = new Pieces().u16(0).short(exchange).short(routingKey).u8(0b01).bytes();
  return frame(FRAME.method, MESSAGE_CHANNEL, Buffer.concat([id, args]));
}

/** The one channel that messages travel on. */
export const MESSAGE_CHANNEL = 1;
const CONTENT_HEADER = 12;
const OVERHEAD = 8;

/** All frames of one published message, written in one allocation, because this runs once per message. */
export function messageFrames(
  method: Buffer,
  { properties, body, frameMax }: { readonly properties: Buffer; readonly body: Buffer; readonly frameMax: number },
): Buffer {
  const most = frameMax - OVERHEAD;
  const pieces = Math.ceil(body.length / most);
  const headerSize = CONTENT_HEADER + properties.length;
  const bytes = Buffer.allocUnsafe(method.length + (headerSize + OVERHEAD) + body.length + pieces * OVERHEAD);
  let at = method.copy(bytes);
  at = frameHead(bytes, at, { type: FRAME.header, size: headerSize });
  at = bytes.writeUInt32BE(60 << 16, at);
  at = bytes.writeUInt32BE(0, at);
  at = bytes.writeUInt32BE(body.length, at);
  at += properties.copy(bytes, at);
  bytes[at++] = FRAME_END;
  for (let from = 0; from < body.length; from += most) {
    const size = Math.min(most, body.length - from);
    at = frameHead(bytes, at, { type: FRAME.body, size });
    at += body.copy(bytes, at, from, from + size);
    bytes[at++] = FRAME_END;
  }
  return bytes;
}

function frameHead(bytes: Buffer, at: number, { type, size }: { type: number; size: number }): number {
  bytes[at] = type;
  bytes.writeUInt16BE(MESSAGE_CHANNEL, at + 1);
  return bytes.writeUInt32BE(size, at + 3);
}

/** Builds the arguments of a method, or a record, piece by piece. */
export class Pieces {
  private readonly pieces: Buffer[] = [];

  u8(value: number): this {
    return this.raw(Buffer.of(value));
  }

  u16(value: number): this {
    const piece = Buffer.allocUnsafe(2);
    piece.writeUInt16BE(value);
    return this.raw(piece);
  }

  u32(value: number): this {
    const piece = Buffer.allocUnsafe(4);
    piece.writeUInt32BE(value);
    return this.raw(piece);
  }

  u64(value: number): this {
    const piece = Buffer.allocUnsafe(8);
    piece.writeBigUInt64BE(BigInt(value));
    return this.raw(piece);
  }

  /** @throws {RangeError} when the text has more than 255 bytes. */
  short(value: string | Buffer): this {
    const text = Buffer.from(value as string);
    return this.u8(checkedLength(text, 255)).raw(text);
  }

  long(value: string | Buffer): this {
    const text = Buffer.from(value as string);
    return this.u32(text.length).raw(text);
  }

  raw(piece: Buffer): this {
    this.pieces.push(piece);
    return this;
  }

  bytes(): Buffer {
    return Buffer.concat(this.pieces);
  }
}

function checkedLength(text: Buffer, limit: number): number {
  if (text.length > limit) throw new RangeError(`a name of ${text.length} bytes is longer than ${limit}`);
  return text.length;
}

/** A field table from JavaScript values: texts, whole numbers and switches, all that our own methods need. */
export function fieldTable(values: Readonly<Record<string, string | number | boolean | object>>): Buffer {
  const body = new Pieces();
  for (const [name, value] of Object.entries(values)) body.short(name).raw(fieldValue(value));
  return new Pieces().long(body.bytes()).bytes();
}

function fieldValue(value: string | number | boolean | object): Buffer {
  if (typeof value === 'string') return new Pieces().raw(Buffer.from('S')).long(value).bytes();
  if (typeof value === 'boolean') return Buffer.from([0x74, value ? 1 : 0]);
  if (typeof value === 'number') return new Pieces().raw(Buffer.from('l')).u64(value).bytes();
  return Buffer.concat([Buffer.from('F'), fieldTable(value as Record<string, string>)]);
}

/** Reads a method's arguments from front to back. */
export class Reading {
  private readonly bytes: Buffer;
  private at: number;

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  u8(): number {
    return this.bytes[this.at++] as number;
  }

  u16(): number {
    this.at += 2;
    return this.bytes.readUInt16BE(this.at - 2);
  }

  u32(): number {
    this.at += 4;
    return this.bytes.readUInt32BE(this.at - 4);
  }

  u64(): number {
    this.at += 8;
    return Number(this.bytes.readBigUInt64BE(this.at - 8));
  }

  take(length: number): Buffer {
    if (length > this.left()) throw new RangeError('the bytes end too early');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  short(): Buffer {
    return this.take(this.u8());
  }

  long(): Buffer {
    return this.take(this.u32());
  }

  rest(): Buffer {
    return this.bytes.subarray(this.at);
  }

  left(): number {
    return this.bytes.length - this.at;
  }
}
