import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { Repository } from '../../../activities/repository/index.ts';
import type { Configuration } from '../../../domain/configuration/schema.ts';
import type { BackupRef } from '../../../domain/manifest.ts';
import {
  contentOf,
  makeRecipient,
  makeRepository,
  PLATFORM,
  store,
  type TestRepository,
  take,
} from '../../support/repository.ts';

// Every write is flushed to the disk and RSA-4096 is slow, which a busy machine makes slower.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

const TIERS = ['local', 'remote'];
const IDS = ['b1', 'b2', 'b3', 'b4', 'b5'];
const refOf = (backupId: string): BackupRef => ({ system: 'redis', backupId });

// Made once: keys take long.
const keyHome = makeRepository();
afterAll(() => keyHome.remove());
const next = makeRecipient(keyHome.directory, 'next');
const privateOf = (name: string, path: string) => ({ name, key: `\${file:${path}}` });

let repository: TestRepository;
let contents: Map<string, Buffer>;

beforeEach(async () => {
  repository = makeRepository();
  contents = new Map();
  for (const id of IDS) {
    const content = randomBytes(2000);
    contents.set(id, content);
    await store(repository, await take(repository, refOf(id), { 'dump.rdb': content }), TIERS);
  }
});

type Change = (same: Configuration['repository']) => Configuration['repository'];

/** The old recipient is replaced by the next one; the worker holds the private keys that are named. */
const rotatedBy =
  (...held: ('restore' | 'next')[]): Change =>
  (same) => ({
    ...same,
    keys: {
      recipients: [{ name: 'next', publicKey: next.publicKey }],
      kms: [],
      private: held.flatMap((name) => (name === 'next' ? [privateOf('next', next.privateKey)] : same.keys.private)),
    },
  });

async function rotate({ activities }: Repository) {
  const plan = await activities.planKeyRotation({});
  const findings = [];
  let rotated = 0;
  for (let after: number | null = 0; after !== null; ) {
    const done = await activities.rotateKeys({ digest: plan.digest, after, most: 2 });
    after = done.after;
    rotated += done.rotated;
    findings.push(...done.findings);
  }
  return { plan, rotated, findings, removed: await activities.removeRetiredKeys({}) };
}

const opens = async (reader: Repository, id: string) =>
  (await contentOf(reader, refOf(id), 'dump.rdb')).equals(contents.get(id) ?? Buffer.alloc(0));

const keyFiles = (tier: string, id: string) =>
  readdirSync(join(repository.directory, tier, 'backups/redis', id)).filter((name) => name.startsWith('key.'));

test('a rotation lets the new recipient open every backup in every tier, and the old one none', async () => {
  onTestFinished(() => repository.remove());
  const both = repository.again(rotatedBy('restore', 'next'));
  const { plan, rotated, removed, findings } = await rotate(both);
  expect(plan.domains).toMatchObject([
    { domain: 'general', added: [{ name: 'next' }], removed: [{ name: 'restore' }], backups: 5, stale: 5 },
    { domain: 'tls', backups: 0, stale: 0 },
  ]);
  expect({ rotated, removed, findings }).toEqual({ rotated: 5, removed: 10, findings: [] });
  const renewed = repository.again(rotatedBy('next'));
  for (const id of IDS) {
    for (const tier of TIERS) {
      expect(keyFiles(tier, id)).toEqual(['key.2']);
      expect((await contentOf(renewed, refOf(id), 'dump.rdb', tier)).equals(contents.get(id) ?? Buffer.alloc(0))).toBe(
        true,
      );
      const found = await renewed.activities.checkStored({ backup: refOf(id), tier });
      expect(found.filter(({ level }) => level !== 'ok')).toEqual([]);
    }
    const failure = await contentOf(repository, refOf(id), 'dump.rdb').catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'WRONG_KEY', details: { recipients: 'next' } });
  }
  expect((await renewed.activities.showBackup({ backup: refOf('b1') })).openedBy).toMatchObject([{ name: 'next' }]);
  expect(await renewed.activities.reportKeys({})).toMatchObject({ backups: 5, stale: { count: 0 } });
});

test('a second rotation changes nothing', async () => {
  onTestFinished(() => repository.remove());
  const both = repository.again(rotatedBy('restore', 'next'));
  await rotate(both);
  expect(await rotate(both)).toMatchObject({ rotated: 0, removed: 0, findings: [] });
});

