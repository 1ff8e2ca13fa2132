// Publishing many messages to one place: their frames are put together, because a system call and a write request for
// each message cost more than all the rest.
import type { WireConnection } from './wire-connection.ts';
import { messageFrames, publishMethod } from './wire-format.ts';

const CHUNK_BYTES = 64 * 1024;

export class BulkPublisher {
  private readonly connection: WireConnection;
  private readonly method: Buffer;
  private parts: Buffer[] = [];
  private held = 0;

  constructor(connection: WireConnection, exchange: string, routingKey: string) {
    this.connection = connection;
    this.method = publishMethod(exchange, routingKey);
  }

  /** Sends one message, now or with the next ones. @returns false when the socket is full: wait for `drained`. */
  publish(properties: Buffer, body: Buffer): boolean {
    const bytes = messageFrames(this.method, { properties, body, frameMax: this.connection.frameMax });
    this.parts.push(bytes);
    this.held += bytes.length;
    return this.held < CHUNK_BYTES || this.flush();
  }

  /** Sends what is held. Call before waiting for confirms. */
  flush(): boolean {
    if (this.held === 0) return true;
    const bytes = this.parts.length === 1 ? (this.parts[0] as Buffer) : Buffer.concat(this.parts, this.held);
    this.parts = [];
    this.held = 0;
    return this.connection.socket.write(bytes);
  }
}
