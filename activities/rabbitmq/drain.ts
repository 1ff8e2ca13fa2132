// Empties a queue of an isolated broker, in order, to its true end. Never for a live one: see refuseLiveRead.
import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { Failure } from '../../domain/failures.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import type { IsolatedNode } from './isolated-node.ts';
import { refuseLiveRead } from './isolated-node.ts';
import { segment } from './management.ts';
import type { MessageRecord, QueueName } from './message-records.ts';
import { WireConnection } from './wire-connection.ts';
import { fieldTable, METHOD, Pieces, type Reading } from './wire-format.ts';

export type QueueType = 'classic' | 'quorum' | 'stream';

/** Pauses the socket above this, so that memory does not grow with the queue. */
const HELD_MESSAGES = 4096;
const HELD_BYTES = 16 * 1024 * 1024;
/** What the broker may send ahead of our acknowledgements: it bounds the broker's memory too. */
const PREFETCH = 4000;
const SILENT_MS = 60_000;
/** From the clone's open port to its last queue: streams come up one after another. */
const UP_WITHIN_MS = 120_000;
const GLANCE_MS = 10;
const NO_PROPERTIES = Buffer.from([0, 0]);

/** Marks the end of each queue: a message of ours, told from all others by its random body. */
export class EndMarks {
  private readonly token = randomBytes(28);

  bodyFor(index: number): Buffer {
    return new Pieces().raw(this.token).u32(index).bytes();
  }

  isMark(body: Buffer): boolean {
    return body.length === this.token.length + 4 && body.subarray(0, this.token.length).equals(this.token);
  }
}

/**
 * Yields the queue's messages in batches until the end. The end is proven, not guessed from a count (which lies while a
 * quorum queue recovers): a mark is published behind the last message and read until it comes.
 * @throws {Failure} LIVE_QUEUE_READ_REFUSED, SCRATCH_ENDED when the end does not come.
 */
export async function* drainQueue(
  node: IsolatedNode,
  queue: QueueName,
  type: QueueType,
  mark: { readonly marks: EndMarks; readonly index: number },
): AsyncGenerator<MessageRecord[]> {
  refuseLiveRead(node.endpoint);
  const connection = await openWhenAvailable(node, queue);
  const inbox = new Inbox(connection, mark.marks, mark.marks.bodyFor(mark.index));
  connection.listen(inbox);
  try {
    await connection.call(METHOD.confirmSelect, Buffer.of(0), METHOD.confirmSelectOk);
    const publishMark = () => connection.publish('', queue.name, NO_PROPERTIES, mark.marks.bodyFor(mark.index));
    // A stream keeps everything, so its mark can go first. Elsewhere a mark could push out the head of a full queue.
    let isMarked = type === 'stream';
    if (isMarked) {
      publishMark();
      await inbox.confirmed;
    }
    await consume(connection, queue, type);
    for (let lastAt = performance.now(); ; ) {
      const batch = await inbox.take(GLANCE_MS);
      throwIfCancelled();
      if (batch.length > 0) {
        lastAt = performance.now();
        yield batch;
      } else if (inbox.sawEnd) return inbox.acknowledgeAll();
      else if (!isMarked && (await connection.countQueue(queue.name)).messages === 0) {
        isMarked = true;
        publishMark();
      } else if (await isPastItsMark(connection, queue, inbox, performance.now() - lastAt))
        return inbox.acknowledgeAll();
      else if (performance.now() - lastAt > SILENT_MS) throw noEnd(queue);
    }
  } finally {
    await connection.close();
  }
}

/** The broker has answered for the mark and yet does not deliver it: a queue's limit refused or dropped it. */
const REFUSED_QUIET_MS = 500;
const DROPPED_QUIET_MS = 3000;

// Its own limit (a length of 0, or fewer bytes than the mark has) keeps the mark out of some queues. The broker answers
// on the same channel, behind whatever the queue has delivered: with nothing ready and nothing arriving, that is the end.
async function isPastItsMark(
  connection: WireConnection,
  queue: QueueName,
  inbox: Inbox,
  quietMs: number,
): Promise<boolean> {
  if (inbox.answer === null) return false;
  if (quietMs < (inbox.answer === 'refused' ? REFUSED_QUIET_MS : DROPPED_QUIET_MS)) return false;
  const { messages } = await connection.countQueue(queue.name);
  return messages === 0 && inbox.isIdle;
}

// A stream, and a quorum queue without its leader, are not there yet when the broker's port already is.
async function openWhenAvailable(node: IsolatedNode, queue: QueueName): Promise<WireConnection> {
  for (const deadline = performance.now() + UP_WITHIN_MS; ; await wait(200)) {
    throwIfCancelled();
    const connection = await WireConnection.open(node.endpoint, queue.vhost, node.admin);
    try {
      const { consumers } = await connection.countQueue(queue.name);
      // A quorum queue that comes up still counts the live broker's consumers until it has noticed that they are gone.
      // What they held comes back to its head then: reading earlier would put it behind younger messages.
      if (consumers === 0) return connection;
      throw new Failure('SCRATCH_ENDED', `${consumers} consumers of the live broker are still counted in the clone`);
    } catch (error) {
      await connection.close();
      if (isAbsence(error) && (await isGone(node, queue))) throw error;
      if (performance.now() > deadline) throw notUp(queue, error);
    }
  }
}

// One that is not there yet is "down or inaccessible", and the management interface may not know it yet either.
const isAbsence = (error: unknown): boolean =>
  error instanceof Failure && error.code === 'PART_NOT_FOUND' && error.message.includes('no queue');

