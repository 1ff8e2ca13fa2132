// Checksums of a queue's messages that survive a restore: what the broker itself adds to a message is left out.
import { createHash, type Hash } from 'node:crypto';
import { formatProperties, hasExpiration } from './message-properties.ts';
import type { MessageRecord } from './message-records.ts';
import { asOriginal } from './message-republish.ts';

export interface QueueSums {
  readonly messages: number;
  readonly bytes: number;
  /** How many carry an expiration of their own. */
  readonly expiring: number;
  /** SHA-256 over the messages in order, hex. */
  readonly ordered: string;
  /** Sum of the messages' own SHA-256 modulo 2^256, hex: the same whatever the order. */
  readonly unordered: string;
}

export class QueueSummer {
  private readonly ordered: Hash = createHash('sha256');
  private unordered = 0n;
  private messages = 0;
  private bytes = 0;
  private expiring = 0;

  add(message: MessageRecord): void {
    const digest = messageDigest(message);
    this.ordered.update(digest);
    this.unordered = BigInt.asUintN(256, this.unordered + BigInt(`0x${digest.toString('hex')}`));
    this.messages += 1;
    this.bytes += message.body.length;
    if (hasExpiration(message.properties)) this.expiring += 1;
  }

  get count(): number {
    return this.messages;
  }

  /** The sums so far; the summer cannot be used afterwards. */
  finish(): QueueSums {
    return {
      messages: this.messages,
      bytes: this.bytes,
      expiring: this.expiring,
      ordered: this.ordered.digest('hex'),
      unordered: this.unordered.toString(16).padStart(64, '0'),
    };
  }
}

function messageDigest(message: MessageRecord): Buffer {
  const properties = formatProperties(asOriginal(message.properties));
  return createHash('sha256').update(String(properties.length)).update(properties).update(message.body).digest();
}
