// Filling a queue from its records: in order, on one channel, confirmed. A queue fed by one channel alone holds a prefix
// of the records, so an interrupted fill goes on behind the number of messages that are there. A queue that lets messages
// go by itself (their life, its length) cannot be counted: its filling goes on behind what was noted as confirmed.
import { setTimeout as wait } from 'node:timers/promises';
import { Failure } from '../../domain/failures.ts';
import type { CapturedMessages } from '../../domain/systems/rabbitmq-inventory.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { BulkPublisher } from './bulk-publisher.ts';
import type { MessageRecord, QueueName } from './message-records.ts';
import { forRepublish, type RepublishRules } from './message-republish.ts';
import { type Credentials, type Endpoint, WireConnection } from './wire-connection.ts';
import { METHOD, type Reading } from './wire-format.ts';

export interface FillTarget {
  /** Of the connection, so that a later attempt can end one that an earlier attempt left open. */
  readonly name?: string;
  /** True for a broker of ours, where nobody will come and make room: being held back is a failure there. */
  readonly isIsolated?: boolean;
  /** How long the broker may confirm nothing, in ms: an alarm of its memory or disk holds publishers back. */
  readonly patienceMs?: number | undefined;
  readonly endpoint: Endpoint;
  readonly credentials: Credentials;
  readonly rules: RepublishRules;
}

export interface FillSource {
  readonly records: () => AsyncIterable<MessageRecord>;
  /** Null when the filling has begun before. Otherwise the queue must be empty, and this notes the beginning. */
  readonly begin: (() => Promise<void>) | null;
  /** For a queue that lets messages go by itself; null when its count can be believed. */
  readonly notes: FillNotes | null;
}

export interface FillNotes {
  /** Messages confirmed and noted by earlier attempts. */
  readonly confirmed: number;
  readonly note: (confirmed: number) => Promise<void>;
}

export interface FillOutcome {
  readonly published: number;
  /** Messages that the queue's own limit refused. */
  readonly refused: number;
  /** How many of an interrupted attempt may be there twice, at the most: only with notes. */
  readonly mayBeTwice: number;
}

/** Messages from one note to the next. */
export const NOTE_EVERY = 1000;

/** Unconfirmed messages at most: enough to keep the broker busy, few enough to resume quickly. */
const IN_FLIGHT = 2000;
const STABLE_READINGS = 5;
const STABLE_EVERY_MS = 100;
const SETTLE_WITHIN_MS = 30_000;
/** Somebody may be making room at this moment; whoever waits for the restore wants to be told before long. */
const PATIENCE_MS = 120_000;

/**
 * Brings the queue to hold exactly the captured messages, or, with notes, puts each into it at least once. The caller has
 * locked applications out of it.
 * @returns what this call did: nothing when an earlier one had finished.
 * @throws {Failure} TARGET_UNSAFE when somebody consumes from it or it holds more than it should, RESTORE_MISMATCH,
 * STORE_HELD_BACK when an alarm of the broker holds it back for too long: what is confirmed stays, and a repeat goes on.
 */
export async function fillQueue(
  target: FillTarget,
  queue: QueueName,
  captured: CapturedMessages,
  source: FillSource,
): Promise<FillOutcome> {
  const connection = await WireConnection.open(target.endpoint, queue.vhost, target.credentials, target.name);
  const confirms = new Confirms(source.notes !== null, target);
  connection.listen(confirms);
  try {
    const from = await beginning(connection, queue, captured, source);
    const mayBeTwice = source.begin || !source.notes ? 0 : Math.min(NOTE_EVERY, captured.messages - from);
    if (from === captured.messages) return { published: 0, refused: 0, mayBeTwice };
    await connection.call(METHOD.confirmSelect, Buffer.of(0), METHOD.confirmSelectOk);
    await publishFrom(from, { connection, confirms, queue, rules: target.rules, source });
    if (source.notes) await source.notes.note(captured.messages);
    else await expectCount(connection, queue, captured.messages);
    return { published: confirms.sent, refused: confirms.refused, mayBeTwice };
  } catch (error) {
    connection.socket.destroy(); // A broker that holds us back does not read our goodbye either.
    throw error;
  } finally {
    await connection.close();
  }
}

/** How many records are behind us already. */
async function beginning(
  connection: WireConnection,
  queue: QueueName,
  captured: CapturedMessages,
  { begin, notes }: FillSource,
): Promise<number> {
  if (notes && !begin) return notes.confirmed;
  const present = await stableCount(connection, queue, begin !== null);
  if (notes) {
    // What is there already was dead-lettered by a queue that was filled before: the plan found this one empty.
    await begin?.();
    return 0;
  }
  if (present > captured.messages) throw unsafe(queue, `holds ${present} messages, more than the backup has`);
  if (present > 0 && begin) throw unsafe(queue, `holds ${present} messages that this restore did not put there`);
  await begin?.();
  return present;
}

async function publishFrom(
  from: number,
  work: {
    readonly connection: WireConnection;
    readonly confirms: Confirms;
    readonly queue: QueueName;
    readonly rules: RepublishRules;
    readonly source: FillSource;
  },
): Promise<void> {
  const { connection, confirms, queue, rules, source } = work;
  const bulk = new BulkPublisher(connection, '', queue.name);
  let at = 0;
  for await (const message of source.records()) {
    if (at++ < from) continue;
    confirms.sent += 1;
    const isFull = !bulk.publish(forRepublish(message.properties, rules), message.body);
    if (isFull) await connection.drained(confirms.stall());
    if (confirms.open > IN_FLIGHT) {
      bulk.flush();
      await confirms.below(IN_FLIGHT / 2);
    }
    if (at % NOTE_EVERY !== 0) continue;
    throwIfCancelled();
    if (!source.notes) continue;
    bulk.flush();
    await confirms.below(0);
    await source.notes.note(at);
  }
  bulk.flush();
  await confirms.below(0);
}

