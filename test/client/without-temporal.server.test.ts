// A failover whose Temporal dies while it restores, on real stores of two sites: it is finished from its journal.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { wireFailureOf } from '../../domain/wire-failure.ts';
import { type Checksums, differences, siteChecksums, siteDifferences } from '../../local/checksums.ts';
import { loadDataset } from '../../local/dataset.ts';
import { makePeople } from '../../local/people.ts';
import { type RunningPlatform, startPlatform } from '../../local/platform.ts';
import { descendantsOf } from '../../local/processes.ts';
import type { RunningSite } from '../../local/site.ts';
import { type FailOverResult, runState } from '../../workflows/messages.ts';
import { dr, type RunningDr, startDr } from './dr.ts';

const RUN = 'failover/demo';
const CONTINUE = ['failover', 'continue', RUN, '--without-temporal'];

let keys: string;
let platform: RunningPlatform;
let east: RunningSite;
let worker: RunningDr;
let asBackedUp: Checksums;

const env = () => ({ HOLDFAST_CONFIG: platform.configurationFile });
const call = (...words: string[]) => dr(words, { env: env() });
const startWorker = () =>
  startDr(['worker', ...['control', 'site.west', 'site.east'].flatMap((queue) => ['--queue', queue])], { env: env() });

beforeAll(async () => {
  keys = await mkdtemp(join(tmpdir(), 'holdfast-people-'));
  const approvers = (await makePeople(keys, ['anna', 'ben'])).map(({ name, publicKey }) => ({ name, publicKey }));
  platform = await startPlatform({ site: 'west', standby: 'east', approvers });
  east = platform.standby as RunningSite;
  await loadDataset(platform.site.access, { scale: 0.01, seed: 6 });
  worker = startWorker();
  asBackedUp = await siteChecksums(platform.site);
  await vi.waitFor(backedUp, { timeout: 120_000 });
  await platform.site.stop();
}, 300_000);
afterAll(async () => {
  await kill(worker);
  await platform?.remove();
  await rm(keys, { recursive: true, force: true });
});

// Refused while no worker is there.
async function backedUp(): Promise<void> {
  const { status, stderr } = await call('backup', '--all');
  expect([0, 3], stderr).toContain(status);
}

// The command starts the worker's process as its child.
async function kill(running: RunningDr | undefined): Promise<void> {
  const { pid, exitCode, signalCode } = running?.child ?? {};
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  for (const one of [...descendantsOf(pid), pid]) process.kill(one, 'SIGKILL');
  await running?.ended;
}

async function handleOf(connection: Connection): Promise<WorkflowHandle> {
  return new Client({ connection }).workflow.getHandle(RUN);
}

const journal = async () => {
  const folder = join(platform.directory, 'witness/journal');
  const [run = ''] = await readdir(folder);
  return join(folder, run);
};

/** Steps of restores that have ended. */
async function restored(): Promise<number> {
  const steps = join(await journal(), 'steps');
  const names = (await readdir(steps)).filter((name) => name.endsWith('.ended.json'));
  const begun = names.map((name) => readFile(join(steps, name.replace('.ended.', '.begun.')), 'utf8'));
  return (await Promise.all(begun)).filter((text) => text.includes('.runRestoreStep"')).length;
}

async function approved(): Promise<void> {
  const connection = await Connection.connect({ address: platform.temporal.address });
  const handle = await handleOf(connection);
  const question = async () => (await handle.query(runState)).questions[0]?.step;
  await expect.poll(question, { timeout: 120_000 }).toBe('approve');
  for (const person of ['anna', 'ben']) {
    const key = ['--key', join(keys, `${person}.pem`), '--confirm', platform.name];
    expect((await call('approve', RUN, '--as', person, ...key)).status).toBe(0);
  }
  await connection.close();
}

describe('faults 6: Temporal and its workers die while a failover restores', () => {
  it('is finished from its journal, and a Temporal that comes back stops', { timeout: 400_000 }, async () => {
    const running = startDr(['failover', 'run', '--to', 'east', '--unproven'], { env: env() });
    await approved();
    expect((await call(...CONTINUE, '--confirm', platform.name, '--json')).stdout).toContain('TEMPORAL_ALIVE');
    await expect.poll(restored, { timeout: 120_000, interval: 20 }).toBeGreaterThan(2);
    await Promise.all([platform.ownTemporal?.stop('SIGKILL'), kill(worker), kill(running)]);

    const told = await call('runs', 'list');
    expect(told.status).toBe(7);
    expect(told.stderr).toContain(`dr ${CONTINUE.join(' ')}`);
    const unconfirmed = await call(...CONTINUE);
    expect(unconfirmed.status, unconfirmed.stderr).toBe(4);

    const { status, stdout, stderr } = await call(...CONTINUE, '--confirm', platform.name, '--json');
    expect([0, 3], stdout + stderr).toContain(status);
    const { plan, record, report } = JSON.parse(stdout) as FailOverResult;
    expect(plan).toMatchObject({ from: 'west', to: 'east', epoch: { now: 0, next: 1 } });
    expect(record).toMatchObject({ epoch: 1, run: `${RUN}/${(await journal()).split('/').at(-1)}` });
    expect(report.facts).toMatchObject({ approvedBy: 'anna, ben' });
    expect(siteDifferences(asBackedUp, await siteChecksums(east))).toEqual([]);
    expect((await call('runs', 'list')).stderr).not.toContain('--without-temporal\n');

    const before = await siteChecksums(east);
    await platform.ownTemporal?.start();
    worker = startWorker();
    const connection = await Connection.connect({ address: platform.temporal.address });
    const error = await (await handleOf(connection)).result().catch((failure: unknown) => failure);
    await connection.close();
    expect(wireFailureOf(error).code).toBe('TAKEN_OVER');
    expect(differences(before, await siteChecksums(east))).toEqual([]);
    expect(
      (await readdir(join(platform.directory, 'witness/epochs'))).filter((name) => name.startsWith('epoch-')),
    ).toEqual(['epoch-000001.json']);
  });
});
