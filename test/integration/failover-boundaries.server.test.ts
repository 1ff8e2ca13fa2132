// faults 3, 4: a failover loses its worker, its Temporal server or a child process (Terraform's, the fence's) after every
// step, and ends as an undisturbed one does. What restores do to stores is struck in live-step-boundaries: here one
// system's restore is, another one for each seed.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { failoverWorkflowId } from '../../domain/run-names.ts';
import type { OperatorQuestion } from '../../domain/run-state.ts';
import { SYSTEM_NAMES, SYSTEMS } from '../../domain/systems.ts';
import { type Checksums, siteChecksums, siteDifferences } from '../../local/checksums.ts';
import { loadDataset } from '../../local/dataset.ts';
import { makePassage } from '../../local/folders.ts';
import { listens } from '../../local/listens.ts';
import { makePeople, type Person } from '../../local/people.ts';
import { findTerraform } from '../../local/programs.ts';
import { type LocalRoute53, startRoute53 } from '../../local/route53.ts';
import type { RunningSite } from '../../local/site.ts';
import { type FailOverResult, resolveStep, runState } from '../../workflows/messages.ts';
import { dr } from '../client/dr.ts';
import { withPublicName } from '../support/zone-settings.ts';
import { type Director, startDirector } from './director.ts';
import { type Harness, startHarness } from './harness.ts';
import { seed, strikesOn, tellStrikes, VICTIMS } from './strikes.ts';

const ZONE = 'orders.example';
const APP = `app.${ZONE}`;
const ADDRESSES = { west: '127.0.10.1', east: '127.0.20.1' };
const STORES = fileURLToPath(new URL('../../local/stores.ts', import.meta.url));
const STRUCK = SYSTEM_NAMES[seed % SYSTEM_NAMES.length] ?? '';
/** What is done once more to a store that was restarted is refused: that is tested where restores are. */
const FALLING = VICTIMS.filter((victim) => victim !== 'store');

let folder: string;
let director: Director;
let harness: Harness;
let zone: LocalRoute53;
let people: readonly Person[];
let west: RunningSite;
let east: RunningSite;
let asBackedUp: Checksums;

beforeAll(async () => {
  process.stdout.write(`failover boundaries: seed ${seed} (repeat with HOLDFAST_SEED=${seed})\n`);
  folder = await mkdtemp(join(tmpdir(), 'holdfast-boundaries-'));
  await makePassage(folder);
  people = await makePeople(join(folder, 'people'), ['anna', 'ben']);
  director = await startDirector();
  const approvers = people.map(({ name, publicKey }) => ({ name, publicKey }));
  harness = await startHarness({ directorUrl: director.url, site: 'west', standby: 'east', approvers });
  [west, east] = [harness.platform.site, harness.platform.standby as RunningSite];
  zone = await startRoute53({
    zoneName: ZONE,
    records: [{ name: `${APP}.`, type: 'A', ttl: 1, values: [ADDRESSES.west] }],
  });
  await configure();
  await loadDataset(west.access, { scale: 0.01, seed: 1 });
  await harness.startWorker();
  const systems = SYSTEM_NAMES.map((system) => ({ system, kinds: SYSTEMS[system].defaultKinds.slice(0, 1) }));
  await (await harness.start('backUpPlatform', 'backup', { scheduled: true, systems, applyRetention: false })).result();
  asBackedUp = await siteChecksums(west);
});
afterAll(async () => {
  await harness?.close();
  await zone?.close();
  await director?.close();
  await rm(folder, { recursive: true, force: true });
});

const MAIN = `
terraform {
  required_version = ">= 1.11"
  backend "s3" {}
}
variable "trace" { type = string }
resource "terraform_data" "gateway" {
  count = 2
  provisioner "local-exec" {
    command     = "printf '%s\\\\n' \\"$NAME\\" >> \\"$TRACE\\""
    environment = { NAME = count.index, TRACE = var.trace }
  }
}
`;

/** West is fenced by stopping its stores; east's gateway is made by Terraform; a public name points at west. */
async function configure(): Promise<void> {
  const { platform } = harness;
  const own = async (name: string, text: string) => {
    await writeFile(join(folder, name), text, { mode: 0o600 });
    return `\${file:${join(folder, name)}}`;
  };
  await makePassage(join(folder, 'terraform'));
  await writeFile(join(folder, 'terraform/main.tf'), MAIN);
  await platform.s3.createBucket('terraform');
  const terraform = {
    ...{ directory: join(folder, 'terraform'), program: findTerraform(), variables: { trace: join(folder, 'trace') } },
    backend: {
      ...{ kind: 's3' as const, bucket: 'terraform', key: 'east.tfstate', endpoint: platform.s3.endpoint },
      accessKeyId: await own('access', platform.s3.accessKeyId),
      secretAccessKey: await own('secret', platform.s3.secretAccessKey),
    },
  };
  const stop = [process.execPath, STORES, 'stop', platform.configurationFile, 'west'];
  const sites = {
    west: { ...west.configuration, fence: { commands: [stop] } },
    east: { ...east.configuration, terraform },
  };
  const name = { zone, zoneName: ZONE, name: APP, addresses: ADDRESSES, folder };
  const configuration = await withPublicName({ ...platform.configuration, sites }, name);
  await writeFile(platform.configurationFile, stringify(configuration, { aliasDuplicateObjects: false }));
}

