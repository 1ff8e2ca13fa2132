// A real DNS server on loopback, UDP and TCP: gives what it was told last, with the authority of the zone.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { type Answer, AUTHORITATIVE_ANSWER, decode, encode, type Packet, TRUNCATED_RESPONSE } from 'dns-packet';
import { freePort } from '../servers.ts';
import type { Records, ZoneRecordSet } from './hosted-zone.ts';
import { absolute } from './messages.ts';

export interface NameServer {
  /** Host and port, as a setting names them. */
  readonly address: string;
  /** Goes on giving what it gives now, whatever is published. */
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
}

const PLAIN_UDP_BYTES = 512;
const NXDOMAIN = 3;

export interface Source {
  /** What is published, health checks reckoned with. */
  readonly records: () => Records;
  readonly zoneName: string;
}

/** Starts one server of a zone. */
export async function startNameServer({ records, zoneName }: Source, port?: number): Promise<NameServer> {
  let frozen: Records | null = null;
  const given = () => frozen ?? records();
  const at = port ?? (await freePort());
  const udp = createSocket('udp4');
  udp.on('message', (bytes, { port: theirPort, address }) => {
    const answer = answerTo(bytes, given(), zoneName);
    if (answer !== null) udp.send(short(answer), theirPort, address);
  });
  const tcp = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (bytes) => {
      const answer = answerTo(bytes.subarray(2), given(), zoneName);
      if (answer === null) return socket.destroy();
      const whole = encode(answer);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(whole.length);
      socket.end(Buffer.concat([length, whole]));
    });
  });
  await Promise.all([
    new Promise<void>((resolve) => udp.bind(at, '127.0.0.1', resolve)),
    new Promise<void>((resolve) => tcp.listen(at, '127.0.0.1', resolve)),
  ]);
  return {
    address: `127.0.0.1:${at}`,
    freeze: () => {
      frozen = records();
    },
    thaw: () => {
      frozen = null;
    },
    close: async () => {
      await Promise.all([new Promise<void>((done) => udp.close(done)), new Promise((done) => tcp.close(done))]);
    },
  };
}

function short(answer: Packet): Buffer {
  const whole = encode(answer);
  if (whole.length <= PLAIN_UDP_BYTES) return whole;
  return encode({ ...answer, flags: (answer.flags ?? 0) | TRUNCATED_RESPONSE, answers: [] });
}

function answerTo(bytes: Buffer, records: Records, zoneName: string): Packet | null {
  const query = decoded(bytes);
  const question = query?.questions?.[0];
  if (!query || !question) return null;
  const name = absolute(question.name);
  const ofName = [...records.values()].filter((one) => one.name === name);
  const found = ofName.filter(({ type }) => type === question.type || type === 'CNAME');
  const rcode = ofName.length === 0 ? NXDOMAIN : 0;
  const isOurs = name === zoneName || name.endsWith(`.${zoneName}`);
  const flags = (isOurs ? AUTHORITATIVE_ANSWER : 0) | ((query.flags ?? 0) & 0x0100) | rcode;
  const answers = found.flatMap(answersOf);
  return {
    type: 'response',
    ...(query.id === undefined ? {} : { id: query.id }),
    flags,
    questions: [question],
    answers,
  };
}

function answersOf({ name, type, ttl, values }: ZoneRecordSet): Answer[] {
  const plain = name.slice(0, -1);
  return values.map((value) =>
    type === 'TXT'
      ? { type: 'TXT', name: plain, ttl, data: [...value.matchAll(/"([^"]*)"/g)].map(([, one]) => one ?? '') }
      : { type: type as 'A', name: plain, ttl, data: value },
  );
}

function decoded(bytes: Buffer): Packet | null {
  try {
    return decode(bytes);
  } catch {
    return null;
  }
}