// One that ended by itself is known nowhere.
async function isGone({ management }: IsolatedNode, { vhost, name }: QueueName): Promise<boolean> {
  return (await management.find(`/api/queues/${segment(vhost)}/${segment(name)}`)) === null;
}

// Whatever the broker says of it: the queue was in the copy, and the next clone may bring it up.
function notUp({ vhost, name }: QueueName, cause: unknown): Failure {
  const words = `queue ${JSON.stringify(name)} of virtual host ${JSON.stringify(vhost)} did not come up in the clone`;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new Failure('SCRATCH_ENDED', `${words}: ${why}`, { vhost, queue: name }, cause);
}

function noEnd({ vhost, name }: QueueName): Failure {
  const words = `queue ${JSON.stringify(name)} of virtual host ${JSON.stringify(vhost)} did not come to its end`;
  return new Failure('SCRATCH_ENDED', `${words} in the clone`, { vhost, queue: name });
}

async function consume(connection: WireConnection, { name }: QueueName, type: QueueType): Promise<void> {
  await connection.call(METHOD.basicQos, new Pieces().u32(0).u16(PREFETCH).u8(0).bytes(), METHOD.basicQosOk);
  const from = type === 'stream' ? { 'x-stream-offset': 'first' } : {};
  const args = new Pieces().u16(0).short(name).short('drain').u8(0).raw(fieldTable(from)).bytes();
  await connection.call(METHOD.basicConsume, args, METHOD.basicConsumeOk);
}

/** Puts deliveries together and hands them out in batches. */
class Inbox {
  sawEnd = false;
  /** What the broker said about the mark: it took it, or refused it. */
  answer: 'taken' | 'refused' | null = null;
  /** Settles when the broker has confirmed the first mark. */
  readonly confirmed: Promise<void>;
  private confirm: () => void = () => undefined;
  private readonly connection: WireConnection;
  private readonly marks: EndMarks;
  private readonly ownMark: Buffer;
  private batch: MessageRecord[] = [];
  private heldBytes = 0;
  private next = 0;
  private delivery: Omit<MessageRecord, 'properties' | 'body' | 'order'> & { tag: number } = EMPTY;
  private properties: Buffer = NO_PROPERTIES;
  private parts: Buffer[] = [];
  private missing = 0;
  private unacked = 0;
  private failure: Failure | null = null;
  private wake: () => void = () => undefined;

  constructor(connection: WireConnection, marks: EndMarks, ownMark: Buffer) {
    this.connection = connection;
    this.marks = marks;
    this.ownMark = ownMark;
    this.confirmed = new Promise((resolve) => {
      this.confirm = resolve;
    });
  }

  method(id: number, args: Reading): void {
    if (id === METHOD.basicAck || id === METHOD.basicNack) {
      this.answer = id === METHOD.basicAck ? 'taken' : 'refused';
      this.confirm();
    } else if (id === METHOD.basicCancel) this.ended(new Failure('SCRATCH_ENDED', 'the clone ended the reading'));
    else if (id === METHOD.basicDeliver) this.deliver(args);
  }

  private deliver(args: Reading): void {
    args.short();
    const tag = args.u64();
    const redelivered = args.u8() === 1;
    this.delivery = { tag, redelivered, exchange: args.short(), routingKey: args.short() };
  }

  header(bodySize: number, properties: Buffer): void {
    this.properties = properties;
    this.parts = [];
    this.missing = bodySize;
    if (bodySize === 0) this.complete();
  }

  body(part: Buffer): void {
    this.parts.push(part);
    this.missing -= part.length;
    if (this.missing === 0) this.complete();
  }

  ended(failure: Failure): void {
    this.failure = failure;
    this.wake();
  }

  /** Nothing has come that was not handed out, and no message is half here. */
  get isIdle(): boolean {
    return this.batch.length === 0 && this.missing === 0 && !this.failure;
  }

  /** What has come; waits up to `ms` when nothing has. */
  async take(ms: number): Promise<MessageRecord[]> {
    if (this.batch.length === 0 && !this.failure && !this.sawEnd) await this.arrival(ms);
    if (this.failure && !this.sawEnd) throw this.failure;
    const taken = this.batch;
    this.batch = [];
    this.heldBytes = 0;
    this.connection.socket.resume();
    return taken;
  }

  private arrival(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private complete(): void {
    const body = this.parts.length === 1 ? (this.parts[0] as Buffer) : Buffer.concat(this.parts);
    this.acknowledge();
    if (this.sawEnd) return;
    if (this.marks.isMark(body)) this.sawEnd = body.equals(this.ownMark);
    else this.keep(body);
    this.wake();
  }

  private keep(body: Buffer): void {
    const { redelivered, exchange, routingKey } = this.delivery;
    this.batch.push({ order: this.next++, redelivered, exchange, routingKey, properties: this.properties, body });
    this.heldBytes += body.length;
    if (this.batch.length >= HELD_MESSAGES || this.heldBytes >= HELD_BYTES) this.connection.socket.pause();
  }

  /** What is not acknowledged goes back into its queue with the connection, and the next round would find it again. */
  acknowledgeAll(): void {
    if (this.delivery.tag === 0) return;
    this.connection.send(METHOD.basicAck, new Pieces().u64(this.delivery.tag).u8(1).bytes());
  }

  private acknowledge(): void {
    this.unacked += 1;
    if (this.unacked < PREFETCH / 4) return;
    this.unacked = 0;
    this.connection.send(METHOD.basicAck, new Pieces().u64(this.delivery.tag).u8(1).bytes());
  }
}

const EMPTY = { tag: 0, redelivered: false, exchange: Buffer.alloc(0), routingKey: Buffer.alloc(0) };
