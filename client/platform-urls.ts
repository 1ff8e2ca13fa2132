// Addresses such as postgres://user:password@host:5432/shop to settings. Passwords go into secret files, or stay
// references; nothing here repeats one.
import { Failure } from '../domain/failures.ts';

type StoreName = 'postgres' | 'redis' | 'rabbitmq';

export interface DescribedStore {
  readonly system: StoreName;
  /** Settings as the configuration has them, without the password. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  /** `${env:NAME}` when the address had one in place of the password. */
  readonly reference: string | null;
  /** The password itself; null when there is none or it is a reference. */
  readonly password: string | null;
}

const SCHEMES: Readonly<Record<string, StoreName>> = {
  'postgres:': 'postgres',
  'postgresql:': 'postgres',
  'redis:': 'redis',
  'rediss:': 'redis',
  'amqp:': 'rabbitmq',
  'amqps:': 'rabbitmq',
};

/**
 * Reads addresses. `where` tells how they came: a password on the command line is refused, because every user of the
 * machine can read it there.
 * @throws {Failure} USAGE, SECRET_IN_ARGUMENTS.
 */
export function describeStores(addresses: readonly string[], where: 'arguments' | 'input'): DescribedStore[] {
  const stores = addresses.map((address, index) => describeStore(address, index + 1, where));
  const twice = stores.find((store, index) => stores.findIndex(({ system }) => system === store.system) < index);
  if (twice) throw new Failure('USAGE', `there are two addresses of ${twice.system}: one platform has one of each`);
  return stores;
}

// The number names the address, because its text may hold a password.
function describeStore(address: string, number: number, where: 'arguments' | 'input'): DescribedStore {
  const url = URL.canParse(address) ? new URL(address) : null;
  const system = url === null ? undefined : SCHEMES[url.protocol];
  if (url === null || system === undefined || url.hostname === '') {
    const known = 'postgres://, redis://, rediss://, amqp:// or amqps://';
    throw new Failure('USAGE', `address ${number} is not one of ${known} with a host`);
  }
  const password = decodeURIComponent(url.password);
  const reference = /^\$\{env:[A-Za-z_]\w*\}$/.test(password) ? password : null;
  if (password !== '' && reference === null && where === 'arguments') {
    throw new Failure('SECRET_IN_ARGUMENTS', `address ${number} (${url.protocol}//${url.host}) holds a password`);
  }
  const plain = reference === null && password !== '' ? password : null;
  return { system, settings: SETTINGS[system](url), reference, password: plain };
}

type Settings = Record<string, string | number | boolean>;

const SETTINGS: Readonly<Record<StoreName, (url: URL) => Settings>> = {
  postgres: (url) => ({
    ...hostAndPort(url, 5432),
    ...named('user', decodeURIComponent(url.username)),
    ...named('database', decodeURIComponent(url.pathname.slice(1))),
    ...named('tlsMode', url.searchParams.get('sslmode') ?? ''),
    ...named('tlsRootFile', url.searchParams.get('sslrootcert') ?? ''),
  }),
  redis: (url) => ({
    ...hostAndPort(url, 6379),
    ...named('user', decodeURIComponent(url.username)),
    ...(url.protocol === 'rediss:' ? { tls: true } : {}),
  }),
  rabbitmq: (url) => ({
    ...hostAndPort(url, url.protocol === 'amqps:' ? 5671 : 5672),
    management: url.searchParams.get('management') ?? `http://${url.hostname}:15672`,
    user: requireUser(decodeURIComponent(url.username)),
    ...(url.protocol === 'amqps:' ? { tls: true } : {}),
  }),
};

const hostAndPort = (url: URL, usual: number): Settings => ({
  host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
  port: url.port === '' ? usual : Number(url.port),
});

const named = (name: string, value: string): Settings => (value === '' ? {} : { [name]: value });

function requireUser(user: string): string {
  if (user !== '') return user;
  throw new Failure('USAGE', 'the address of RabbitMQ needs a user and a password: amqp://user:password@host');
}
