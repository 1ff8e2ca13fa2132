// Asks a Redis for its whole content as a replica would, and hands the RDB on as it arrives. Our own client, because
// the password must be in no argument list, and the exact replication offset is told only here (decision 0302).
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Failure } from '../../domain/failures.ts';
import { currentSignal } from '../shared/activity-context.ts';
import { accessOf, addressOf, type RedisConfiguration, redisFailure } from './client.ts';

const CONNECT_MS = 10_000;
/** Redis sends a newline every second while it prepares; a longer silence means that nobody is there. */
const SILENCE_MS = 60_000;
const MARK_BYTES = 40;
const NEWLINE = 0x0a;

export interface RdbStream {
  /** Replication id and offset of the moment the RDB shows; null when the server answers the old way (SYNC). */
  readonly replicationId: string | null;
  readonly offset: number | null;
  /** Announced length in bytes; null when the server streams without knowing it. */
  readonly length: number | null;
  readonly bytes: AsyncIterable<Uint8Array>;
  close(): void;
}

/**
 * Starts a full synchronisation and returns when the RDB begins.
 * @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED, also from `bytes` when the connection ends before the RDB does.
 */
export async function openRdbStream(configuration: RedisConfiguration): Promise<RdbStream> {
  const name = addressOf(configuration);
  const link = await openLink(configuration).catch((error) => {
    throw redisFailure(name, error);
  });
  try {
    await authenticate(link, configuration);
    await offer(link);
    return await requestRdb(link, name);
  } catch (error) {
    link.socket.destroy();
    throw redisFailure(name, error);
  }
}

interface Link {
  readonly socket: Socket;
  readonly reader: SocketReader;
}

async function openLink(configuration: RedisConfiguration): Promise<Link> {
  const { tls } = await accessOf(configuration);
  const target = { host: configuration.host, port: configuration.port };
  const socket =
    tls === undefined ? connectPlain(target) : connectTls({ ...target, ...serverName(target.host), ...tls });
  const signal = currentSignal();
  const abort = () => socket.destroy(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  socket.once('close', () => signal?.removeEventListener('abort', abort));
  socket.setTimeout(CONNECT_MS, () => socket.destroy(timedOut()));
  await new Promise<void>((resolve, reject) => {
    socket.once(configuration.tls ? 'secureConnect' : 'connect', resolve);
    socket.once('error', reject);
  });
  socket.setTimeout(SILENCE_MS);
  return { socket, reader: new SocketReader(socket) };
}

// An address is no server name (RFC 6066).
const serverName = (host: string) => (isIP(host) === 0 ? { servername: host } : {});

const timedOut = () => Object.assign(new Error('connect ETIMEDOUT or silence'), { code: 'ETIMEDOUT' });

async function authenticate({ socket, reader }: Link, configuration: RedisConfiguration): Promise<void> {
  const { user, password } = await accessOf(configuration);
  if (password === undefined) return;
  send(socket, ['AUTH', ...(user === undefined ? [] : [user]), password]);
  const answer = await reader.line();
  if (!answer.startsWith('+')) throw new Error(answer.replace(/^-/, ''));
}

// An old server that does not know an offer says so and goes on; a missing right is the end.
async function offer({ socket, reader }: Link): Promise<void> {
  for (const words of [
    ['rdb-only', '1'],
    ['capa', 'eof'],
  ]) {
    send(socket, ['REPLCONF', ...words]);
    const answer = await reader.line();
    if (/^-(NOPERM|NOAUTH|ERR unknown command)/.test(answer)) throw new Error(refusal(answer));
  }
}

async function requestRdb({ socket, reader }: Link, name: string): Promise<RdbStream> {
  send(socket, ['PSYNC', '?', '-1']);
  const first = await reader.line();
  const [, replicationId, offset] = /^\+FULLRESYNC ([0-9a-f]{40}) (\d+)/.exec(first) ?? [];
  if (replicationId === undefined) throw new Error(refusal(first));
  const header = await reader.line();
  const mark = /^\$EOF:(.{40})$/.exec(header)?.[1];
  const length = /^\$(\d+)$/.exec(header)?.[1];
  if (mark === undefined && length === undefined) throw new Error(refusal(header));
  const bytes = mark === undefined ? upToLength(reader, Number(length)) : upToMark(reader, Buffer.from(mark, 'latin1'));
  return {
    replicationId,
    offset: Number(offset),
    length: length === undefined ? null : Number(length),
    bytes: closing(socket, name, bytes),
    close: () => socket.destroy(),
  };
}

function refusal(answer: string): string {
  const words = answer.replace(/^-/, '');
  return words;
}

async function* closing(socket: Socket, name: string, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes;
  } catch (error) {
    throw redisFailure(name, error);
  } finally {
    socket.destroy();
  }
}

async function* upToLength(reader: SocketReader, length: number): AsyncGenerator<Uint8Array> {
  for (let left = length; left > 0; ) {
    const piece = await reader.some(left);
    left -= piece.length;
    yield piece;
  }
}

// The server ends the RDB with the 40 bytes it announced and says nothing more, so only the end has to be looked at.
async function* upToMark(reader: SocketReader, mark: Buffer): AsyncGenerator<Uint8Array> {
  let held = Buffer.alloc(0);
  for (;;) {
    held = Buffer.concat([held, await reader.some()]);
    const isEnd = held.length >= MARK_BYTES && held.subarray(-MARK_BYTES).equals(mark);
    const ready = held.subarray(0, Math.max(held.length - MARK_BYTES, 0));
    held = held.subarray(ready.length);
    if (ready.length > 0) yield ready;
    if (isEnd) return;
  }
}

function send(socket: Socket, words: readonly string[]): void {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  socket.write(`*${words.length}\r\n${parts.join('')}`);
}

/** Reads lines, then raw bytes, from one socket; pauses it while nobody asks. */
class SocketReader {
  readonly #pieces: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#pieces = socket.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** The next line that is not empty: Redis sends bare newlines to keep a waiting connection alive. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf(NEWLINE);
      if (end < 0) {
        this.#rest = Buffer.concat([this.#rest, await this.#next()]);
        continue;
      }
      const text = this.#rest.subarray(0, end).toString('latin1').trimEnd();
      this.#rest = this.#rest.subarray(end + 1);
      if (text !== '') return text;
    }
  }

  /** Whatever has arrived, at most `limit` bytes. */
  async some(limit = Number.POSITIVE_INFINITY): Promise<Buffer> {
    const piece = this.#rest.length > 0 ? this.#rest : await this.#next();
    this.#rest = piece.subarray(Math.min(limit, piece.length));
    return piece.subarray(0, Math.min(limit, piece.length));
  }

  async #next(): Promise<Buffer> {
    const { done, value } = await this.#pieces.next();
    if (done === true)
      throw new Failure('STORE_UNREACHABLE', 'the server closed the connection before the snapshot was complete', {
        mend: "look into the server's log: it ended, the connection was killed, or this worker read nothing for longer than its repl-timeout; the step is tried again by itself",
      });
    return value;
  }
}
