import { describe, expect, it } from 'vitest';
import type { RestoreRequest } from '../../../domain/contracts/protected-system.ts';
import { differingUsers, parseAcl } from '../../../domain/systems/redis-acl.ts';
import { AofWalker, parseAofManifest, writeAofManifest } from '../../../domain/systems/redis-aof.ts';
import { RdbWalker } from '../../../domain/systems/redis-rdb.ts';
import {
  differingSettings,
  modeOf,
  requireKnownRequest,
  selectionOf,
  stepsOf,
} from '../../../domain/systems/redis-restore.ts';
import { expiryUnder, ttlPolicy } from '../../../domain/systems/redis-ttl.ts';

const bytes = (...parts: (string | number[])[]) =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'string' ? [...Buffer.from(part, 'latin1')] : part)));

const text = (value: string) => [value.length, ...Buffer.from(value, 'latin1')];

const VECTOR_SET = [0xbd, 0xe7, 0x2d, 0xa2, 0xbb, 0x1e, 0xb4, 0x01];

const SMALL_RDB = bytes(
  'REDIS0010',
  [0xfa, ...text('ctime'), 0xc2, 1, 0, 0, 0],
  [0xf5, ...text('library')],
  [0xfe, 0, 0xfb, 3, 1],
  [0xfc, 0xe8, 3, 0, 0, 0, 0, 0, 0, 0, ...text('expired'), ...text('value')],
  [2, ...text('set'), 2, ...text('a'), 0xc0, 7],
  [5, ...text('zset'), 1, ...text('m'), 0, 0, 0, 0, 0, 0, 0, 0],
  [24, ...text('fields'), ...[1, 0, 0, 0, 0, 0, 0, 0], 2, 0, ...text('f'), ...text('v'), 5, ...text('g'), ...text('w')],
  [25, ...text('packed fields'), ...[1, 0, 0, 0, 0, 0, 0, 0], ...text('listpack')],
  // The id of the type 'vectorset', version 1; a number, a string and the end.
  [7, ...text('vector'), 0x81, ...VECTOR_SET, 2, 9, 5, ...text('bytes'), 0],
  [0xfe, 0x40, 200, 0xf8, 5, 0, ...text('packed'), 0xc3, 3, 9, 1, 2, 3],
  [0xff, 1, 2, 3, 4, 5, 6, 7, 8],
);

describe('RdbWalker', () => {
  const walk = (size: number) => {
    const places: number[] = [];
    const walker = new RdbWalker({ nowMs: 5000, onExpiry: ({ at }) => places.push(at) });
    for (let at = 0; at < SMALL_RDB.length; at += size) walker.push(SMALL_RDB.subarray(at, at + size));
    return { places, summary: walker.finish() };
  };

  it('counts keys by database, expired ones and libraries, whatever pieces the bytes come in', () => {
    const { summary, places } = walk(SMALL_RDB.length);
    expect(summary).toEqual({
      version: 10,
      aux: { ctime: '1' },
      databases: { 0: { keys: 6, expires: 1 }, 200: { keys: 1, expires: 0 } },
      keys: 7,
      expires: 1,
      expired: 1,
      functionLibraries: 1,
      moduleTypes: ['vectorset'],
      bytes: SMALL_RDB.length,
      hasChecksum: true,
    });
    for (let size = 1; size < SMALL_RDB.length; size += 1) expect(walk(size)).toEqual({ summary, places });
  });

  it('refuses every file that was cut, and one with bytes behind its end', () => {
    for (let length = 0; length < SMALL_RDB.length; length += 1) {
      const walker = new RdbWalker({ nowMs: 0 });
      walker.push(SMALL_RDB.subarray(0, length));
      expect(() => walker.finish()).toThrow('ends too early');
    }
    const walker = new RdbWalker({ nowMs: 0 });
    expect(() => walker.push(bytes([...SMALL_RDB, 0]))).toThrow('bytes follow');
  });

  it('refuses what is no RDB and a type of value that it does not know', () => {
    expect(() => new RdbWalker({ nowMs: 0 }).push(bytes('not an rdb'))).toThrow('not an RDB');
    expect(() => new RdbWalker({ nowMs: 0 }).push(bytes('REDIS0099', [200, 1, 65, 0]))).toThrow('unknown type 200');
    const walker = new RdbWalker({ nowMs: 0 });
    expect(() => walker.push(bytes('REDIS0099', [0xfe, 0, 0, ...text('key'), 0xc4, 1]))).toThrow('unknown encoding 4');
  });
});

