// The management API over HTTP: of the live broker by its address, of an isolated one through its unix socket.
// Credentials travel in the header of the request and appear nowhere else.
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { json, text } from 'node:stream/consumers';
import { Failure } from '../../domain/failures.ts';
import { requireCurrentAttempt } from '../shared/activity-context.ts';
import type { Credentials } from './wire-connection.ts';

export interface ManagementAddress {
  readonly url: string;
  readonly socketPath?: string;
  /** PEM of the authority that signed the server's certificate. */
  readonly ca?: string;
}

export interface Management {
  get<T>(path: string): Promise<T>;
  /** Null when the thing is not there. */
  find<T>(path: string): Promise<T | null>;
  put(path: string, body: unknown): Promise<void>;
  post(path: string, body: unknown): Promise<void>;
  /** Nothing happens when the thing is not there. */
  remove(path: string, reason?: string): Promise<void>;
}

const ANSWER_WITHIN_MS = 60_000;

/** One path segment of the API: names are data, and the virtual host `/` is one of them. */
export const segment = (name: string): string => encodeURIComponent(name);

/** @throws {Failure} from every call: STORE_UNREACHABLE, ACCESS_DENIED, PART_NOT_FOUND, TOOL_FAILED (refused, with the words). */
export function createManagement(address: ManagementAddress, who: Credentials): Management {
  const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    exchange(address, who, { method, path, body, headers });
  const find = async <T>(path: string): Promise<T | null> => {
    const response = await send('GET', path);
    if (response.statusCode === 404) return discard(response, null);
    return (await accepted(response, path)).json as T;
  };
  return {
    find,
    get: async <T>(path: string) => {
      const found = await find<T>(path);
      if (found === null) throw new Failure('PART_NOT_FOUND', `the broker has no '${path}'`);
      return found;
    },
    put: async (path, body) => void (await accepted(await send('PUT', path, body), path)),
    post: async (path, body) => void (await accepted(await send('POST', path, body), path)),
    remove: async (path, reason) => {
      const response = await send('DELETE', path, undefined, reason === undefined ? {} : { 'x-reason': reason });
      if (response.statusCode === 404) return discard(response, undefined);
      await accepted(response, path);
    },
  };
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly headers: Record<string, string>;
}

function exchange(address: ManagementAddress, who: Credentials, call: Call): Promise<IncomingMessage> {
  requireCurrentAttempt();
  const url = new URL(address.url.replace(/\/+$/, '') + call.path);
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  const payload = call.body === undefined ? '' : JSON.stringify(call.body);
  return new Promise((resolve, reject) => {
    const outgoing = send(url, {
      method: call.method,
      auth: `${who.user}:${who.password}`,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload), ...call.headers },
      timeout: ANSWER_WITHIN_MS,
      ...(address.socketPath === undefined ? {} : { socketPath: address.socketPath }),
      ...(address.ca === undefined ? {} : { ca: address.ca }),
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer in time')));
    outgoing.once('error', (cause) =>
      reject(new Failure('STORE_UNREACHABLE', `the management API cannot be reached: ${cause.message}`, {}, cause)),
    );
    outgoing.once('response', resolve);
    outgoing.end(payload);
  });
}

async function accepted(response: IncomingMessage, path: string): Promise<{ json: unknown }> {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) {
    if (status !== 200) return { json: await discard(response, null) };
    return { json: await json(response).catch((cause) => brokenAnswer(path, cause)) };
  }
  const words = (await text(response)).slice(0, 500);
  const [bare] = path.split('?');
  if (status === 401 || status === 403)
    throw new Failure('ACCESS_DENIED', `the management API refused '${bare}' with status ${status}`, {
      need: 'the tag administrator and the right password',
    });
  if (status >= 500) throw new Failure('STORE_UNREACHABLE', `the management API failed at '${bare}': ${status}`);
  throw new Failure('TARGET_UNSAFE', `the broker refused '${bare}': ${status} ${words}`, { status });
}

function brokenAnswer(path: string, cause: unknown): never {
  throw new Failure('STORE_UNREACHABLE', `the management API broke off its answer to '${path}'`, {}, cause);
}

async function discard<T>(response: IncomingMessage, value: T): Promise<T> {
  response.resume();
  await new Promise((resolve) => response.once('close', resolve));
  return value;
}
