// One real DNS question to one server: UDP, and TCP when the answer does not fit. Never the machine's own resolver: it
// would answer from a cache or a file.

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import { type DecodedPacket, decode, encode, type Packet, RECURSION_DESIRED, streamEncode } from 'dns-packet';
import { type DnsRecordType, plainName } from '../../domain/dns.ts';
import { currentSignal } from '../shared/activity-context.ts';

export interface Server {
  readonly host: string;
  readonly port: number;
}

export interface DnsQuestion {
  readonly name: string;
  readonly type: DnsRecordType;
}

export interface Reply {
  /** NOERROR, NXDOMAIN, SERVFAIL, REFUSED and so on. */
  readonly rcode: string;
  readonly isAuthoritative: boolean;
  readonly values: readonly string[];
}

// The library's types leave out what it decodes.
type Answer = DecodedPacket & { readonly rcode: string };

const TRY_MS = 2000;

/** `192.0.2.53`, `ns.example:5353` or `[2001:db8::53]:5353` as host and port. */
export function parseServer(text: string): Server {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? [];
  return { host: bracketed ?? plain ?? text, port: Number(port ?? 53) };
}

/** Asks, twice where the first question is lost. @throws {Error} when no usable answer came. */
export async function ask(server: Server, question: DnsQuestion, isResolver: boolean): Promise<Reply> {
  const address = isIP(server.host) ? server.host : await addressOf(server.host);
  const target = { host: address, port: server.port };
  const first = await askByUdp(target, question, isResolver).catch(() => askByUdp(target, question, isResolver));
  return asReply(first.flag_tc ? await askByTcp(target, question, isResolver) : first, question);
}

// The system's resolver has no limit of its own.
async function addressOf(host: string): Promise<string> {
  const signal = limits();
  const late = new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(new Error(`its name does not resolve within ${TRY_MS / 1000} s`)), {
      once: true,
    }),
  );
  return (await Promise.race([lookup(host), late])).address;
}

function queryOf(question: DnsQuestion, isResolver: boolean): Packet & { readonly id: number } {
  return { type: 'query', id: randomInt(65_536), flags: isResolver ? RECURSION_DESIRED : 0, questions: [question] };
}

// Anybody can send a datagram; only the answer to this question of this moment counts.
function isAnswerTo({ id, questions }: Packet, answer: Answer): boolean {
  const [asked, echoed] = [questions?.[0], answer.questions?.[0]];
  const isSame = echoed?.type === asked?.type && plainName(echoed?.name ?? '') === plainName(asked?.name ?? '');
  return answer.type === 'response' && answer.id === id && isSame;
}

const limits = (): AbortSignal => {
  const limit = AbortSignal.timeout(TRY_MS);
  const outer = currentSignal();
  return outer ? AbortSignal.any([limit, outer]) : limit;
};

function askByUdp({ host, port }: Server, question: DnsQuestion, isResolver: boolean): Promise<Answer> {
  const query = queryOf(question, isResolver);
  const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4');
  const signal = limits();
  return new Promise<Answer>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(silence()), { once: true });
    socket.once('error', reject);
    socket.on('message', (bytes) => {
      const answer = decoded(bytes);
      if (answer !== null && isAnswerTo(query, answer)) resolve(answer);
    });
    // Connected, the kernel drops what others send and tells when the port is closed.
    socket.connect(port, host, () => socket.send(encode(query)));
  }).finally(() => socket.close());
}

function askByTcp({ host, port }: Server, question: DnsQuestion, isResolver: boolean): Promise<Answer> {
  const query = queryOf(question, isResolver);
  const socket = connect({ host, port });
  const signal = limits();
  return new Promise<Answer>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(silence()), { once: true });
    let received = Buffer.alloc(0);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed the connection')));
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      if (received.length < 2 || received.length < received.readUInt16BE(0) + 2) return;
      const answer = decoded(received.subarray(2));
      if (answer !== null && isAnswerTo(query, answer)) resolve(answer);
      else reject(new Error('answered something else'));
    });
    socket.once('connect', () => socket.write(streamEncode(query)));
  }).finally(() => socket.destroy());
}

const silence = (): Error => new Error(`no answer within ${TRY_MS / 1000} s`);

function decoded(bytes: Buffer): Answer | null {
  try {
    return decode(bytes) as Answer;
  } catch {
    return null; // Not DNS: as if nothing came.
  }
}

function asReply(answer: Answer, { name, type }: DnsQuestion): Reply {
  const values = (answer.answers ?? []).flatMap((one) =>
    one.type === type && plainName(one.name) === plainName(name) && typeof one.data === 'string' ? [one.data] : [],
  );
  return { rcode: answer.rcode, isAuthoritative: answer.flag_aa, values };
}
