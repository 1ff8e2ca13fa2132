// Connections to Redis: one place that resolves the password, refuses to wait for ever, and says what went wrong.
import { readFile } from 'node:fs/promises';
import { Redis, type RedisOptions } from 'ioredis';
import type { SystemConfiguration } from '../../domain/configuration/schema.ts';
import { Failure } from '../../domain/failures.ts';
import { requireCurrentAttempt } from '../shared/activity-context.ts';
import { resolveSecret } from '../shared/secrets.ts';

export type RedisConfiguration = SystemConfiguration<'redis'>;

const CONNECT_MS = 10_000;
const DENIED =
  /^(WRONGPASS|NOAUTH|NOPERM)|ERR unknown (sub)?command|invalid username-password|invalid password|called without any password/;
const UNREACHABLE = /^(LOADING|MASTERDOWN|NOMASTERLINK)|max number of clients/;

/** How the store is named in messages and what its identity is: its address, see decision 0301. */
export function addressOf(configuration: RedisConfiguration): string {
  return `redis://${configuration.host}:${configuration.port}`;
}

/** Credentials and TLS settings, resolved at the moment of use. */
export async function accessOf(
  configuration: RedisConfiguration,
): Promise<{ readonly user?: string; readonly password?: string; readonly tls?: TlsFiles }> {
  return {
    ...(configuration.user === undefined ? {} : { user: configuration.user }),
    ...(configuration.password === undefined ? {} : { password: await resolveSecret(configuration.password) }),
    ...(configuration.tls ? { tls: await tlsFiles(configuration) } : {}),
  };
}

interface TlsFiles {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: string;
}

async function tlsFiles({ tlsRootFile, tlsCertificateFile, tlsKeyFile }: RedisConfiguration): Promise<TlsFiles> {
  return {
    ...(tlsRootFile === undefined ? {} : { ca: await readFile(tlsRootFile) }),
    ...(tlsCertificateFile === undefined ? {} : { cert: await readFile(tlsCertificateFile) }),
    ...(tlsKeyFile === undefined ? {} : { key: await resolveSecret(`\${file:${tlsKeyFile}}`) }),
  };
}

/** Runs `work` with a connection to the configured store and closes it. @throws STORE_UNREACHABLE, ACCESS_DENIED. */
export async function withStore<T>(configuration: RedisConfiguration, work: (redis: Redis) => Promise<T>): Promise<T> {
  const { user, password, tls } = await accessOf(configuration);
  requireCurrentAttempt();
  return await withConnection(addressOf(configuration), work, {
    host: configuration.host,
    port: configuration.port,
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  });
}

/** Like `withStore`, for any address; `name` stands in messages. */
export async function withConnection<T>(
  name: string,
  work: (redis: Redis) => Promise<T>,
  target: Pick<RedisOptions, 'host' | 'port' | 'username' | 'password' | 'tls' | 'path'>,
): Promise<T> {
  const redis = new Redis({
    protocol: 2,
    lazyConnect: true,
    enableReadyCheck: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectTimeout: CONNECT_MS,
    keepAlive: 30_000,
    ...target,
  });
  let last: unknown;
  redis.on('error', (error) => {
    last = error;
  });
  try {
    await redis.connect();
    // The client connects before it knows whether the password was right.
    await redis.call('PING');
    return await work(redis);
  } catch (error) {
    throw redisFailure(name, error, last);
  } finally {
    redis.disconnect();
  }
}

/** What an error of the client means; failures of ours pass unchanged. */
export function redisFailure(name: string, error: unknown, connectionError?: unknown): unknown {
  if (error instanceof Failure) return error;
  const cause = isClosed(error) ? (connectionError ?? error) : error;
  const message = cause instanceof Error ? cause.message : String(cause);
  if (DENIED.test(message))
    return new Failure('ACCESS_DENIED', `'${name}' refused: ${message}`, { need: rightIn(message) }, cause);
  if (UNREACHABLE.test(message) || isNetworkError(cause) || isClosed(cause))
    return new Failure('STORE_UNREACHABLE', `'${name}' cannot be reached: ${message}`, {}, cause);
  return error;
}

function isClosed(error: unknown): boolean {
  return (
    error instanceof Error && /Connection is closed|max retries per request|Stream isn't writeable/.test(error.message)
  );
}

function isNetworkError(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  return (
    /^(ECONN|ETIMEDOUT|ENOTFOUND|EAI_|EHOST|ENET|EPIPE|CERT_|UNABLE_|DEPTH_|SELF_|ERR_TLS|ERR_SSL)/.test(code) ||
    /connect ETIMEDOUT/.test(String(error))
  );
}

function rightIn(message: string): string {
  const command = /run the '([^']+)' command/.exec(message)?.[1];
  if (command !== undefined) return `+${command}`;
  const unknown = /unknown (?:sub)?command '([^']+)'/.exec(message)?.[1];
  return unknown === undefined
    ? 'the right user and password'
    : `the command ${unknown}, which this server does not offer`;
}

/** True when the server knows or allows a command not at all: managed services and narrow accounts. */
export function isRefusedCommand(error: unknown): boolean {
  return error instanceof Error && /^(NOPERM|ERR unknown (sub)?command)/.test(error.message);
}

/** The fields of `INFO`, of all sections. */
export async function infoOf(redis: Redis, section = 'everything'): Promise<Readonly<Record<string, string>>> {
  const text = String(await redis.call('INFO', section));
  const lines = text.split('\r\n').filter((line) => line.includes(':') && !line.startsWith('#'));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

/** The server's clock in Unix milliseconds. */
export async function timeOf(redis: Redis): Promise<number> {
  const [seconds, micros] = (await redis.call('TIME')) as [string, string];
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

/** Values of `CONFIG GET` for the given names. */
export async function settingsOf(redis: Redis, ...names: string[]): Promise<Readonly<Record<string, string>>> {
  const flat = (await redis.call('CONFIG', 'GET', ...names)) as string[];
  return pairs(flat);
}

/** `[name, value, …]` as an object. */
export function pairs(flat: readonly string[]): Readonly<Record<string, string>> {
  const entries: [string, string][] = [];
  for (let index = 0; index + 1 < flat.length; index += 2)
    entries.push([flat[index] as string, flat[index + 1] as string]);
  return Object.fromEntries(entries);
}
