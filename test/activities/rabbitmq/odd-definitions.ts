// Definitions and queues that a platform may have and that a careless program trips over.
import { createHash, randomBytes } from 'node:crypto';
import { canonicalJson, type JsonValue } from '../../../domain/json.ts';
import type { BrokerFixture } from './broker-fixture.ts';

export const LINES = 'line\nbreak \u202eright to left\r\t"\'`';
/** Plugins of exchange types that the odd definitions need. */
export const EXCHANGE_PLUGINS = [
  'rabbitmq_consistent_hash_exchange',
  'rabbitmq_random_exchange',
  'rabbitmq_recent_history_exchange',
];

/** Names of faults 64: twins in two normal forms, switches, paths, shell, markup, 255 bytes. */
export const NAMES = [
  'twin \u00e9',
  'twin e\u0301',
  '-rf',
  '../../etc/passwd',
  '%2e%2e%2F%00',
  '$(touch x)`touch x`${x}',
  "'; DROP TABLE q; --",
  LINES,
  ' leading and trailing ',
  `${'🐇'.repeat(63)}end`,
  '\\',
  '#?&=+;[]{}',
  '<b>&amp;',
];

const EXCHANGES = ['direct', 'fanout', 'topic', 'headers', 'x-consistent-hash', 'x-random', 'x-recent-history'];

const queue = (vhost: string, name: string, args: Record<string, unknown> = {}) => ({
  ...{ vhost, name, durable: true, auto_delete: false, arguments: args },
});

/** Declares all of it in the default virtual host and in one named by `LINES`, and puts a message into each name. */
export async function declareOdd(fixture: BrokerFixture): Promise<void> {
  await fixture.api('PUT', `/api/vhosts/${encodeURIComponent(LINES)}`, {});
  const { rabbitmq_version = '' } = (await fixture.api<{ rabbitmq_version: string }>('GET', '/api/overview')) ?? {};
  // Brokers from 4.0 on refuse mirroring.
  const knowsMirrors = Number.parseInt(rabbitmq_version, 10) < 4;
  await fixture.api('POST', '/api/definitions', {
    users: [
      { name: LINES, tags: ['policymaker', 'own tag'], ...sha512('p'), limits: { 'max-connections': 3 } },
      { name: 'no password', tags: [], password_hash: '', hashing_algorithm: 'rabbit_password_hashing_sha256' },
    ],
    permissions: [fixture.broker.user, LINES].map((user) => ({
      ...{ user, vhost: LINES, configure: '.*', write: '^[^\n]*$', read: '.*' },
    })),
    topic_permissions: [{ user: LINES, vhost: LINES, exchange: 'e topic', write: '^{username}\\.', read: '.*' }],
    exchanges: EXCHANGES.map((type) => ({
      ...{ vhost: LINES, name: `e ${type}`, type, durable: true, auto_delete: false, internal: false },
      arguments: type === 'x-consistent-hash' ? { 'hash-header': 'h' } : { 'alternate-exchange': 'e fanout' },
    })),
    queues: queues(),
    bindings: bindings(),
    policies: [
      ...(knowsMirrors
        ? [policy('mirrored', '^mirrored', { 'ha-mode': 'exactly', 'ha-params': 2, 'ha-sync-mode': 'automatic' })]
        : []),
      policy('brief', '^by policy', { 'message-ttl': 600_000, 'dead-letter-exchange': 'e topic' }),
    ],
    parameters: [
      { vhost: LINES, component: 'vhost-limits', name: 'limits', value: { 'max-connections': 50, 'max-queues': 90 } },
      { ...{ vhost: LINES, component: 'operator_policy', name: LINES }, value: operatorPolicy() },
    ],
    global_parameters: [{ name: 'of the platform', value: { 'a b': [1, 'é', null] } }],
  });
  for (const routing_key of [...NAMES, 'mirrored', 'by policy', 'chain a', 'chain b'])
    await fixture.api('POST', `/api/exchanges/${encodeURIComponent(LINES)}/amq.default/publish`, {
      ...{ routing_key, payload: `in ${routing_key}`, payload_encoding: 'string', properties: { delivery_mode: 2 } },
    });
}

function queues() {
  const dead = (to: string) => ({ 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': to });
  return [
    ...NAMES.map((name) => queue(LINES, name)),
    queue(LINES, 'mirrored', { 'x-queue-mode': 'lazy' }),
    queue(LINES, 'by policy'),
    queue(LINES, 'chain a', { 'x-message-ttl': 900_000, ...dead('chain b') }),
    queue(LINES, 'chain b', { 'x-message-ttl': 900_000, ...dead('chain a') }),
    { ...queue(LINES, 'ends with its consumers'), auto_delete: true },
    queue(LINES, 'stream', {
      ...{ 'x-queue-type': 'stream', 'x-max-length-bytes': 50_000_000, 'x-stream-max-segment-size-bytes': 500_000 },
      'x-max-age': '7D',
    }),
  ];
}

function bindings() {
  const bind = (source: string, destination: string, more: object) => ({
    ...{ vhost: LINES, source, destination, destination_type: 'queue', routing_key: '', arguments: {}, ...more },
  });
  return [
    bind('e topic', LINES, { routing_key: '*.\u00e9.#' }),
    bind('e topic', LINES, { routing_key: '*.e\u0301.#' }),
    bind('e headers', NAMES[0] as string, { arguments: { 'x-match': 'any', n: 1, s: LINES, t: true } }),
    bind('e headers', NAMES[0] as string, { arguments: { 'x-match': 'any', n: 2, s: LINES, t: true } }),
    bind('e x-consistent-hash', NAMES[2] as string, { routing_key: '10' }),
    bind('e x-consistent-hash', NAMES[3] as string, { routing_key: '20' }),
    bind('e x-random', NAMES[4] as string, {}),
    bind('e x-recent-history', NAMES[5] as string, {}),
    bind('e topic', 'e x-random', { destination_type: 'exchange', routing_key: '#' }),
    bind('e x-random', 'e fanout', { destination_type: 'exchange' }),
  ];
}

const policy = (name: string, pattern: string, definition: object) => ({
  ...{ vhost: LINES, name, pattern, definition, priority: 3, 'apply-to': 'queues' },
});

const operatorPolicy = () => ({
  ...{ pattern: '^never', definition: { 'max-length': 9 }, priority: 1, 'apply-to': 'queues' },
});

function sha512(password: string) {
  const salt = randomBytes(4);
  const hash = createHash('sha512').update(salt).update(password).digest();
  return {
    password_hash: Buffer.concat([salt, hash]).toString('base64'),
    hashing_algorithm: 'rabbit_password_hashing_sha512',
  };
}

/** What the broker says it holds, each section sorted. */
export async function definitionsOf(fixture: BrokerFixture): Promise<Record<string, string[]>> {
  const all = (await fixture.api<Record<string, unknown>>('GET', '/api/definitions')) ?? {};
  const sections = Object.entries(all).filter(([, entries]) => Array.isArray(entries)) as [string, JsonValue[]][];
  return Object.fromEntries(sections.map(([name, entries]) => [name, entries.map(canonicalJson).sort()]));
}