test('a rotation is refused where what it wraps could not be opened, and when the recipients are not the approved ones', async () => {
  onTestFinished(() => repository.remove());
  await expect(repository.again(rotatedBy('restore')).activities.planKeyRotation({})).rejects.toMatchObject({
    code: 'WRONG_KEY',
  });
  await expect(repository.again(rotatedBy()).activities.planKeyRotation({})).rejects.toMatchObject({
    code: 'KEY_MISSING',
  });
  const { digest } = await repository.activities.planKeyRotation({});
  const both = repository.again(rotatedBy('restore', 'next'));
  await expect(both.activities.rotateKeys({ digest, after: 0, most: 2 })).rejects.toMatchObject({
    code: 'PLAN_CHANGED',
  });
  for (const id of IDS) expect(await opens(repository, id)).toBe(true);
});

test('a backup whose key cannot be opened is told, and the others are rotated', async () => {
  onTestFinished(() => repository.remove());
  for (const tier of TIERS) rmSync(join(repository.directory, tier, 'backups/redis/b2/key.1'));
  const { rotated, findings } = await rotate(repository.again(rotatedBy('restore', 'next')));
  expect(rotated).toBe(4);
  expect(findings).toMatchObject([{ subject: 'redis/b2', code: 'ARTIFACT_MISSING' }]);
});

test('a key that a stranger left under the next number is never named, and goes', async () => {
  onTestFinished(() => repository.remove());
  writeFileSync(join(repository.directory, 'local/backups/redis/b1/key.2'), 'not ours');
  writeFileSync(join(repository.directory, 'remote/backups/redis/b2/key.2'), 'not ours');
  const [finding] = (await repository.activities.checkStored({ backup: refOf('b1'), tier: 'local' })).filter(
    ({ level }) => level !== 'ok',
  );
  expect(finding).toMatchObject({ level: 'warning', subject: 'key.2' });
  await rotate(repository.again(rotatedBy('restore', 'next')));
  const renewed = repository.again(rotatedBy('next'));
  for (const id of ['b1', 'b2']) {
    for (const tier of TIERS) expect(keyFiles(tier, id)).toEqual(['key.3']);
    expect(await opens(renewed, id)).toBe(true);
  }
});

test('a seal whose answer got lost is repeated after a rotation and does not bring the old key back', async () => {
  onTestFinished(() => repository.remove());
  const taken = await take(repository, refOf('b6'), { 'dump.rdb': randomBytes(100) });
  const copies = [];
  for (const tier of TIERS) copies.push(await repository.activities.copyToTier({ taken, tier }));
  await repository.activities.seal({ taken, copies, run: 'r' });
  await rotate(repository.again(rotatedBy('restore', 'next')));
  await repository.activities.seal({ taken, copies, run: 'r' });
  const renewed = repository.again(rotatedBy('next'));
  expect((await contentOf(renewed, refOf('b6'), 'dump.rdb')).length).toBe(100);
});

test('faults 30: killed at random moments, a rotation leaves every backup openable by the old or the new key', async () => {
  onTestFinished(() => repository.remove());
  const readers = [repository.again(), repository.again(rotatedBy('next'))];
  const configuration = join(repository.directory, 'rotating.json');
  writeFileSync(configuration, JSON.stringify(rotatedBy('restore', 'next')(repository.configuration)), { mode: 0o600 });
  const child = join(import.meta.dirname, 'rotating-child.ts');
  const isRotated = () =>
    IDS.every((id) => TIERS.every((tier) => String(keyFiles(tier, id)) === String(keyFiles(tier, id).slice(-1)))) &&
    IDS.every((id) => !existsSync(join(repository.directory, 'local/backups/redis', id, 'key.1')));
  let kills = 0;
  for (let lifeMs = 0; !isRotated(); lifeMs += 30) {
    const running = spawn(process.execPath, [child, configuration, repository.witnessDirectory, PLATFORM]);
    const ended = once(running, 'exit');
    let words = '';
    running.stderr.on('data', (chunk) => {
      words += chunk;
    });
    // It says when it begins; how long it may live from then on is the random moment.
    await Promise.race([once(running.stdout, 'data'), ended]);
    await Promise.race([wait(lifeMs * 2 * Math.random()), ended]);
    running.kill('SIGKILL');
    const [status] = await ended;
    expect(words.replace(/^.*ExperimentalWarning.*$/gm, '').trim(), `status ${status}`).toBe('');
    kills += status === 0 ? 0 : 1;
    for (const id of IDS) {
      const answers = await Promise.all(readers.map((reader) => opens(reader, id).catch(() => false)));
      expect(answers, `${id} after ${kills} kills`).toContain(true);
    }
  }
  expect(kills).toBeGreaterThan(3);
  for (const id of IDS) expect(await opens(repository.again(rotatedBy('next')), id)).toBe(true);
});