/** @throws when both sites could take writes: a store of west listens while something is put into place at east. */
async function requireOneWriter(activity: string): Promise<void> {
  const ports = [west.postgres.port, west.redis.port, west.rabbitmq.amqpPort];
  const open = await Promise.all(ports.map((port) => listens(port)));
  if (open.some(Boolean)) throw new Error(`at ${activity} west still listens: ${open}`);
}

const isOfRestores = (activity: string) => SYSTEM_NAMES.some((system) => activity.startsWith(`${system}.`));
const isWanted = (activity: string) => !isOfRestores(activity) || activity.startsWith(`${STRUCK}.`);

/** Answers what a person would, until the run has ended. @returns the questions that no undisturbed run asks. */
async function carryThrough(handle: WorkflowHandle): Promise<readonly string[]> {
  const unexpected: string[] = [];
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  handle.result().then(over, over);
  const answered = async () => {
    const state = await handle.query(runState).catch(() => null); // No worker, or no server, at this moment.
    const [question] = state?.questions ?? [];
    if (question && !isOver) await answer(handle, question, unexpected).catch(() => undefined); // Asked again.
    return isOver;
  };
  await expect.poll(answered, { timeout: 500_000, interval: 250 }).toBe(true);
  return unexpected;
}

async function answer(handle: WorkflowHandle, question: OperatorQuestion, unexpected: string[]): Promise<void> {
  const { configurationFile, name } = harness.platform;
  if (question.step === 'approve') {
    for (const { name: person, privateKey } of people) {
      const words = ['approve', handle.workflowId, '--as', person, '--key', privateKey, '--confirm', name];
      await dr(words, { env: { HOLDFAST_CONFIG: configurationFile } });
    }
    return;
  }
  // A Terraform that was killed leaves its lock; the question names it, and nobody takes it away unasked.
  const lock = /--input unlock=(\S+)/.exec(question.message)?.[1];
  if (lock === undefined) unexpected.push(`${question.step}: ${question.message}`);
  const input = lock === undefined ? {} : { input: { unlock: lock } };
  const decision = { step: question.step, action: 'retry', reason: 'its cause is gone', ...input } as const;
  await handle.executeUpdate(resolveStep, { args: [decision] });
}

describe('faults 3: a failover that is struck after every step', () => {
  it('ends as if nothing had happened, with one writer at every moment', { timeout: 600_000 }, async () => {
    const strikes = strikesOn(harness, { isWanted, victims: FALLING, site: east });
    director.direct(async (boundary) => {
      if (/runRestoreStep/.test(boundary.activity)) await requireOneWriter(boundary.activity);
      return strikes.decide(boundary);
    });
    const handle = await harness.start('failOver', failoverWorkflowId(harness.platform.name), {
      ...{ site: 'east', scheduled: false, systems: SYSTEM_NAMES, at: null, unproven: true, kinds: {}, options: {} },
      ...{ dryRun: false, movesNames: true, provisions: true, protect: [] },
    });
    const unexpected = await carryThrough(handle);
    process.stdout.write(tellStrikes(strikes.told));
    const told = strikes.told.join('; ');
    const { report, record, findings } = (await handle.result()) as FailOverResult;
    expect([report.outcome, unexpected, findings.filter(({ level }) => level === 'failed')], told).toEqual([
      'succeeded',
      [],
      [],
    ]);
    expect(director.errors).toEqual([]);
    expect(strikes.missed()).toEqual([]);
    expect(strikes.told.length).toBeGreaterThan(20);
    expect(record).toMatchObject({ epoch: 1, from: 'west', to: 'east' });
  });

  it('leaves at the new site exactly what was backed up, one epoch, one account and one record of each act', async () => {
    expect(siteDifferences(asBackedUp, await siteChecksums(east))).toEqual([]);
    const witness = join(harness.platform.directory, 'witness');
    const records = async (of: string) =>
      (await readdir(join(witness, of))).filter((name) => /\d\.json$/.test(name)).sort();
    expect([await records('epochs'), await records('ledger')]).toEqual([
      ['epoch-000001.json', 'fence-000001.json'],
      ['failover-000001.json'],
    ]);
    // Terraform makes each of its two resources once, however often it was killed; one it did not know of is made again.
    const made = (await readFile(join(folder, 'trace'), 'utf8')).trim().split('\n');
    expect([...new Set(made)].sort()).toEqual(['0', '1']);
    await expect.poll(() => harness.leftovers(), { timeout: 60_000, interval: 500 }).toEqual([]);
  });
});
