// A small AMQP connection for moving messages in bulk with their bytes unchanged: one vhost, one channel.
// Everything else (declaring, asking) goes through amqplib and the management API.
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Failure } from '../../domain/failures.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import {
  FRAME,
  type Frame,
  FrameReader,
  fieldTable,
  frame,
  MESSAGE_CHANNEL,
  METHOD,
  messageFrames,
  Pieces,
  publishMethod,
  Reading,
} from './wire-format.ts';

/** Where a broker listens: a unix socket, or host and port with or without TLS. */
export type Endpoint =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number; readonly tls?: { readonly ca?: string } };

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** What the broker sends on the channel. Content arrives as header and body frames after its method. */
export interface WireListener {
  method(id: number, args: Reading): void;
  header(bodySize: number, properties: Buffer): void;
  body(part: Buffer): void;
  /** The connection is gone; nothing else will come. */
  ended(failure: Failure): void;
}

const ANSWER_WITHIN_MS = 30_000;

export class WireConnection {
  readonly socket: Socket;
  private readonly reader = new FrameReader();
  private waiting: { id: number; resolve: (args: Reading) => void; reject: (error: unknown) => void } | null = null;
  private listener: WireListener | null = null;
  private failure: Failure | null = null;
  /** Bytes of a frame at most, as agreed with the broker. */
  frameMax = 131_072;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.accept(chunk));
    socket.on('error', (error) => this.end(unreachable('the connection broke', error)));
    socket.on('close', () => this.end(unreachable('the broker closed the connection')));
  }

  /** @param name how the broker's operators see it. @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED. */
  static async open(
    endpoint: Endpoint,
    vhost: string,
    who: Credentials,
    name: string = 'holdfast',
  ): Promise<WireConnection> {
    const socket = await connected(endpoint);
    const connection = new WireConnection(socket);
    try {
      await connection.shakeHands(vhost, who, name);
      return connection;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  /** Everything that no call waits for goes to the listener. */
  listen(listener: WireListener): void {
    this.listener = listener;
    if (this.failure) listener.ended(this.failure);
  }

  /** Sends a method on the channel. */
  send(id: number, args: Buffer, channel: number = MESSAGE_CHANNEL): void {
    this.socket.write(frame(FRAME.method, channel, Buffer.concat([methodId(id), args])));
  }

  /** Sends a method and returns the arguments of its answer. @throws {Failure} when the broker refuses. */
  async call(id: number, args: Buffer, answer: number, channel: number = MESSAGE_CHANNEL): Promise<Reading> {
    if (this.failure) throw this.failure;
    const arrived = this.next(answer);
    this.send(id, args, channel);
    return arrived;
  }

  /** Sends one message. @returns false when the socket's buffer is full: wait for `drained` before sending more. */
  publish(exchange: string, routingKey: string, properties: Buffer, body: Buffer): boolean {
    const method = publishMethod(exchange, routingKey);
    return this.socket.write(messageFrames(method, { properties, body, frameMax: this.frameMax }));
  }

  /**
   * Waits until the socket has sent enough of what it holds: memory must not grow with the queue.
   * @param check throws when there is nothing left to wait for.
   * @throws {Failure}
   */
  async drained(check: () => void): Promise<void> {
    while (this.failure === null && this.socket.writableNeedDrain) {
      throwIfCancelled();
      check();
      const look = AbortSignal.timeout(200);
      await once(this.socket, 'drain', { signal: look }).catch(() => undefined); // Its end is told by `failure`.
    }
    if (this.failure) throw this.failure;
  }

  /** Messages in the queue that are ready, and its consumers. Asks only: it reads nothing. */
  async countQueue(queue: string): Promise<{ readonly messages: number; readonly consumers: number }> {
    const args = new Pieces().u16(0).short(queue).u8(0b00001).raw(fieldTable({})).bytes();
    const answer = await this.call(METHOD.queueDeclare, args, METHOD.queueDeclareOk);
    answer.short();
    return { messages: answer.u32(), consumers: answer.u32() };
  }

  /** Says goodbye and closes. Never throws. */
  async close(): Promise<void> {
    if (this.failure === null) {
      const args = new Pieces().u16(200).short('done').u16(0).u16(0).bytes();
      await this.call(METHOD.connectionClose, args, METHOD.connectionCloseOk, 0).catch(() => undefined);
    }
    this.socket.destroy();
  }

  private async shakeHands(vhost: string, who: Credentials, name: string): Promise<void> {
    const started = this.next(METHOD.connectionStart);
    this.socket.write(Buffer.from('AMQP\x00\x00\x09\x01', 'latin1'));
    await started;
    const capabilities = { authentication_failure_close: true, 'basic.nack': true, 'connection.blocked': true };
    const client = fieldTable({ product: 'holdfast', capabilities, connection_name: name });
    const proof = `\0${who.user}\0${who.password}`;
    const hello = new Pieces().raw(client).short('PLAIN').long(proof).short('en_US').bytes();
    const tune = await this.call(METHOD.connectionStartOk, hello, METHOD.connectionTune, 0);
    tune.u16();
    this.frameMax = tune.u32() || this.frameMax;
    this.send(METHOD.connectionTuneOk, new Pieces().u16(8).u32(this.frameMax).u16(0).bytes(), 0);
    const open = new Pieces().short(vhost).short('').u8(0).bytes();
    await this.call(METHOD.connectionOpen, open, METHOD.connectionOpenOk, 0);
    await this.call(METHOD.channelOpen, new Pieces().short('').bytes(), METHOD.channelOpenOk);
  }

  private next(id: number): Promise<Reading> {
    if (this.failure) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.end(unreachable('the broker did not answer in time')), ANSWER_WITHIN_MS);
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          this.waiting = null;
          then(value);
        };
      this.waiting = { id, resolve: settle(resolve), reject: settle(reject) };
    });
  }

  private accept(chunk: Buffer): void {
    try {
      for (const one of this.reader.feed(chunk)) this.handle(one);
    } catch (error) {
      this.end(error instanceof Failure ? error : unreachable('the broker sent what cannot be read', error));
    }
  }

  private handle({ type, payload }: Frame): void {
    if (type === FRAME.body) this.listener?.body(payload);
    else if (type === FRAME.header) this.listener?.header(Number(payload.readBigUInt64BE(4)), payload.subarray(12));
    else if (type === FRAME.method) this.handleMethod(payload);
  }

  private handleMethod(payload: Buffer): void {
    const id = payload.readUInt32BE(0);
    const args = new Reading(payload, 4);
    if (this.waiting?.id === id) this.waiting.resolve(args);
    else if (id === METHOD.connectionClose || id === METHOD.channelClose) this.end(refusal(args));
    else this.listener?.method(id, args);
  }

  private end(failure: Failure): void {
    if (this.failure) return;
    this.failure = failure;
    this.socket.destroy();
    this.waiting?.reject(failure);
    this.listener?.ended(failure);
  }
}