describe('AofWalker', () => {
  const command = (...words: string[]) =>
    `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
  const whole = `#TS:1795416258\r\n${command('SET', 'a', 'x\r\n*9')}${command('MULTI')}${command('INCR', 'b')}${command('EXEC')}`;
  const walk = (content: string, size = content.length) => {
    const walker = new AofWalker();
    for (let at = 0; at < content.length; at += size) walker.push(bytes(content.slice(at, at + size)));
    return walker.finish();
  };

  it('tells the end of the last whole command or transaction, whatever pieces the bytes come in', () => {
    const expected = { bytes: whole.length, completeBytes: whole.length, commands: 4, isSound: true };
    for (const size of [1, 2, 3, 7, whole.length]) expect(walk(whole, size)).toEqual(expected);
    const cut = `${whole}${command('MULTI')}${command('SET', 'c', 'd')}`;
    expect(walk(cut).completeBytes).toBe(whole.length);
    expect(walk(whole.slice(0, -3)).completeBytes).toBe(whole.indexOf('*1\r\n$5\r\nMULTI'));
  });

  it('finds bytes that are no command', () => {
    expect(walk(`${whole}garbage\r\n`).isSound).toBe(false);
  });
});

it('parseAofManifest reads quoted names and newer fields, and refuses a name that leaves the folder', () => {
  const manifest = 'file a.aof.1.base.rdb seq 1 type b\nfile "a b.aof" seq 2 type i startoffset 9\n';
  const files = parseAofManifest(manifest);
  expect(files.map(({ name, type }) => [name, type])).toEqual([
    ['a.aof.1.base.rdb', 'b'],
    ['a b.aof', 'i'],
  ]);
  expect(parseAofManifest(writeAofManifest(files))).toEqual(files);
  expect(() => parseAofManifest('file ../etc/passwd seq 1 type b')).toThrow('not understood');
});

it('ttlPolicy fixes the time once, and each policy moves an expiry as it says', () => {
  expect(expiryUnder(ttlPolicy({}, 1000, 9000), 5000)).toBe(5000);
  expect(expiryUnder(ttlPolicy({ ttl: 'shift' }, 1000, 9000), 5000)).toBe(13_000);
  expect(expiryUnder(ttlPolicy({ ttl: 'floor', ttlFloorSeconds: '60' }, 1000, 9000), 5000)).toBe(69_000);
  expect(expiryUnder(ttlPolicy({ ttl: 'floor', ttlFloorSeconds: '60' }, 1000, 9000), 99_000)).toBe(99_000);
  expect(() => ttlPolicy({ ttl: 'never' }, 0, 0)).toThrow("'ttl' is absolute, shift or floor");
});

it('differingUsers names accounts that are new or changed, selectors included', () => {
  const backup = parseAcl('user a on #00 ~* +@all\nuser b on nopass (~x* +get) -@all\nuser c off');
  const now = parseAcl('user a on #11 ~* +@all\nuser b on nopass (~x* +get) -@all');
  expect(backup[1]?.rules).toEqual(['on', 'nopass', '(~x* +get)', '-@all']);
  expect(differingUsers(backup, now)).toEqual(['a', 'c']);
  const reset = parseAcl('user b on nopass sanitize-payload (~x* +get) -@all');
  expect(differingUsers(parseAcl('user b on nopass (~x* +get) -@all'), reset)).toEqual([]);
});

it('differingSettings leaves out what belongs to the place', () => {
  const backup = { maxmemory: '1', dir: '/a', requirepass: 'x', 'tls-port': '1', unknown: '1' };
  expect(differingSettings(backup, { maxmemory: '2', dir: '/b', requirepass: 'y', 'tls-port': '0' })).toEqual([
    'maxmemory',
  ]);
});

const request = (changes: Partial<RestoreRequest>): RestoreRequest => ({
  run: 'r',
  platform: 'p',
  site: 's',
  backup: { system: 'redis', backupId: 'b' },
  tier: null,
  scope: { kind: 'whole', names: {} },
  target: 'live',
  expectedIdentity: null,
  options: {},
  ...changes,
});

it('a restore goes in place when the files can be reached, and by key otherwise', () => {
  expect(modeOf(request({}), true)).toBe('inPlace');
  expect(modeOf(request({}), false)).toBe('keys');
  expect(modeOf(request({ options: { method: 'keys' } }), true)).toBe('keys');
  expect(modeOf(request({ scope: { kind: 'pattern', names: { pattern: 'a*' } } }), true)).toBe('keys');
  expect(modeOf(request({ target: 'scratch' }), true)).toBe('scratch');
  expect(() => modeOf(request({ options: { method: 'files' } }), false)).toThrow("no 'dataDirectory'");
});

it('keys that the backup does not have are removed only when that is asked for', () => {
  const ids = (options: Record<string, string>) => stepsOf('keys', options).map(({ id }) => id);
  expect(ids({})).toEqual(['load', 'read', 'write', 'compare']);
  expect(ids({ surplus: 'remove', acl: 'restore' })).toEqual(['load', 'read', 'write', 'remove', 'compare', 'acl']);
});

it('a request with a scope or option that Redis does not have is refused', () => {
  expect(() => requireKnownRequest(request({ scope: { kind: 'table', names: {} } }))).toThrow('not a table');
  expect(() => requireKnownRequest(request({ options: { surplus: 'burn' } }))).toThrow('keep or remove');
  expect(() => selectionOf(request({ scope: { kind: 'pattern', names: {} } }))).toThrow('needs the pattern');
  expect(() => selectionOf(request({ scope: { kind: 'pattern', names: { pattern: 'a', database: '-1' } } }))).toThrow(
    'a number',
  );
});
