// A real platform in which something is made wrong, and the same eyes on it before and after: what is stored, what waits
// and what lives.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import { FAILURES, type FailureCode } from '../../domain/failures.ts';
import type { SystemName } from '../../domain/systems.ts';
import { type Checksums, differences, siteChecksums } from '../../local/checksums.ts';
import { loadDataset } from '../../local/dataset.ts';
import type { ConfigurationInput } from '../../local/platform.ts';
import { contentsBelow, type Harness, startHarness } from '../integration/harness.ts';
import { type DrEnd, dr } from './dr.ts';

export let harness: Harness;
let live: Checksums;
let stored: readonly string[];

/** A place of the platform. */
export const below = (part: string) => join(harness.platform.directory, part);
/** Runs `dr` to its end, for data. */
export const run = (...args: string[]): Promise<DrEnd> =>
  dr([...args, '--config', harness.platform.configurationFile, '--json']);

/** Starts everything, takes a backup of all and looks at what is there. */
export async function startWrongPlatform(): Promise<void> {
  harness = await startHarness();
  await loadDataset(harness.platform.site.access, { scale: 0.02, seed: 1 });
  await harness.startWorker();
  // What Redis itself forgets of a consumer group at a restart is forgotten before anything is compared.
  await command(serviceOf('redis').stop);
  await command(serviceOf('redis').start);
  const { status, stdout } = await run('backup', '--all');
  expect(status, stdout).toBe(0);
  live = await siteChecksums(harness.platform.site);
  await acceptStored();
}

/** From here on what is stored now is what must not change. */
export async function acceptStored(): Promise<void> {
  stored = await storedObjects();
}

/** The live stores are as they were in the beginning. */
export async function expectLiveUntouched(): Promise<void> {
  expect(differences(live, await siteChecksums(harness.platform.site))).toEqual([]);
}

/** Names and sizes of everything that backups consist of, in both tiers. */
async function storedObjects(): Promise<readonly string[]> {
  const files = [...(await contentsBelow(below('repository'))), ...(await contentsBelow(below('s3/objects')))];
  return files
    .filter(({ file }) => /\/(backups|checkpoints)\//.test(file))
    .map(({ file, bytes }) => `${file} ${bytes.length}`)
    .sort();
}

/** Nothing was lost, nothing is half done: stores, tiers, spool, work folder and processes are as they were. */
export async function expectUntouched(): Promise<void> {
  await expect.poll(() => harness.leftovers(), { timeout: 30_000, interval: 200 }).toEqual([]);
  await expectStoredUntouched();
  await expectLiveUntouched();
}

/** Both tiers hold what they held. */
export async function expectStoredUntouched(): Promise<void> {
  expect(await storedObjects()).toEqual(stored);
}

/** The command ends with this failure: its code, its exit status and three lines that hold no gap. */
export async function expectTold(ended: Promise<DrEnd>, code: FailureCode, what: RegExp): Promise<string> {
  const { status, stdout, stderr } = await ended;
  const { error } = JSON.parse(stdout) as { error: { code: string; exit: number; message: string } };
  expect({ code: error.code, message: error.message }, stderr).toEqual({ code, message: expect.stringMatching(what) });
  expect(error.message).toMatch(/^[^\n]+(\n[^\n]+)*\nMEANS: [^\n]+\nDO: [^\n]+$/);
  expect(error.message.split('DO: ')[1]).not.toMatch(/\{\w+\}/);
  expect({ status, exit: error.exit }).toEqual({ status: FAILURES[code].exit, exit: FAILURES[code].exit });
  return error.message;
}

/** How a store is stopped and started. */
export const serviceOf = (system: 'postgres' | 'redis' | 'rabbitmq') =>
  siteOf(harness.platform.configuration)[system]?.service as { readonly stop: string[]; readonly start: string[] };

/** Runs a program of the machine. */
export const command = ([program = '', ...args]: readonly string[]) => promisify(execFile)(program, args);

/** Takes another backup, which is then a part of what must not change. */
export async function backUpAgain(system: SystemName): Promise<void> {
  const { status, stdout } = await run('backup', system);
  expect([0, 3], stdout).toContain(status);
  await acceptStored();
}

type Change = (configuration: ConfigurationInput) => void;

/** Writes the configuration with a change and restarts the worker with it, until the test ends. */
export async function withConfiguration(
  change: Change,
  whileStopped = async () => undefined as unknown,
): Promise<void> {
  const changed = structuredClone(harness.platform.configuration);
  change(changed);
  await harness.endWorker('SIGTERM');
  await whileStopped();
  await write(changed);
  onTestFinished(async () => {
    await harness.endWorker('SIGTERM');
    await write(harness.platform.configuration);
    await harness.startWorker();
  });
  await harness.startWorker();
}

const write = (configuration: ConfigurationInput) =>
  writeFile(harness.platform.configurationFile, stringify(configuration, { aliasDuplicateObjects: false }));

/** The site in a configuration. */
export const siteOf = ({ sites }: ConfigurationInput) =>
  sites[harness.platform.site.name] as ConfigurationInput['sites'][''];