// Frames of an attempt that died may still be landing: the count is believed when it has stood still.
async function stableCount(connection: WireConnection, queue: QueueName, isFirst: boolean): Promise<number> {
  const deadline = performance.now() + SETTLE_WITHIN_MS;
  let last = -1;
  for (let same = 0; same < STABLE_READINGS; ) {
    throwIfCancelled();
    const { messages, consumers } = await connection.countQueue(queue.name);
    if (consumers > 0) throw unsafe(queue, `has ${consumers} consumers`);
    if (isFirst && last === -1 && messages === 0) return 0;
    same = messages === last ? same + 1 : 0;
    last = messages;
    if (performance.now() > deadline) throw unsafe(queue, 'does not come to rest: somebody else publishes to it');
    await wait(STABLE_EVERY_MS);
  }
  return last;
}

async function expectCount(connection: WireConnection, queue: QueueName, wanted: number): Promise<void> {
  const deadline = performance.now() + SETTLE_WITHIN_MS;
  for (let found = -1; found !== wanted; await wait(20)) {
    found = (await connection.countQueue(queue.name)).messages;
    if (found !== wanted && performance.now() > deadline)
      throw new Failure('RESTORE_MISMATCH', `${shown(queue)} holds ${found} messages instead of ${wanted}`, {
        found,
        wanted,
      });
  }
}

function unsafe(queue: QueueName, why: string): Failure {
  return new Failure('TARGET_UNSAFE', `${shown(queue)} ${why}`, { vhost: queue.vhost, queue: queue.name });
}

/** How a queue is named in messages to people. */
export const shown = ({ vhost, name }: QueueName): string =>
  `queue ${JSON.stringify(name)} of virtual host ${JSON.stringify(vhost)}`;

/** Counts what the broker has taken responsibility for. */
class Confirms {
  sent = 0;
  refused = 0;
  private readonly mayRefuse: boolean;
  private readonly mustFlow: boolean;
  private readonly patienceMs: number;
  private confirmedAt = performance.now();
  private alarm: string | null = null;
  private upTo = 0;
  private failure: Failure | null = null;
  private wake: () => void = () => undefined;

  /**
   * @param mayRefuse true for a queue whose limit may refuse messages, which are counted then.
   * @param target at an isolated broker an alarm that holds publishers back ends the filling at once.
   */
  constructor(mayRefuse: boolean, { isIsolated = false, patienceMs = PATIENCE_MS }: FillTarget) {
    this.mayRefuse = mayRefuse;
    this.mustFlow = isIsolated;
    this.patienceMs = patienceMs;
  }

  get open(): number {
    return this.sent - this.upTo;
  }

  method(id: number, args: Reading): void {
    if (id === METHOD.basicAck) this.acknowledge(args.u64(), (args.u8() & 1) === 1);
    else if (id === METHOD.basicNack) this.refuse(args.u64(), (args.u8() & 1) === 1);
    else if (id === METHOD.basicReturn) this.fail('the queue went away while it was filled');
    else if (id === METHOD.connectionBlocked) this.heldBack(args.short().toString('utf8'));
    else if (id === METHOD.connectionUnblocked) this.alarm = null;
    this.wake();
  }

  header(): void {
    // Content of a returned message: the method before it said all.
  }

  body(): void {
    // See header.
  }

  ended(failure: Failure): void {
    this.failure ??= failure;
    this.wake();
  }

  /** Waits until at most `limit` messages are unconfirmed. @throws what ended the connection, or `stall`. */
  async below(limit: number): Promise<void> {
    const requireMoving = this.stall();
    while (this.open > limit || this.failure) {
      requireMoving();
      throwIfCancelled();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(1000, this.patienceMs));
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** A check for a wait that begins now: it throws when nothing has been confirmed for too long. */
  stall(): () => void {
    const since = performance.now();
    return () => {
      if (this.failure) throw this.failure;
      if (performance.now() - Math.max(since, this.confirmedAt) < this.patienceMs) return;
      const seconds = Math.round(this.patienceMs / 1000);
      if (this.alarm === null)
        throw new Failure(
          this.mustFlow ? 'SCRATCH_ENDED' : 'STORE_UNREACHABLE',
          `the broker confirms nothing for ${seconds} s`,
        );
      const words = `the broker has held publishers back for ${seconds} s: it is ${this.alarm}`;
      throw new Failure('STORE_HELD_BACK', words, { alarm: this.alarm });
    };
  }

  // Confirms of single messages may come out of order; only their number is needed to keep the window.
  private acknowledge(tag: number, isMultiple: boolean): void {
    if (isMultiple) {
      for (const single of this.singles) if (single <= tag) this.singles.delete(single);
      this.multiple = Math.max(this.multiple, tag);
    } else if (tag > this.multiple) this.singles.add(tag);
    this.upTo = this.multiple + this.singles.size;
    this.confirmedAt = performance.now();
  }

  private multiple = 0;
  private readonly singles = new Set<number>();

  private refuse(tag: number, isMultiple: boolean): void {
    if (!this.mayRefuse) this.fail('the broker did not take a message');
    const before = this.upTo;
    this.acknowledge(tag, isMultiple);
    this.refused += this.upTo - before;
  }

  // At a live broker somebody may make room: it only makes it take longer, up to a limit.
  private heldBack(why: string): void {
    this.alarm = why;
    if (this.mustFlow) this.ended(new Failure('SCRATCH_ENDED', `the isolated broker takes no more messages: ${why}`));
  }

  private fail(why: string): void {
    this.failure ??= new Failure('RESTORE_MISMATCH', why);
  }
}
