// Storage that fails a run of the real command on a real platform: disks that are full, copies that are damaged, missing
// or forged. Each ends in three lines with its code and its exit status, and nothing is lost or half done.
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { FailureCode } from '../../domain/failures.ts';
import type { BackupSummary } from '../../domain/manifest.ts';
import { SYSTEM_NAMES } from '../../domain/systems.ts';
import { runState } from '../../workflows/messages.ts';
import { startDr } from './dr.ts';
import {
  below,
  command,
  expectLiveUntouched,
  expectTold,
  expectUntouched,
  harness,
  run,
  siteOf,
  startWrongPlatform,
} from './wrong-platform.ts';

vi.setConfig({ testTimeout: 400_000 });
beforeAll(startWrongPlatform, 400_000);
afterAll(() => harness.close());

/** A small file system over a folder, until `work` is done; `mode` is the folder's own. */
async function withFullDisk<T>(folder: string, size: string, work: () => Promise<T>): Promise<T> {
  const mode = ((await stat(folder)).mode & 0o7777).toString(8);
  await command(['mount', '-t', 'tmpfs', '-o', `size=${size},mode=${mode}`, 'tmpfs', folder]);
  try {
    return await work();
  } finally {
    await command(['umount', '--lazy', folder]);
  }
}

/** Like `withFullDisk`, and nothing is left on it. */
const onFullDisk = (folder: string, size: string, work: () => Promise<unknown>) =>
  withFullDisk(folder, size, async () => {
    await work();
    expect(await filesOf(folder)).toEqual([]);
  });

const filesOf = async (folder: string) =>
  (await readdir(folder, { recursive: true, withFileTypes: true })).filter((one) => !one.isDirectory());

describe('a full disk', () => {
  const workFolder = () => siteOf(harness.platform.configuration).workDirectory;

  it.each(SYSTEM_NAMES)('faults 11: ends a backup of %s, and leaves nothing on it', async (system) => {
    await onFullDisk(below('spool'), '8k', () => expectTold(run('backup', system), 'NO_SPACE', /./));
    await expectUntouched();
  });

  it.each(SYSTEM_NAMES)('faults 12: ends a test restore of %s, and leaves nothing on it', async (system) => {
    await onFullDisk(workFolder(), '16k', () => expectTold(run('restore', system, '--test'), 'NO_SPACE', /./));
    await expectUntouched();
  });

  it('faults 12: that runs full in the middle ends a test restore of RabbitMQ too, whose broker only stands still', async () => {
    await onFullDisk(workFolder(), '40m', async () => {
      const ended = run('restore', 'rabbitmq', '--test');
      await expect.poll(() => filesOf(workFolder()), { timeout: 60_000, interval: 50 }).not.toEqual([]);
      await writeFile(join(workFolder(), 'filler'), Buffer.alloc(39 * 1024 ** 2)).catch(ignoreFull);
      await expectTold(ended, 'NO_SPACE', /the disk ran full|needs about/);
      await rm(join(workFolder(), 'filler'));
    });
    await expectUntouched();
  });

  it('faults 12: makes a live restore wait before it changes anything, and it goes on once there is room', async () => {
    const file = join(harness.platform.site.configDirectory, 'gateway/limits.conf');
    const text = await readFile(file, 'utf8');
    await writeFile(file, 'lost = yes\n');
    const restore = await withFullDisk(workFolder(), '16k', async () => {
      const waiting = startDr([
        'restore',
        'config',
        '--confirm',
        'demo',
        '--config',
        harness.platform.configurationFile,
      ]);
      await expect.poll(waitingWith, { timeout: 60_000, interval: 200 }).toMatchObject({ code: 'NO_SPACE' });
      expect(await readFile(file, 'utf8')).toBe('lost = yes\n');
      return waiting;
    });
    const { step } = (await waitingWith()) ?? { step: 'none' };
    expect((await run('runs', 'retry', 'restore/demo/config', step, '--reason', 'there is room')).status).toBe(0);
    const { status, stderr } = await restore.ended;
    expect([0, 3], stderr).toContain(status);
    expect(await readFile(file, 'utf8')).toBe(text);
    await expectUntouched();
  });
});

