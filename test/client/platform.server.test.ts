// The whole way of a newcomer with the systems that need no server of their own: init, worker, backup, verify, restore,
// schedules, runs, audit and keys; real Temporal, real workers, a real repository.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import type { KeyReport } from '../../domain/key-rotation.ts';
import type { BackupSummary } from '../../domain/manifest.ts';
import { type RunningTemporal, startTemporal } from '../../local/temporal.ts';
import { dr, type RunningDr, startDr } from './dr.ts';

let directory: string;
let configuration: string;
let temporal: RunningTemporal;
let worker: RunningDr;

const run = (...args: string[]) =>
  dr([...args, '--config', configuration], { env: { TEMPORAL_ADDRESS: temporal.address } });

async function json<T>(...args: string[]): Promise<T> {
  const { stdout, stderr } = await run(...args, '--json');
  try {
    return JSON.parse(stdout) as T;
  } catch {
    throw new Error(`no JSON: ${stdout}${stderr}`);
  }
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-platform-'));
  configuration = join(directory, 'orders/holdfast.yaml');
  await mkdir(join(directory, 'app'));
  await writeFile(join(directory, 'app/.env'), 'MODE=first\nAPI_PASSWORD=canary-secret\n');
  temporal = await startTemporal({ directory: join(directory, 'temporal') });
  await dr(['init', '--directory', join(directory, 'orders'), '--config-root', join(directory, 'app')]);
  await rm(join(directory, 'orders/keys/escrow.key'));
  worker = startDr(['worker', '--config', configuration], { env: { TEMPORAL_ADDRESS: temporal.address } });
  await untilPolled();
});

afterAll(async () => {
  worker?.child.kill('SIGTERM');
  await worker?.ended;
  await temporal?.stop();
  await rm(directory, { recursive: true, force: true });
});

async function untilPolled(): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await wait(500)) {
    const { sections } = await json<{ sections: { findings: { code: string | null }[] }[] }>('doctor');
    if (!sections.some(({ findings }) => findings.some(({ code }) => code === 'NO_WORKER'))) return;
  }
  throw new Error('the worker does not take work');
}

interface KeysShown {
  readonly keys: readonly { readonly name: string; readonly opens: number }[];
  readonly backups: KeyReport;
}

/** Other keys in the configuration, and a worker that has read it. */
async function useKeys(recipients: readonly string[], held: readonly { name: string; key: string }[]): Promise<void> {
  const document = parseDocument(await readFile(configuration, 'utf8'));
  const publicKeys = recipients.map((name) => ({ name, publicKey: join(directory, `orders/keys/${name}.pub`) }));
  document.setIn(['repository', 'keys'], { recipients: publicKeys, private: held });
  await writeFile(configuration, document.toString());
  worker.child.kill('SIGTERM');
  await worker.ended;
  worker = startDr(['worker', '--config', configuration], { env: { TEMPORAL_ADDRESS: temporal.address } });
  await untilPolled();
}

const newest = async (): Promise<BackupSummary> => {
  const [first] = await json<BackupSummary[]>('backups', 'list', 'config');
  if (first === undefined) throw new Error('there is no backup');
  return first;
};

