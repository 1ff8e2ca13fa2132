// An HTTP proxy in front of a real server that fails on purpose: it cuts answers, shortens them, loses them, or says 503.
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Fault =
  /** The answer ends after so many bytes, with the connection. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** A whole answer, with a length that fits, of a body that lacks its last bytes. */
  | { readonly kind: 'short'; readonly byBytes: number }
  /** An answer of the same status with another body, of which the headers know nothing. */
  | { readonly kind: 'rewrite'; readonly body: (text: string) => string }
  /** The connection is reset after so many bytes of the request. */
  | { readonly kind: 'reset'; readonly afterBytes: number }
  /** The request is carried out, and the connection breaks before the answer. */
  | { readonly kind: 'lose-answer' }
  /** The request is never carried out and never answered. */
  | { readonly kind: 'hold' }
  | { readonly kind: 'unavailable' }
  /** An answer that nobody tries again over. */
  | { readonly kind: 'denied' };

export interface FaultProxy {
  readonly endpoint: string;
  /** Method and path with query of every request so far. */
  readonly requests: readonly string[];
  /** Decides about each request; null lets it pass. */
  setFault(choose: (request: string) => Fault | null): void;
  close(): Promise<void>;
}

/** Starts a proxy to `target`, for example `http://127.0.0.1:7070`. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const requests: string[] = [];
  let choose: (request: string) => Fault | null = () => null;
  const server = createServer((incoming, answer) => {
    const line = `${incoming.method} ${incoming.url}`;
    requests.push(line);
    forward(target, incoming, answer, choose(line));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    setFault: (next) => {
      choose = next;
    },
    close: () => closeServer(server),
  };
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

function forward(target: string, incoming: IncomingMessage, answer: ServerResponse, fault: Fault | null): void {
  if (fault?.kind === 'unavailable' || fault?.kind === 'denied') {
    incoming.resume();
    incoming.on('end', () => answer.writeHead(fault.kind === 'denied' ? 403 : 503).end());
    return;
  }
  if (fault?.kind === 'hold') return void incoming.resume();
  if (fault?.kind === 'reset') {
    resetAfter(incoming, fault.afterBytes);
    return;
  }
  const { method, headers, url = '/' } = incoming;
  const onward = request(new URL(url, target), { method, headers }, (response) => reply(response, answer, fault));
  onward.on('error', () => answer.destroy());
  incoming.pipe(onward);
}

function reply(response: IncomingMessage, answer: ServerResponse, fault: Fault | null): void {
  if (fault?.kind === 'lose-answer') {
    response.resume();
    response.on('end', () => answer.destroy());
    return;
  }
  if (fault?.kind === 'rewrite') {
    replyRewritten(response, answer, fault.body);
    return;
  }
  if (fault?.kind === 'short') {
    replyShort(response, answer, fault.byBytes);
    return;
  }
  answer.writeHead(response.statusCode ?? 502, response.headers);
  let left = fault?.kind === 'cut' ? fault.afterBytes : Number.POSITIVE_INFINITY;
  response.on('data', (chunk: Buffer) => {
    answer.write(chunk.subarray(0, Math.max(0, left)));
    left -= chunk.length;
    if (left <= 0) answer.destroy();
  });
  response.on('end', () => answer.end());
}

function resetAfter(incoming: IncomingMessage, bytes: number): void {
  let left = bytes;
  incoming.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left <= 0) incoming.socket.resetAndDestroy();
  });
}

function replyRewritten(response: IncomingMessage, answer: ServerResponse, rewrite: (text: string) => string): void {
  const chunks: Buffer[] = [];
  response.on('data', (chunk: Buffer) => chunks.push(chunk));
  response.on('end', () => {
    const body = Buffer.from(rewrite(Buffer.concat(chunks).toString()));
    const { 'transfer-encoding': _, ...headers } = response.headers;
    answer.writeHead(response.statusCode ?? 502, { ...headers, 'content-length': body.length }).end(body);
  });
}

function replyShort(response: IncomingMessage, answer: ServerResponse, byBytes: number): void {
  let left = Math.max(0, Number(response.headers['content-length'] ?? 0) - byBytes);
  answer.writeHead(response.statusCode ?? 502, { ...response.headers, 'content-length': String(left) });
  response.on('data', (chunk: Buffer) => {
    answer.write(chunk.subarray(0, left));
    left = Math.max(0, left - chunk.length);
  });
  response.on('end', () => answer.end());
}
