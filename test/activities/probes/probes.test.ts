// Probes against small servers that answer as the stores do, and as what stands in front of dead ones does.
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { probe } from '../../../activities/probes/index.ts';
import { withFurtherSignal } from '../../../activities/shared/activity-context.ts';
import type { ProbeConfiguration } from '../../../domain/configuration/schema.ts';

const HOST = 'app.orders.example';
const servers: Server[] = [];
const sockets = new Set<Socket>();

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** A server that answers whatever is said with these bytes, in pieces; nothing closes the connection. */
async function answering(...pieces: readonly Buffer[]): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    socket.once('data', async () => {
      for (const piece of pieces) {
        socket.write(piece);
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (pieces.length === 0) socket.end();
    });
  });
  return listening(server);
}

async function listening(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

type Store = 'postgres' | 'redis' | 'rabbitmq';
const settings = (check: Store, port: number): ProbeConfiguration =>
  check === 'postgres'
    ? { check, host: HOST, port, user: 'postgres', within: '3s' }
    : { check, host: HOST, port, tls: false, rootFile: undefined, within: '3s' };
const resolve = async () => '127.0.0.1';
const ask = async (check: Store, ...pieces: readonly Buffer[]) =>
  probe(settings(check, await answering(...pieces)), resolve);

const error = (code: string, message: string): Buffer => {
  const fields = Buffer.from(`SFATAL\0C${code}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
};
const text = (line: string) => Buffer.from(`${line}\r\n`);
const START = Buffer.from([1, 0, 0, 0, 0, 1, 0, 0, 10, 0, 10, 0, 9]);

describe('a probe', () => {
  it('takes a store that speaks its own language for well, also one that wants a password', async () => {
    const well = { isWell: true };
    expect(await ask('postgres', Buffer.from([0x52, 0, 0, 0, 23, 0, 0, 0, 10]))).toMatchObject(well);
    expect(await ask('postgres', error('28000', 'no entry for this host'))).toMatchObject(well);
    expect(await ask('redis', text('+PONG'))).toMatchObject(well);
    expect(await ask('redis', text('-NOAUTH Authentication required.'))).toMatchObject(well);
    expect(await ask('rabbitmq', START.subarray(0, 5), START.subarray(5))).toMatchObject(well);
  });

  it('takes a store that starts, is full, or is something else for not well, and says what it said', async () => {
    const said = async (check: Store, ...pieces: readonly Buffer[]) => {
      const { isWell, words } = await ask(check, ...pieces);
      expect(isWell).toBe(false);
      return words;
    };
    const starting = error('57P03', 'the database system is starting up');
    expect(await said('postgres', starting.subarray(0, 9), starting.subarray(9))).toBe(
      'the database system is starting up',
    );
    expect(await said('postgres', error('53300', 'sorry, too many clients already'))).toContain('too many clients');
    expect(await said('postgres', text('+PONG'))).toBe('what answers is not PostgreSQL');
    expect(await said('redis', text('-LOADING Redis is loading the dataset in memory'))).toContain('LOADING');
    expect(await said('redis', text('HTTP/1.1 400 Bad Request'))).toBe('what answers is not Redis');
    expect(await said('rabbitmq', Buffer.from('AMQP\0\0\x09\x01'))).toContain('no broker');
  });

  it('takes a door with nothing behind it for not well', async () => {
    expect(await ask('redis')).toMatchObject({ isWell: false, words: 'closed the connection without an answer' });
    const silent = await answering(Buffer.alloc(0));
    const limit = AbortSignal.timeout(100);
    const seen = await withFurtherSignal(limit, () => probe(settings('redis', silent), resolve));
    expect(seen).toMatchObject({ probe: `redis at ${HOST}:${silent}`, isWell: false });
  });

  it('asks DNS for the address each time, and is not well when DNS has none', async () => {
    const port = await answering(text('+PONG'));
    const none = () => Promise.reject(new Error(`DNS has no address for '${HOST}'`));
    expect(await probe(settings('redis', port), none)).toMatchObject({
      isWell: false,
      words: `DNS has no address for '${HOST}'`,
    });
    expect((await probe(settings('redis', port), resolve)).words).toBe('answers PING (127.0.0.1)');
  });

  it('asks a web server under its name at the address that DNS gave, and judges the status', async () => {
    const names: (string | undefined)[] = [];
    const server = createHttpServer((request, response) => {
      names.push(request.headers.host);
      response.writeHead(request.url === '/health' ? 200 : 503).end('x'.repeat(100_000));
    });
    const port = await listening(server);
    const web = (path: string): ProbeConfiguration => ({
      ...{ check: 'http', url: `http://${HOST}:${port}${path}`, status: [200], rootFile: undefined, within: '3s' },
    });
    expect(await probe(web('/health'), resolve)).toMatchObject({ isWell: true, words: 'status 200 (127.0.0.1)' });
    expect(await probe(web('/other'), resolve)).toMatchObject({ isWell: false, words: 'status 503, wanted 200' });
    expect(names[0]).toBe(`${HOST}:${port}`);
  });
});