describe('a platform of files', () => {
  it('is backed up, listed with and without Temporal, and shown', async () => {
    const { status, stdout, stderr } = await run('backup', '--all');
    expect(stderr).toContain('configuration (files)');
    expect(stdout).toMatch(/config {2}\d{8}t\d{6}z-files-[0-9a-f]{6} .* stored/);
    expect(status).toBe(0);
    const listed = await run('backups', 'list');
    const alone = await run('backups', 'list', '--without-temporal');
    expect(alone.stdout).toBe(listed.stdout);
    const { backupId } = await newest();
    const shown = await run('backups', 'show', `config/${backupId}`);
    expect(shown.stdout).toMatch(/opened by +restore, escrow/);
    expect(shown.stdout).not.toContain('canary');
  });

  it('tells what changed between two backups with secrets masked', async () => {
    const before = await newest();
    await writeFile(join(directory, 'app/.env'), 'MODE=second\nAPI_PASSWORD=canary-changed\n');
    await run('backup', 'config');
    const after = await newest();
    const { status, stdout } = await run('backups', 'diff', `config/${before.backupId}`, `config/${after.backupId}`);
    expect(stdout).toMatch(/MODE: [0-9a-f]+ -> [0-9a-f]+/);
    expect(stdout).not.toContain('canary');
    expect(status).toBe(0);
  });

  it('is verified by a restore into scratch, and counts as proven from then on', async () => {
    const { status, stdout, stderr } = await run('verify');
    expect(stderr).not.toContain('MEANS');
    expect(stdout).toMatch(/proven/);
    expect(status).toBe(0);
    expect((await newest()).standing).toBe('proven');
  });

  it('gets one file back in the live folder', async () => {
    const kept = await readFile(join(directory, 'app/.env'), 'utf8');
    await writeFile(join(directory, 'app/.env'), 'MODE=broken\n');
    const { status, stderr } = await run('restore', 'config', '--file', '.env', '--confirm', 'orders');
    expect(stderr).toContain('approved');
    expect([0, 3]).toContain(status);
    expect(await readFile(join(directory, 'app/.env'), 'utf8')).toBe(kept);
  });

  it('names a backup or a part that is not there', async () => {
    const { status, stderr } = await run('backups', 'show', 'config/20200101t000000z-files-aaaaaa');
    expect(stderr).toMatch(
      /20200101t000000z-files-aaaaaa[\s\S]*MEANS: there is nothing to work on\nDO: see 'dr backups list'/,
    );
    expect(status).toBe(6);
    const alone = await run('backups', 'show', 'config/20200101t000000z-files-aaaaaa', '--without-temporal');
    expect({ status: alone.status, stderr: alone.stderr }).toEqual({ status: 6, stderr });
  });

  it('holds a backup and releases it', async () => {
    const { backupId } = await newest();
    expect((await run('backups', 'hold', `config/${backupId}`)).status).toBe(2);
    expect((await run('backups', 'hold', `config/${backupId}`, '--reason', 'incident')).status).toBe(0);
    expect((await newest()).held).toBe(true);
    expect((await run('backups', 'release', `config/${backupId}`, '--reason', 'closed')).status).toBe(0);
    expect((await newest()).held).toBe(false);
  });

  it('says which key opens which backup', async () => {
    const { keys, backups } = await json<KeysShown>('keys', 'show', '--backups');
    expect(keys.map(({ name, opens }) => [name, opens])).toEqual([
      ['restore', 2],
      ['escrow', 2],
      ['witness', 0],
    ]);
    expect(backups).toMatchObject({ backups: 2, openedByNone: { count: 0 }, stale: { count: 0 } });
  });

  it('rotates a key: the new one opens every backup, and the old one none', async () => {
    const keys = join(directory, 'orders/keys');
    expect((await run('keys', 'make', 'restore-2', '--directory', keys)).status).toBe(0);
    expect((await run('keys', 'make', 'restore-2', '--directory', keys)).status).toBe(4);
    const fileOf = (name: string) => ({ name, key: `\${file:${keys}/${name}.key}` });
    await useKeys(['restore-2', 'escrow'], [fileOf('restore'), fileOf('restore-2')]);
    const dry = await run('keys', 'rotate', '--dry-run');
    expect(dry.stdout).toMatch(/general +restore-2 \([0-9a-f]{8}\) +restore \([0-9a-f]{8}\) +2 of 2/);
    expect((await run('keys', 'show', '--backups')).stdout).toContain('2 backups can be opened by others');
    expect((await run('keys', 'rotate')).status).toBe(4);
    const rotated = await run('keys', 'rotate', '--confirm', 'orders');
    expect(rotated.stdout).toContain('2 keys rotated and proven, 2 old ones removed');
    expect(rotated.status).toBe(0);
    await rm(join(keys, 'restore.key'));
    await useKeys(['restore-2', 'escrow'], [fileOf('restore-2')]);
    expect((await run('verify')).status).toBe(0);
    expect((await run('keys', 'show', '--backups')).status).toBe(0);
    expect((await run('audit', 'list')).stdout).toMatch(/keys\.rotated/);
    const { backupId } = await newest();
    expect((await run('backups', 'show', `config/${backupId}`)).stdout).toMatch(/opened by +restore-2, escrow/);
  });

  it('plans retention, applies it only when confirmed, and keeps what is young', async () => {
    const planned = await run('retention', 'plan');
    expect(planned.stdout).toContain('0 copies of 2 may go');
    const unconfirmed = await run('retention', 'apply');
    expect(unconfirmed.stderr).toMatch(
      /^0 copies of 2 may go\ndeleting was not confirmed\nMEANS: nothing was changed\n/,
    );
    expect(unconfirmed.status).toBe(4);
    expect((await run('retention', 'apply', '--confirm', 'orders')).status).toBe(0);
    expect(await json<unknown[]>('backups', 'list')).toHaveLength(2);
  });

  it('keeps an audit log that names who did what, and checks it', async () => {
    const { stdout } = await run('audit', 'list');
    expect(stdout).toMatch(/@.*backup\.held.*incident/);
    expect((await run('audit', 'verify')).status).toBe(0);
    expect((await run('audit', 'verify', '--without-temporal')).status).toBe(0);
  });

  it('lists its runs', async () => {
    await expect
      .poll(async () => (await json<{ id: string }[]>('runs', 'list')).map(({ id }) => id), { timeout: 10_000 })
      .toContain('backup/orders/config/files');
  });
});

describe('its schedules', () => {
  const ids = ['dr/orders/config/files', 'dr/orders/presence', 'dr/orders/retention', 'dr/orders/verify'];

  it('are made once, stay paused through a change, and tell what differs', async () => {
    const missing = await run('schedule', 'list');
    expect(missing.status).toBe(3);
    expect(missing.stdout).toContain('missing');
    const acts = async () =>
      (await json<{ schedules: { id: string; act: string }[] }>('schedule', 'apply')).schedules.map(({ id, act }) => [
        id,
        act,
      ]);
    expect((await acts()).sort()).toEqual(ids.map((id) => [id, 'created']));
    expect((await acts()).sort()).toEqual(ids.map((id) => [id, 'unchanged']));
    expect((await run('schedule', 'pause', 'config/files', '--reason', 'maintenance')).status).toBe(0);
    const text = await readFile(configuration, 'utf8');
    await writeFile(configuration, `${text}schedules: { config: { every: 12h } }\n`);
    expect((await run('schedule', 'list')).stdout).toMatch(/config\/files +1d .*changed/);
    expect(Object.fromEntries(await acts())).toMatchObject({ 'dr/orders/config/files': 'updated' });
    const listed = await run('schedule', 'list');
    expect(listed.stdout).toMatch(/config\/files +12h .*paused: maintenance/);
    expect(listed.status).toBe(0);
  });

  it('run when they are triggered, and are not found by a wrong name', async () => {
    const before = (await json<unknown[]>('backups', 'list')).length;
    expect((await run('schedule', 'resume', 'config/files')).status).toBe(0);
    expect((await run('schedule', 'trigger', 'config/files')).status).toBe(0);
    await expect
      .poll(async () => (await json<unknown[]>('backups', 'list')).length, { timeout: 40_000, interval: 500 })
      .toBe(before + 1);
    expect((await run('schedule', 'trigger', 'redis/rdb')).status).toBe(6);
  });
});
