// A bucket whose answers fail, break off or leave things out, and a store that must make nothing worse of it.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openS3Store } from '../../../activities/repository/s3-store.ts';
import type { BackupStore } from '../../../activities/repository/store.ts';
import { openTiers } from '../../../activities/repository/tiers.ts';
import { type LocalS3, startS3 } from '../../../local/s3.ts';
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy.ts';
import { makeRepository, store, type TestRepository, take } from '../../support/repository.ts';
import { s3Tier } from '../../support/s3.ts';
import { bytesOf, failOnceAt, fileIn } from '../../support/s3-faults.ts';

const MIB = 1024 * 1024;
const BUCKET = 'storm-tests';
const directory = mkdtempSync(join(tmpdir(), 'holdfast-s3-storms-'));
const made: TestRepository[] = [];
let s3: LocalS3;
let proxy: FaultProxy;
let through: BackupStore;

beforeAll(async () => {
  s3 = await startS3({ directory });
  await s3.createBucket(BUCKET);
  proxy = await startFaultProxy(s3.endpoint);
});
// A budget of retries that one test has used up is not that of the next one.
beforeEach(() => {
  through = openS3Store('away', s3Tier(s3, BUCKET, { endpoint: proxy.endpoint }));
});
afterEach(() => {
  proxy.setFault(() => null);
  for (const repository of made.splice(0)) repository.remove();
});
afterAll(async () => {
  await proxy.close();
  await s3.stop();
  rmSync(directory, { recursive: true, force: true });
});

const ignore = () => undefined;
const fileOf = (name: string, bytes: Uint8Array) => fileIn(directory, name, bytes);

test('faults 16: a store that says 503 for a moment is asked again', async () => {
  let refused = 0;
  proxy.setFault(() => (refused++ < 2 ? { kind: 'unavailable' } : null));
  expect(await through.create('busy/object', Buffer.from('x'))).toBe('created');
});

test('faults 16: a store that says 503 for ever is unreachable after bounded tries', async () => {
  const before = proxy.requests.length;
  proxy.setFault(() => ({ kind: 'unavailable' }));
  await expect(through.create('down/object', Buffer.from('x'))).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
  expect(proxy.requests.length - before).toBeLessThanOrEqual(5);
});

test('faults 16: tiers of one region share one budget of retries, so that a storm there is not made worse', async () => {
  const tierOf = (prefix: string) => s3Tier(s3, BUCKET, { prefix, endpoint: proxy.endpoint });
  const [one, other] = openTiers({ one: tierOf('one/'), other: tierOf('other/') });
  if (!one || !other) throw new Error('two tiers');
  const requestsFor = (prefix: string) => proxy.requests.filter((request) => request.includes(`/${prefix}/`)).length;
  proxy.setFault(() => ({ kind: 'unavailable' }));
  const storm = Array.from({ length: 40 }, (_, index) => one.create(`${index}`, Buffer.from('x')));
  const outcomes = await Promise.allSettled(storm);
  expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
  expect(requestsFor('one')).toBeLessThan(40 * 5);
  await expect(other.create('late', Buffer.from('x'))).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
  expect(requestsFor('other')).toBe(1);
});

test('faults 17: a part whose connection is reset is sent again, and no other', async () => {
  const bytes = randomBytes(11 * MIB);
  failOnceAt(proxy, /^PUT .*reset.*partNumber=2/, { kind: 'reset', afterBytes: MIB });
  const before = proxy.requests.length;
  expect(await through.createFromFile('reset/object', fileOf('reset', bytes), ignore)).toBe('created');
  const numbers = proxy.requests
    .slice(before)
    .filter((request) => request.includes('partNumber='))
    .map((request) => /partNumber=(\d+)/.exec(request)?.[1]);
  expect(numbers.toSorted()).toEqual(['1', '2', '2', '3']);
  expect((await bytesOf(through, 'reset/object')).equals(bytes)).toBe(true);
});

test('faults 17: a reading that is cut does not go on in another object that took the place of the first', async () => {
  const [first, second] = [randomBytes(6 * MIB), randomBytes(6 * MIB)];
  const direct = openS3Store('away', s3Tier(s3, BUCKET));
  await direct.createFromFile('spliced/object', fileOf('first', first), ignore);
  failOnceAt(proxy, /^GET .*spliced/, { kind: 'cut', afterBytes: 500_000 });
  const given: Uint8Array[] = [];
  const reading = (async () => {
    for await (const chunk of through.read('spliced/object')) {
      if (given.length === 0) {
        await direct.remove('spliced/object');
        await direct.createFromFile('spliced/object', fileOf('second', second), ignore);
      }
      given.push(chunk);
    }
  })();
  await expect(reading).rejects.toMatchObject({
    code: 'ARTIFACT_DAMAGED',
    message: expect.stringContaining('was replaced while it was read'),
  });
  const bytes = Buffer.concat(given);
  expect(bytes.equals(first.subarray(0, bytes.length))).toBe(true);
});

