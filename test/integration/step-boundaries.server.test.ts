// faults 3: after every activity of a run a victim dies and the answer is lost: worker, Temporal server, child process or
// store, in turn. Whatever was done is found done, and each run ends as if nothing had happened.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BackupSummary } from '../../domain/manifest.ts';
import { SYSTEM_NAMES, SYSTEMS, type SystemName } from '../../domain/systems.ts';
import { loadDataset } from '../../local/dataset.ts';
import { type Director, startDirector } from './director.ts';
import { type Harness, startHarness } from './harness.ts';
import { seed, strikesOn, tellStrikes } from './strikes.ts';

let harness: Harness;
let director: Director;
let number = 0;
const allStrikes: string[] = [];

beforeAll(async () => {
  process.stdout.write(`step boundaries: seed ${seed} (repeat with HOLDFAST_SEED=${seed})\n`);
  director = await startDirector();
  harness = await startHarness({ directorUrl: director.url });
  await loadDataset(harness.platform.site.access, { scale: 0.01, seed: 1 });
  await harness.startWorker();
});
afterEach(() => director.direct());
afterAll(async () => {
  process.stdout.write(tellStrikes(allStrikes));
  await harness?.close();
  await director?.close();
});

const run = async (type: string, input: object) => {
  number += 1;
  const handle = await harness.start(type, `${type}-${number}`, { scheduled: true, ...input });
  return handle.result();
};

/** Runs with a strike after every activity that `isWanted`, and says which strikes there were when something is wrong. */
async function struck(type: string, input: object, isWanted: (activity: string) => boolean = () => true) {
  const strikes = strikesOn(harness, { isWanted });
  director.direct(strikes.decide);
  const result = await run(type, input).catch((cause) => {
    throw new Error(`${type} failed; strikes: ${strikes.told.join('; ')}`, { cause });
  });
  expect(director.errors).toEqual([]);
  expect(strikes.missed()).toEqual([]);
  expect(strikes.told.length).toBeGreaterThan(0);
  allStrikes.push(...strikes.told);
  director.direct();
  return { result, told: strikes.told };
}

async function listed(): Promise<readonly BackupSummary[]> {
  return run('ask', { question: { kind: 'listBackups', system: null, tier: null } });
}

// What every system's run does alike is struck in one run of all, a different one for each activity and seed.
const isShareOf = (system: SystemName) => (activity: string) => {
  if (activity.startsWith(`${system}.`)) return true;
  const mixed = [...activity].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), seed) % SYSTEM_NAMES.length;
  return SYSTEM_NAMES[mixed] === system;
};

describe('faults 3: a run that is struck after every step', { timeout: 600_000 }, () => {
  it.each(SYSTEM_NAMES)('stores exactly one whole backup of %s', async (system) => {
    const before = await listed();
    const kind = SYSTEMS[system].defaultKinds[0] ?? '';
    const { result, told } = await struck('backUpSystem', { system, kind }, isShareOf(system));
    const now = await listed();
    expect(now.length - before.length, told.join('; ')).toBe(1);
    expect(now.map(({ backupId }) => backupId)).toContain(result.backup.backupId);
    await expectNothingLeft();
  });

  it('verifies and proves a backup once', async () => {
    const system = SYSTEM_NAMES[seed % SYSTEM_NAMES.length] as SystemName;
    const { backupId = '' } = (await listed()).find((one) => one.system === system) ?? {};
    const input = { systems: [], maximumAgeSeconds: {}, depth: 'proof', backup: { system, backupId }, all: false };
    const { result } = await struck('verifyBackups', input);
    expect(result.verdict).toBe('passed');
    const proven = (await listed()).filter(({ standing }) => standing === 'proven');
    expect(proven.map((one) => one.backupId)).toEqual([backupId]);
    await expectNothingLeft();
  });

  it('holds a backup once, and releases it', async () => {
    const [{ system, backupId } = { system: 'tls', backupId: '' }] = await listed();
    const change = { backup: { system, backupId }, reason: 'audit' };
    await struck('changeHold', { ...change, hold: true });
    const isHeld = async () => (await listed()).find((one) => one.backupId === backupId)?.held;
    expect(await isHeld()).toBe(true);
    await struck('changeHold', { ...change, hold: false });
    expect(await isHeld()).toBe(false);
  });

  it('applies retention to the whole platform and takes nothing that is to stay', async () => {
    const before = (await listed()).map(({ backupId }) => backupId);
    await struck('applyRetention', { dryRun: false });
    expect((await listed()).map(({ backupId }) => backupId)).toEqual(before);
  });

  it('leaves an audit log in which each act of a run stands once', async () => {
    const findings = await run('ask', { question: { kind: 'verifyAudit' } });
    expect(findings.filter(({ level }: { level: string }) => level !== 'ok')).toEqual([]);
    const entries: { run: string; act: string }[] = await run('ask', { question: { kind: 'listAudit', newest: 500 } });
    const acts = entries.map(({ run: of, act }) => `${of} ${act}`);
    expect(acts.length).toBeGreaterThan(SYSTEM_NAMES.length);
    expect(acts).toEqual([...new Set(acts)]);
  });
});

async function expectNothingLeft(): Promise<void> {
  await expect.poll(() => harness.leftovers(), { timeout: 60_000, interval: 500 }).toEqual([]);
}