function ignoreFull(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOSPC') throw error;
}

/** The question that the restore of the configuration waits with, beside that for the plan. */
async function waitingWith(): Promise<{ readonly step: string; readonly code: string | null } | undefined> {
  const { questions } = await harness.client.workflow.getHandle('restore/demo/config').query(runState);
  return questions.find(({ step }) => step !== 'approve');
}

/** Both copies of a file of the newest backup of the configuration; what `change` does to them is mended at the end. */
async function withDamage(name: string, change: (bytes: Buffer) => Buffer | null, tiers = ['repository', BUCKET]) {
  const newest = JSON.parse((await run('backups', 'list', 'config')).stdout)[0] as BackupSummary;
  for (const tier of tiers) {
    const path = below(`${tier}/backups/config/${newest.backupId}/${name}`);
    const bytes = await readFile(path);
    onTestFinished(() => writeFile(path, bytes, { mode: 0o600 }));
    const changed = change(Buffer.from(bytes));
    await (changed === null ? rm(path) : writeFile(path, changed));
  }
}

const BUCKET = 's3/objects/holdfast-backups';

function flipped(bytes: Buffer): Buffer {
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
  return bytes;
}

describe('a backup that is not what was stored', () => {
  const expectRefused = async (code: FailureCode, what: RegExp) => {
    await expectTold(run('restore', 'config', '--test'), code, what);
    await expectLiveUntouched();
    expect(await harness.leftovers()).toEqual([]);
  };

  it('faults 22: is restored from the other tier when one copy is damaged, and told by a verification', async () => {
    await withDamage('files.tar', flipped, ['repository']);
    const { status, stdout } = await run('restore', 'config', '--test');
    expect([0, 3], stdout).toContain(status);
    await expectTold(run('verify', 'config', '--depth', 'stored'), 'VERIFICATION_FAILED', /config\/.* is not good/);
    await expectTold(run('restore', 'config', '--test', '--tier', 'local'), 'ARTIFACT_DAMAGED', /files\.tar/);
  });

  it('faults 22: is refused when every copy is damaged, also by a live restore, which can be aborted', async () => {
    await withDamage('files.tar', flipped);
    await expectRefused('ARTIFACT_DAMAGED', /files\.tar/);
    const file = join(harness.platform.site.configDirectory, 'gateway/limits.conf');
    const text = await readFile(file, 'utf8');
    onTestFinished(() => writeFile(file, text));
    await writeFile(file, 'lost = yes\n');
    const restore = startDr(['restore', 'config', '--confirm', 'demo', '--config', harness.platform.configurationFile]);
    await expect.poll(waitingWith, { timeout: 60_000, interval: 200 }).toMatchObject({ code: 'ARTIFACT_DAMAGED' });
    const { step } = (await waitingWith()) ?? { step: 'none' };
    const abort = ['runs', 'abort', 'restore/demo/config', step, '--reason', 'damaged', '--confirm', 'demo'];
    expect((await run(...abort)).status).toBe(0);
    expect((await restore.ended).status).toBe(12);
    expect(await readFile(file, 'utf8')).toBe('lost = yes\n');
    expect(await harness.leftovers()).toEqual([]);
  });

  it('is refused when a file of it is missing', async () => {
    await withDamage('inventory.jsonl', () => null);
    await expectRefused('ARTIFACT_MISSING', /inventory\.jsonl/);
  });

  it('faults 27: is refused when its manifest was forged', async () => {
    await withDamage('manifest.json', (bytes) => Buffer.from(bytes.toString().replace('"site":"one"', '"site":"two"')));
    await expectRefused('MANIFEST_UNTRUSTED', /manifest/);
  });
});
