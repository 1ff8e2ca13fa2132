// The whole platform from one recovery set, through `dr`, on real stores: everything back in order, or everything as it
// was before.
import { execFile } from 'node:child_process';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BackupSummary } from '../../domain/manifest.ts';
import type { PlatformStatus } from '../../domain/status/platform.ts';
import { SYSTEM_NAMES } from '../../domain/systems.ts';
import { type Checksums, differences, siteChecksums } from '../../local/checksums.ts';
import { withDatabase } from '../../local/dataset/postgres-data.ts';
import { withRedis } from '../../local/dataset/redis-data.ts';
import { loadDataset } from '../../local/dataset.ts';
import { LOSSES } from '../../local/demo/losses.ts';
import { type Product, startProduct } from '../../local/demo/product.ts';
import { type RunningPlatform, startPlatform } from '../../local/platform.ts';
import { type RecoverPlatformResult, runState } from '../../workflows/messages.ts';
import { dr } from './dr.ts';

const run = promisify(execFile);
const RUN = 'recover/demo';

let platform: RunningPlatform;
let product: Product;
let connection: Connection;
let asBackedUp: Checksums;

const call = (...words: string[]) => dr(words, { env: { HOLDFAST_CONFIG: platform.configurationFile } });
const recover = (...words: string[]) => call('recover', '--json', ...words);

beforeAll(async () => {
  platform = await startPlatform({});
  await loadDataset(platform.site.access, { scale: 0.01, seed: 1 });
  product = await startProduct(platform);
  connection = await Connection.connect({ address: platform.temporal.address });
  asBackedUp = await siteChecksums(platform.site);
  await product.dr(['backup', '--all']);
});
afterAll(async () => {
  await connection?.close();
  await product?.stop();
  await platform?.remove();
});

async function heldBackups(): Promise<string[]> {
  const { stdout } = await call('backups', 'list', '--json');
  return (JSON.parse(stdout) as BackupSummary[]).filter(({ held }) => held).map(({ backupId }) => backupId);
}

async function loseEverything(): Promise<void> {
  for (const { destroy } of LOSSES) await destroy(platform.site);
}