test('faults 17: a reading that is cut goes on at the next byte of the same object', async () => {
  const bytes = randomBytes(6 * MIB);
  await through.createFromFile('cut/object', fileOf('cut', bytes), ignore);
  let cuts = 0;
  proxy.setFault((request) => (request.startsWith('GET') && cuts++ < 8 ? { kind: 'cut', afterBytes: 500_000 } : null));
  expect((await bytesOf(through, 'cut/object')).equals(bytes)).toBe(true);
  expect(cuts).toBeGreaterThan(8);
});

describe('faults 20: a listing of 200 that is', () => {
  // What is listed: everything, the checkpoints too, or the backups that the newest checkpoint names.
  const LISTS = { everything: /^GET .*list-type=2/, 'the backups': /^GET .*list-type=2.*%2Fbackups%2F/ };
  const ref = (backupId: string) => ({ system: 'redis', backupId }) as const;
  const entries = /<Contents>.*?<\/Contents>/gs;
  const keeping = (text: string, isKept: (index: number) => boolean): string => {
    const kept = (text.match(entries) ?? []).filter((_, index) => isKept(index));
    const rest = text.replaceAll(entries, '').replace(/<KeyCount>\d+/, `<KeyCount>${kept.length}`);
    return rest.replace('</ListBucketResult>', `${kept.join('')}</ListBucketResult>`);
  };
  const earlier = new Map<string, string>();
  const LISTINGS: Readonly<Record<string, (request: string, text: string) => string>> = {
    empty: (_, text) => keeping(text, () => false),
    'without every second object': (_, text) => keeping(text, (index) => index % 2 === 0),
    'as it was before the last backup': (request, text) => earlier.get(request) ?? keeping(text, () => false),
  };

  const CASES = Object.entries(LISTS).flatMap(([of, lists]) =>
    Object.entries(LISTINGS).map(([what, listing]) => [what, of, lists, listing] as const),
  );

  test.each(CASES)(
    '%s, of %s, is an error, expiry refuses, and nothing is deleted',
    async (what, of, lists, listing) => {
      const prefix = `list-${of}-${what}/`.replaceAll(' ', '-');
      const repository = makeRepository(() => ({ away: s3Tier(s3, BUCKET, { prefix, endpoint: proxy.endpoint }) }));
      made.push(repository);
      const { activities } = repository;
      const rewriting = (body: (request: string, text: string) => string) =>
        proxy.setFault((request) =>
          lists.test(request) ? { kind: 'rewrite', body: (text) => body(request, text) } : null,
        );
      await store(repository, await take(repository, ref('b1'), { 'dump.rdb': Buffer.from('1') }), ['away']);
      rewriting((request, text) => {
        earlier.set(request, text);
        return text;
      });
      await activities.listBackups({ system: null, tier: null });
      const good = await activities.planRetention({ run: 'r' });
      expect(good.refusals).toEqual([]);
      proxy.setFault(() => null);
      await store(repository, await take(repository, ref('b2'), { 'dump.rdb': Buffer.from('2') }), ['away']);
      const before = readdirSync(join(directory, 'objects', BUCKET, prefix), { recursive: true }).length;
      rewriting(listing);
      const failure = await activities.listBackups({ system: null, tier: null }).catch((error: unknown) => error);
      expect(['LISTING_INCOMPLETE', 'CHECKPOINT_MISMATCH']).toContain((failure as { code?: string }).code);
      const plan = await activities.planRetention({ run: 'r' });
      expect(plan).toMatchObject({
        decisions: [],
        refusals: [expect.stringMatching(/LISTING_INCOMPLETE|CHECKPOINT_MISMATCH/)],
      });
      for (const phase of ['withdraw', 'delete'] as const)
        await expect(activities.applyRetention({ plan: good, phase })).rejects.toMatchObject({
          code: 'RETENTION_REFUSED',
        });
      proxy.setFault(() => null);
      expect(readdirSync(join(directory, 'objects', BUCKET, prefix), { recursive: true }).length).toBe(before);
      expect(await activities.listBackups({ system: null, tier: null })).toHaveLength(2);
    },
  );
});