function methodId(id: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(id);
  return bytes;
}

function unreachable(what: string, cause?: unknown): Failure {
  return new Failure('STORE_UNREACHABLE', `the broker cannot be used: ${what}`, {}, cause);
}

// Reply codes of the specification: 403 refused, 404 not found, 320 closed by an operator, 5xx faults.
function refusal(args: Reading): Failure {
  const code = args.u16();
  const words = args.short().toString('utf8');
  if (code === 403 || code === 530)
    return new Failure('ACCESS_DENIED', `the broker refused: ${words}`, { need: 'access to the virtual host' });
  if (code === 404) return new Failure('PART_NOT_FOUND', `the broker does not have it: ${words}`);
  return new Failure('STORE_UNREACHABLE', `the broker ended the conversation: ${code} ${words}`, { code });
}

function connected(endpoint: Endpoint): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = dial(endpoint);
    const event = 'tls' in endpoint && endpoint.tls ? 'secureConnect' : 'connect';
    const onError = (error: Error) => reject(unreachable(error.message, error));
    socket.setTimeout(ANSWER_WITHIN_MS, () => socket.destroy(new Error('no answer in time')));
    socket.once('error', onError);
    socket.once(event, () => {
      socket.off('error', onError);
      socket.setTimeout(0);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

function dial(endpoint: Endpoint): Socket {
  if ('socketPath' in endpoint) return connectTcp({ path: endpoint.socketPath });
  const { host, port, tls } = endpoint;
  return tls ? connectTls({ host, port, servername: host, ...tls }) : connectTcp({ host, port });
}

/** How many messages of a queue are ready, by a connection of its own: the management API's counts are some seconds old. */
export async function countReady(
  { endpoint, credentials }: { readonly endpoint: Endpoint; readonly credentials: Credentials },
  { vhost, name }: { readonly vhost: string; readonly name: string },
): Promise<number> {
  const connection = await WireConnection.open(endpoint, vhost, credentials);
  try {
    return (await connection.countQueue(name)).messages;
  } finally {
    await connection.close();
  }
}
