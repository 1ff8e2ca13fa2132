import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openS3Store } from '../../../activities/repository/s3-store.ts';
import type { BackupStore, FileToStore } from '../../../activities/repository/store.ts';
import { withScope } from '../../../activities/shared/activity-context.ts';
import { type LocalS3, startS3 } from '../../../local/s3.ts';
import { type Fault, type FaultProxy, startFaultProxy } from '../../support/fault-proxy.ts';
import { contentOf, makeRepository, store, type TestRepository, take } from '../../support/repository.ts';
import { s3Tier } from '../../support/s3.ts';
import { bytesOf, failOnceAt, fileIn } from '../../support/s3-faults.ts';

const MIB = 1024 * 1024;
const BUCKET = 'fault-tests';
const directory = mkdtempSync(join(tmpdir(), 'holdfast-s3-faults-'));
const made: TestRepository[] = [];
let s3: LocalS3;
let proxy: FaultProxy;
let through: BackupStore;

beforeAll(async () => {
  s3 = await startS3({ directory });
  await s3.createBucket(BUCKET);
  proxy = await startFaultProxy(s3.endpoint);
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
const failOnce = (pattern: RegExp, fault: Fault) => failOnceAt(proxy, pattern, fault);

const partsSince = (from: number) => proxy.requests.slice(from).filter((request) => request.includes('partNumber='));

test('faults 1: an upload that was stopped half-way goes on with the parts that are missing', async () => {
  const bytes = randomBytes(27 * MIB);
  const file = fileOf('resumed', bytes);
  const stop = new AbortController();
  const cancelled = new Error('the activity was cancelled');
  const interrupted = withScope({ signal: stop.signal, progress: null }, () =>
    through.createFromFile('resumed/object', file, () => stop.abort(cancelled)),
  );
  await expect(interrupted).rejects.toBe(cancelled);
  const before = proxy.requests.length;
  expect(await through.stat('resumed/object')).toBeNull();
  expect(await through.createFromFile('resumed/object', file, ignore)).toBe('created');
  const sent = partsSince(before).filter((request) => request.startsWith('PUT'));
  expect(sent.length).toBeGreaterThan(0);
  expect(sent.length).toBeLessThan(Math.ceil(27 / 5));
  expect((await bytesOf(through, 'resumed/object')).equals(bytes)).toBe(true);
});

test('a part of other bytes in an unfinished upload is sent again', async () => {
  const stop = new AbortController();
  const other = fileOf('other', randomBytes(27 * MIB));
  const interrupted = withScope({ signal: stop.signal, progress: null }, () =>
    through.createFromFile('mixed/object', other, () => stop.abort(new Error('cancelled'))),
  );
  await expect(interrupted).rejects.toThrow('cancelled');
  const bytes = randomBytes(27 * MIB);
  expect(await through.createFromFile('mixed/object', fileOf('right', bytes), ignore)).toBe('created');
  expect((await bytesOf(through, 'mixed/object')).equals(bytes)).toBe(true);
});

test.each([
  ['a small object', 100, /^PUT/],
  ['the end of an upload in parts', 11 * MIB, /^POST .*uploadId=/],
])('faults 19: when the answer to %s is lost, the repetition finds its own bytes', async (_what, length, pattern) => {
  const bytes = randomBytes(length);
  const name = `lost/${length}`;
  failOnce(pattern, { kind: 'lose-answer' });
  const first = await through.createFromFile(name, fileOf(`lost-${length}`, bytes), ignore);
  expect(['created', 'identical']).toContain(first);
  expect((await bytesOf(through, name)).equals(bytes)).toBe(true);
});

describe('faults 18: an answer of 200 with a short body', () => {
  const OBJECT = /^GET .*dump\.custom/;
  const MANIFEST = /^GET .*b1\/manifest\.json(\?|$)/;
  const ref = { system: 'postgres', backupId: 'b1' } as const;
  const bytes = randomBytes(6 * MIB);

  async function storedThroughProxy(prefix: string): Promise<TestRepository> {
    const repository = makeRepository(() => ({ away: s3Tier(s3, BUCKET, { prefix, endpoint: proxy.endpoint }) }));
    made.push(repository);
    await store(repository, await take(repository, ref, { 'dump.custom': bytes }), ['away']);
    await repository.activities.clearSpool({ backup: ref });
    return repository;
  }

  const askedFor = (pattern: RegExp, from: number) => proxy.requests.slice(from).filter((one) => pattern.test(one));

  test('is read once more, and the second, whole answer counts: of an artifact and of a manifest', async () => {
    const repository = await storedThroughProxy('short-once/');
    for (const pattern of [OBJECT, MANIFEST]) {
      const before = proxy.requests.length;
      failOnce(pattern, { kind: 'short', byBytes: 100 });
      expect((await contentOf(repository, ref, 'dump.custom')).equals(bytes)).toBe(true);
      expect(askedFor(pattern, before).length).toBe(2);
    }
    failOnce(OBJECT, { kind: 'short', byBytes: 100 });
    const findings = await repository.activities.checkStored({ backup: ref, tier: 'away' });
    expect(findings.filter(({ level }) => level !== 'ok')).toEqual([]);
  });

  test('twice of an artifact is ARTIFACT_DAMAGED after exactly two readings, and nothing is given out', async () => {
    const repository = await storedThroughProxy('short-always/');
    const before = proxy.requests.length;
    proxy.setFault((request) => (OBJECT.test(request) ? { kind: 'short', byBytes: 100 } : null));
    const stored = await repository.reader.open(ref);
    const given: Uint8Array[] = [];
    const reading = (async () => {
      for await (const chunk of stored.read('dump.custom')) given.push(chunk);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
    expect(given).toEqual([]);
    // After them it is looked for what was first written under that name: that is another object.
    const readings = askedFor(OBJECT, before).filter((request) => !request.includes('versions='));
    expect(readings).toHaveLength(2);
    const findings = await repository.activities.checkStored({ backup: ref, tier: 'away' });
    expect(findings).toContainEqual(expect.objectContaining({ subject: 'dump.custom', code: 'ARTIFACT_DAMAGED' }));
  });

  test('of a small object is known by its checksum, and no manifest is believed', async () => {
    const repository = await storedThroughProxy('short-manifest/');
    const before = proxy.requests.length;
    proxy.setFault((request) => (MANIFEST.test(request) ? { kind: 'short', byBytes: 1 } : null));
    await expect(repository.reader.open(ref)).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
    // Twice as it is and twice as it was first written, once for the list and once for the backup itself; then it ends.
    expect(askedFor(MANIFEST, before)).toHaveLength(8);
  });

  test('never makes our own object look like that of another writer', async () => {
    const file = fileOf('ours', randomBytes(100));
    await through.createFromFile('short/ours', file, ignore);
    failOnce(/^GET .*short\/ours/, { kind: 'short', byBytes: 10 });
    expect(await through.createFromFile('short/ours', file, ignore)).toBe('identical');
  });
});

describe('faults 21: an upload whose worker was killed while it was being completed', () => {
  const DAY_MS = 86_400_000;
  const COMPLETION = /^POST .*orphan.*uploadId=/;
  const bucket = 'orphan-uploads';
  const file = () => fileOf('orphan', randomBytes(6 * MIB));

  async function killDuringCompletion(toStore: FileToStore): Promise<void> {
    proxy.setFault((request) => (COMPLETION.test(request) ? { kind: 'hold' } : null));
    const tier = JSON.stringify(s3Tier(s3, bucket, { endpoint: proxy.endpoint }));
    const child = join(import.meta.dirname, 'uploading-child.ts');
    const running = spawn(process.execPath, [child, tier, 'orphan/object', JSON.stringify(toStore)]);
    const ended = once(running, 'exit');
    await expect.poll(() => proxy.requests.some((one) => COMPLETION.test(one)), { timeout: 60_000 }).toBe(true);
    running.kill('SIGKILL');
    expect(await ended).toEqual([null, 'SIGKILL']);
    proxy.setFault(() => null);
  }

  /** What the server took as the beginning of the only upload becomes `ageMs` ago. */
  function ageUpload(ageMs: number): void {
    const uploads = join(directory, 'objects', bucket, '.sgwtmp', 'multipart');
    const [object = ''] = readdirSync(uploads);
    const [upload = ''] = readdirSync(join(uploads, object));
    const began = new Date(Date.now() - ageMs);
    utimesSync(join(uploads, object, upload), began, began);
  }

  test('is counted in every report, removed after 7 days and not before, and never is an object', async () => {
    await s3.createBucket(bucket);
    const repository = makeRepository(() => ({ away: s3Tier(s3, bucket) }));
    made.push(repository);
    const reported = async (from: Pick<TestRepository, 'activities'>) =>
      (await from.activities.prepare({ run: 'r' })).findings
        .map(({ message }) => message)
        .filter((message) => message.startsWith('uploads'));
    await killDuringCompletion(file());
    const kept = ['uploads that were never completed: 0 older than 7 days removed, 1 younger left'];
    expect(await reported(repository)).toEqual(kept);
    ageUpload(7 * DAY_MS - 600_000);
    expect(await reported(repository)).toEqual(kept);
    // The store's own clock counts: that of a worker which is a year ahead ends no upload.
    expect(
      await reported(
        repository.again(
          (same) => same,
          () => new Date(Date.now() + 365 * DAY_MS),
        ),
      ),
    ).toEqual(kept);
    ageUpload(7 * DAY_MS + 600_000);
    expect(await reported(repository)).toEqual([
      'uploads that were never completed: 1 older than 7 days removed, 0 younger left',
    ]);
    expect(await reported(repository)).toEqual([]);
    const tier = openS3Store('away', s3Tier(s3, bucket));
    expect(await tier.stat('orphan/object')).toBeNull();
    const again = file();
    expect(await tier.createFromFile('orphan/object', again, ignore)).toBe('created');
    expect((await bytesOf(tier, 'orphan/object')).equals(readFileSync(again.path))).toBe(true);
  });
});

test('faults 67: artifacts of no byte and of one go to a folder and a bucket with a large one, and survive the loss of either', async () => {
  const repository = makeRepository((root) => ({
    local: { kind: 'folder', path: join(root, 'local') },
    away: s3Tier(s3, BUCKET, { prefix: 'whole/' }),
  }));
  made.push(repository);
  const ref = { system: 'postgres', backupId: 'b1' } as const;
  const contents = { 'dump.custom': randomBytes(12 * MIB), 'empty.sql': Buffer.alloc(0), 'one.sql': Buffer.from('x') };
  expect((await repository.activities.prepare({ run: 'r' })).tiers).toMatchObject([
    { createOnly: true },
    { createOnly: true, kind: 's3' },
  ]);
  const summary = await store(repository, await take(repository, ref, contents), ['local', 'away']);
  await repository.activities.clearSpool({ backup: ref });
  for (const tier of ['local', 'away']) {
    for (const [name, content] of Object.entries(contents))
      expect((await contentOf(repository, ref, name, tier)).equals(content)).toBe(true);
    expect(
      (await repository.activities.checkStored({ backup: ref, tier })).filter(({ level }) => level !== 'ok'),
    ).toEqual([]);
    expect(await repository.activities.listBackups({ system: null, tier })).toEqual([summary]);
  }
  rmSync(join(repository.directory, 'local'), { recursive: true });
  expect((await contentOf(repository, ref, 'dump.custom')).equals(contents['dump.custom'])).toBe(true);
});

test('a reader that stops half-way leaves no staged file and does not end the worker', async () => {
  const repository = makeRepository(() => ({ away: s3Tier(s3, BUCKET, { prefix: 'half/' }) }));
  made.push(repository);
  const ref = { system: 'postgres', backupId: 'b1' } as const;
  await store(repository, await take(repository, ref, { 'dump.custom': Buffer.alloc(40 * MIB, 'holdfast') }), ['away']);
  await repository.activities.clearSpool({ backup: ref });
  const stored = await repository.reader.open(ref);
  for await (const chunk of stored.read('dump.custom')) {
    expect(chunk.length).toBeGreaterThan(0);
    break;
  }
  await expect.poll(() => readdirSync(join(repository.directory, 'spool', '.reading'))).toEqual([]);
});