describe('dr recover', () => {
  it('takes nothing that was never proven, and says what is not', { timeout: 120_000 }, async () => {
    const { status, stdout } = await recover('--dry-run');
    expect(status).toBe(6);
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'BACKUP_NOT_FOUND' });
    expect(stdout).toContain('no proven backup of postgres, redis, rabbitmq, config, tls');
  });

  it('shows the set, its spread and the order, and changes nothing in a dry run', { timeout: 240_000 }, async () => {
    await loseEverything();
    const lost = await siteChecksums(platform.site);
    const { status, stdout } = await recover('--unproven', '--dry-run');
    expect(status, stdout).toBe(0);
    const { plan } = JSON.parse(stdout) as RecoverPlatformResult;
    expect(plan.stages).toEqual([['postgres', 'redis'], ['rabbitmq'], ['config', 'tls']]);
    expect(plan.set.members.map(({ system }) => system)).toEqual(SYSTEM_NAMES);
    expect(plan.set.spreadSeconds).toBeGreaterThan(0);
    expect(differences(lost, await siteChecksums(platform.site))).toEqual([]);
  });

  it('takes a store for another one when it is told so, and refuses one that is not the one named', {
    timeout: 240_000,
  }, async () => {
    const { status, stdout } = await recover('redis', '--unproven', '--dry-run', '--target', 'redis=another');
    expect(status).toBe(4);
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'TARGET_MISMATCH' });
    expect(stdout).toContain("the restore is for 'another'");
    expect((await recover('--target', 'redis', '--dry-run')).status).toBe(2);
  });

  it('carries out nothing without the name of the platform', { timeout: 240_000 }, async () => {
    const lost = await siteChecksums(platform.site);
    const { status } = await recover('--unproven');
    expect(status).toBe(4);
    await expect.poll(() => outcomeOf(RUN), { timeout: 60_000 }).not.toBe('RUNNING');
    expect(differences(lost, await siteChecksums(platform.site))).toEqual([]);
    expect(await heldBackups()).toEqual([]);
  });

  it('brings every system back as it was, in one run', { timeout: 400_000 }, async () => {
    const { status, stdout } = await recover('--unproven', '--confirm', platform.name);
    expect([0, 3], stdout).toContain(status);
    expect(differences(asBackedUp, await siteChecksums(platform.site))).toEqual([]);
    const { report } = JSON.parse(stdout) as RecoverPlatformResult;
    const order = report.steps.filter(({ id }) => (SYSTEM_NAMES as readonly string[]).includes(id));
    const endOf = (id: string) => order.find((step) => step.id === id)?.endedAt ?? '';
    expect(endOf('rabbitmq') > endOf('postgres') && endOf('config') > endOf('rabbitmq')).toBe(true);
    expect(await heldBackups()).toEqual([]);
  });

  it('faults 45: undoes the systems that were restored when a later one is given up', {
    timeout: 400_000,
  }, async () => {
    await changeEverything();
    const changed = await siteChecksums(platform.site);
    const file = join(platform.site.configDirectory, 'gateway/limits.conf');
    await makeStubborn(file, true);
    try {
      const recovering = recover('--unproven', '--confirm', platform.name);
      const step = await openQuestion();
      expect(step).toMatch(/^config\//);
      expect(differences(changed, await siteChecksums(platform.site))).not.toEqual([]); // Others are restored by now.
      await call('runs', 'abort', RUN, step, '--reason', 'not tonight', '--confirm', platform.name);
      const { status, stdout } = await recovering;
      expect(status, stdout).toBe(12);
    } finally {
      await makeStubborn(file, false);
    }
    expect(differences(changed, await siteChecksums(platform.site))).toEqual([]);
    expect(await heldBackups()).toEqual([]);
  });

  it('proves the set in scratch without touching what is live', { timeout: 400_000 }, async () => {
    const before = await siteChecksums(platform.site);
    const { status, stdout } = await recover('--unproven', '--test');
    expect([0, 3], stdout).toContain(status);
    expect(differences(before, await siteChecksums(platform.site))).toEqual([]);
    await measuredBy((JSON.parse(stdout) as RecoverPlatformResult).report.seconds);
  });
});

/** What `dr status` measures the RTO by is what this recovery took, up to the end that it told the audit log. */
async function measuredBy(seconds: number): Promise<void> {
  const { objectives } = JSON.parse((await call('status', '--json')).stdout) as PlatformStatus;
  const rto = objectives.filter(({ objective }) => objective === 'RTO');
  expect(rto.map(({ what, standing }) => [what, standing])).toEqual(
    [...SYSTEM_NAMES, 'platform'].map((what) => [
      what,
      expect.stringMatching(what === 'postgres' ? /met|unknown/ : /met/),
    ]),
  );
  const platformRto = rto.at(-1)?.measuredSeconds ?? Number.NaN;
  expect(platformRto).toBeGreaterThan(seconds / 2);
  expect(platformRto).toBeLessThanOrEqual(seconds);
}

async function changeEverything(): Promise<void> {
  const { access, configDirectory } = platform.site;
  await withDatabase(access.postgres, 'billing', async (client) => void (await client.query('delete from app.orders')));
  await withRedis(access.redis, async (redis) => void (await redis.set('written:later', '1')));
  await appendFile(join(configDirectory, 'gateway/limits.conf'), 'burst = 1\n');
  await writeFile(join(configDirectory, 'orchestrator/.env'), 'CHANGED=1\n');
}

// Nobody may replace a file that is immutable, not even root.
async function makeStubborn(file: string, isStubborn: boolean): Promise<void> {
  await run('chattr', [isStubborn ? '+i' : '-i', file]);
}

async function openQuestion(): Promise<string> {
  const handle = new Client({ connection }).workflow.getHandle(RUN);
  const open = async () => (await handle.query(runState)).questions.find(({ step }) => step !== 'approve')?.step;
  await expect.poll(open, { timeout: 200_000, interval: 200 }).toBeDefined();
  return (await open()) ?? '';
}

async function outcomeOf(id: string): Promise<string> {
  return (await new Client({ connection }).workflow.getHandle(id).describe()).status.name;
}
