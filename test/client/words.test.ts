import { describe, expect, it } from 'vitest';
import type { CallOptions } from '../../client/command.ts';
import { COMMANDS } from '../../client/command-table.ts';
import { newConfiguration } from '../../client/new-configuration.ts';
import { describeStores } from '../../client/platform-urls.ts';
import { chosenOptions, chosenScope } from '../../client/restore-scope.ts';
import { s3Settings } from '../../client/s3-address.ts';
import { wantedSchedules } from '../../client/wanted-schedules.ts';
import { parseConfiguration } from '../../domain/configuration/parse.ts';
import type { SystemName } from '../../domain/systems.ts';
import { EXAMPLE } from '../domain/configuration/example.ts';

const options = (values: Readonly<Record<string, string | readonly string[]>>): CallOptions => ({
  text: (name) => (typeof values[name] === 'string' ? values[name] : undefined),
  flag: () => false,
  list: (name) => (Array.isArray(values[name]) ? (values[name] as string[]) : []),
});

describe('every command', () => {
  it('has the name and summary of its table line, examples, and no twin', async () => {
    const modules = await Promise.all(COMMANDS.map(({ load }) => load()));
    modules.forEach(({ spec }, index) => {
      expect(spec.name).toBe(COMMANDS[index]?.name);
      for (const command of 'commands' in spec ? spec.commands : [spec]) {
        expect(command.examples.length).toBeGreaterThan(0);
        for (const [line] of command.examples) expect(line).toMatch(new RegExp(`^dr ${spec.name}`));
      }
    });
    expect(new Set(COMMANDS.map(({ name }) => name)).size).toBe(COMMANDS.length);
  });
});

describe('what a restore means', () => {
  const scope = (system: SystemName, values: Record<string, string>) => chosenScope(system, options(values));

  it.each([
    ['postgres', {}, { kind: 'whole', names: {} }],
    ['postgres', { database: 'shop' }, { kind: 'database', names: { database: 'shop' } }],
    [
      'postgres',
      { database: 'shop', table: 't' },
      { kind: 'table', names: { database: 'shop', schema: 'public', table: 't' } },
    ],
    [
      'postgres',
      { database: 'shop', table: 'a.b.c' },
      { kind: 'table', names: { database: 'shop', schema: 'a', table: 'b.c' } },
    ],
    [
      'postgres',
      { database: 'shop', table: 'b.c', schema: 'a.x' },
      { kind: 'table', names: { database: 'shop', schema: 'a.x', table: 'b.c' } },
    ],
    ['redis', { pattern: 's:*' }, { kind: 'pattern', names: { pattern: 's:*' } }],
    ['redis', { pattern: 's:*', database: '2' }, { kind: 'pattern', names: { pattern: 's:*', database: '2' } }],
    ['rabbitmq', { queue: 'q' }, { kind: 'queue', names: { queue: 'q', vhost: '/' } }],
    ['config', { file: 'a/.env' }, { kind: 'file', names: { path: 'a/.env' } }],
  ] as const)('of %s with %j is %j', (system, values, expected) => {
    expect(scope(system, values)).toEqual(expected);
  });

  it('is refused when the words contradict each other or the system', () => {
    expect(() => scope('postgres', { table: 't' })).toThrow('a table is in a database: give --database too');
    expect(() => scope('redis', { queue: 'q' })).toThrow('redis cannot restore a queue: it restores whole, pattern');
    expect(() => scope('config', { file: 'a', queue: 'q' })).toThrow('give one of --queue, --file');
    expect(() => chosenOptions(options({ option: ['ttl'] }))).toThrow("'ttl' is not NAME=VALUE");
    expect(chosenOptions(options({ option: ['a=b=c'], kind: 'rdb' }))).toEqual({ kind: 'rdb', a: 'b=c' });
  });
});

describe('addresses', () => {
  it('become settings, with the password apart', () => {
    expect(
      describeStores(['postgresql://u%40x:p%2Fw@[::1]/shop?sslmode=verify-full', 'rediss://h:1'], 'input'),
    ).toEqual([
      {
        system: 'postgres',
        settings: { host: '::1', port: 5432, user: 'u@x', database: 'shop', tlsMode: 'verify-full' },
        reference: null,
        password: 'p/w',
      },
      { system: 'redis', settings: { host: 'h', port: 1, tls: true }, reference: null, password: null },
    ]);
    expect(s3Settings('s3://bucket/a/b/?region=eu-west-1')).toMatchObject({
      bucket: 'bucket',
      prefix: 'a/b/',
      region: 'eu-west-1',
    });
    expect(() => s3Settings('https://x')).toThrow('an S3 tier is given as');
  });

  it('make a configuration without a single error', () => {
    const text = newConfiguration({
      ...{ platform: 'orders', site: 'main', directory: '/etc/holdfast', data: '/var/lib/holdfast' },
      stores: describeStores(['postgres://u:p@h/d', 'redis://:p@h', 'amqps://u:p@h'], 'input'),
      config: { root: '/srv', patterns: ['**/.env'] },
      certificates: [{ certificate: '/a.crt', key: '/a.key' }],
      s3: s3Settings('s3://bucket'),
    });
    const { problems } = parseConfiguration(text);
    expect(problems.filter(({ level }) => level === 'error')).toEqual([]);
  });
});

describe('wantedSchedules', () => {
  const loaded = (text: string) => {
    const { configuration } = parseConfiguration(text);
    if (configuration === null) throw new Error('the example is wrong');
    return { file: '/h.yaml', configuration, site: 'west' };
  };

  it('meets the default objectives and has none for certificates, which are watched', () => {
    const every = wantedSchedules(loaded(EXAMPLE)).map(({ id, everyMs }) => [id, everyMs / 60_000]);
    expect(every).toEqual([
      ['dr/orders/postgres/logical', 60],
      ['dr/orders/postgres/physical', 60],
      ['dr/orders/redis/rdb', 15],
      ['dr/orders/rabbitmq/messages', 60],
      ['dr/orders/config/files', 1440],
      ['dr/orders/verify', 1440],
      ['dr/orders/presence', 15],
      ['dr/orders/retention', 1440],
    ]);
  });

  it('gives runs that never wait for a person, begin apart, and have the same digest on every machine', () => {
    const wanted = wantedSchedules(loaded(EXAMPLE));
    expect(wanted.every(({ input }) => input.scheduled && input.requestedBy === 'schedule')).toBe(true);
    expect(new Set(wanted.map(({ everyMs, offsetMs }) => `${everyMs} ${offsetMs}`)).size).toBe(wanted.length);
    expect(wanted.every(({ everyMs, offsetMs }) => offsetMs < everyMs)).toBe(true);
    expect(wantedSchedules(loaded(EXAMPLE)).map(({ digest }) => digest)).toEqual(wanted.map(({ digest }) => digest));
    const other = wantedSchedules(loaded(EXAMPLE.replace('spool:', 'minimumKept: 3\n  spool:')));
    expect(other.map(({ digest }) => digest)).toEqual(wanted.map(({ digest }) => digest));
  });
});
