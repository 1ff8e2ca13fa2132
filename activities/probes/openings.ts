// The first words of a store's own protocol, and what an answer to them says.
import type { ProbeConfiguration } from '../../domain/configuration/schema.ts';

export interface Opening {
  readonly says: Buffer;
  /** What the answer means; null while more of it has to come. @throws {Error} when it means that clients are not served. */
  hears(bytes: Buffer): string | null;
}

type Of<Check> = Extract<ProbeConfiguration, { check: Check }>;

const AT_MOST = 64 * 1024;

/** PostgreSQL: a startup message. https://www.postgresql.org/docs/current/protocol-message-formats.html */
function postgres({ user }: Pick<Of<'postgres'>, 'user'>): Opening {
  const body = Buffer.from(`user\0${user}\0database\0postgres\0application_name\0holdfast\0\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(head.length + body.length, 0);
  head.writeInt32BE(3 << 16, 4);
  return { says: Buffer.concat([head, body]), hears: hearPostgres };
}

// Whom it refuses it serves: only what it says about who is asking counts as an answer. Starting up, shutting down and
// "too many clients" do not.
const ABOUT_THE_CLIENT = /^(28|3D)/;

function hearPostgres(bytes: Buffer): string | null {
  const [kind] = bytes.toString('latin1', 0, 1);
  if (kind === 'R') return 'takes sessions';
  if (kind !== 'E') throw new Error('what answers is not PostgreSQL');
  if (bytes.length < 5 || bytes.length < bytes.readInt32BE(1) + 1) return null;
  const fields = bytes.toString('utf8', 5).split('\0');
  const field = (letter: string) => fields.find((one) => one.startsWith(letter))?.slice(1) ?? '';
  if (ABOUT_THE_CLIENT.test(field('C'))) return 'takes sessions';
  throw new Error(field('M') || `PostgreSQL refuses: ${field('C')}`);
}

/** Redis: an inline PING. https://redis.io/docs/latest/develop/reference/protocol-spec/ */
const redis = (): Opening => ({ says: Buffer.from('PING\r\n'), hears: hearRedis });

function hearRedis(bytes: Buffer): string | null {
  const line = bytes.toString('latin1');
  if (!line.includes('\r\n')) return null;
  const [first = ''] = line.split('\r\n');
  if (/^(\+PONG|-NOAUTH|-NOPERM)/.test(first)) return 'answers PING';
  throw new Error(first.startsWith('-') ? first.slice(1) : 'what answers is not Redis');
}

/** AMQP 0-9-1: the protocol header; a broker that serves sends connection.start. */
const rabbitmq = (): Opening => ({ says: Buffer.from([...Buffer.from('AMQP'), 0, 0, 9, 1]), hears: hearRabbitmq });

const METHOD_FRAME = 1;
const CONNECTION_START = 0x000a_000a;
const FRAME_HEAD = 7;

function hearRabbitmq(bytes: Buffer): string | null {
  if (bytes.length > 0 && bytes[0] !== METHOD_FRAME) throw new Error('what answers is no broker of AMQP 0-9-1');
  if (bytes.length < FRAME_HEAD + 4) return null;
  if (bytes.readUInt32BE(FRAME_HEAD) !== CONNECTION_START) throw new Error('the broker does not begin a connection');
  return 'begins a connection';
}

const limited = ({ says, hears }: Opening): Opening => ({
  says,
  hears: (bytes) => {
    const heard = hears(bytes);
    if (heard === null && bytes.length > AT_MOST) throw new Error('its answer has no end');
    return heard;
  },
});

/** By the name of the check. */
export const OPENINGS = {
  postgres: (settings: Of<'postgres'>) => limited(postgres(settings)),
  redis: () => limited(redis()),
  rabbitmq: () => limited(rabbitmq()),
} as const;
