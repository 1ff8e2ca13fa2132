// `dr agent` as a supervisor starts it, at two sites of a real Redis each. What a site sees of the witness is a link that
// can be cut, as a mount goes away.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { EpochStore } from '../../activities/failover/epoch-store.ts';
import { createFailover } from '../../activities/failover/index.ts';
import { parseConfiguration } from '../../domain/configuration/parse.ts';
import type { Configuration } from '../../domain/configuration/schema.ts';
import type { FailoverActivities } from '../../domain/contracts/failover.ts';
import { failoverRecordName } from '../../domain/failover-record.ts';
import { listens } from '../../local/listens.ts';
import { type LocalRedis, startRedis } from '../../local/redis.ts';
import { DR, dr } from '../client/dr.ts';
import { EXAMPLE } from '../domain/configuration/example.ts';

const run = promisify(execFile);
const PATIENT = { timeout: 60_000, interval: 50 };
const SITES = ['west', 'east'] as const;
type Site = (typeof SITES)[number];

let directory: string;
const stores: Partial<Record<Site, LocalRedis>> = {};
let world: string;
let worlds = 0;
const agents = new Set<Agent>();

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-agent-'));
  await chmod(directory, 0o755);
  for (const site of SITES) {
    await mkdir(join(directory, site));
    stores[site] = await startRedis({ directory: join(directory, site) });
  }
});
afterAll(async () => {
  await Promise.all(SITES.map((site) => stores[site]?.stop()));
  await rm(directory, { recursive: true, force: true });
});
beforeEach(async () => {
  world = join(directory, `world-${worlds++}`);
  await mkdir(join(world, 'witness'), { recursive: true });
  await mkdir(join(world, 'elsewhere'));
  await Promise.all(SITES.map((site) => service(site, 'stop')));
  for (const site of SITES) await mend(site);
});
afterEach(async () => {
  for (const agent of agents) await kill(agent);
});

const service = (site: Site, act: 'stop' | 'start') => {
  const [program = '', ...args] = stores[site]?.configuration.service?.[act] ?? [];
  return run(program, args);
};
const seenFrom = (site: Site) => join(world, `seen-from-${site}`);

/** The site sees nothing of the witness, or an empty folder where it was mounted. */
async function cut(site: Site, to = join(world, 'nowhere')): Promise<void> {
  await rm(seenFrom(site), { force: true });
  await symlink(to, seenFrom(site));
}
const mend = (site: Site) => cut(site, world);

async function configured(lease = false): Promise<{ readonly file: string; readonly acts: FailoverActivities }> {
  const siteOf = (site: Site) => ({
    workDirectory: join(world, `work-${site}`),
    redis: stores[site]?.configuration,
    fence: { commands: [stores[site]?.configuration.service?.stop] },
    agent: {
      start: [stores[site]?.configuration.service?.start],
      ...{ every: '100ms', witnessDirectory: join(seenFrom(site), 'witness') },
      ...(lease
        ? { lease: { length: '2s', stores: ['witness', 'elsewhere'].map((one) => join(seenFrom(site), one)) } }
        : {}),
    },
  });
  const sites = { west: siteOf('west'), east: siteOf('east') };
  const text = stringify(
    { ...parse(EXAMPLE), witness: { directory: join(world, 'witness') }, sites },
    { aliasDuplicateObjects: false },
  );
  const file = join(world, 'holdfast.yaml');
  await writeFile(file, text);
  const { configuration, problems } = parseConfiguration(text);
  expect(problems.filter(({ level }) => level === 'error')).toEqual([]);
  return { file, acts: createFailover({ configuration: configuration as Configuration }) };
}

/** What the witness's worker does when it starts. */
const establish = () =>
  new EpochStore({
    ...{ platform: 'orders', activeSite: 'west', witnessDirectory: join(world, 'witness'), now: () => new Date() },
  }).establish();

interface Agent {
  readonly child: ChildProcess;
  readonly lines: readonly string[];
  readonly gone: Promise<void>;
}

function start(file: string, site: Site): Agent {
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, [DR, 'agent', '--site', site, '--config', file], {
    env: { PATH, HOME: '/nonexistent' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const lines: string[] = [];
  createInterface(child.stderr).on('line', (line) => void lines.push(line));
  const agent = { child, lines, gone: new Promise<void>((resolve) => child.once('close', () => resolve())) };
  agents.add(agent);
  return agent;
}

async function kill(agent: Agent): Promise<void> {
  agent.child.kill('SIGKILL');
  await agent.gone;
  agents.delete(agent);
}

const serves = (site: Site): Promise<boolean> => listens(stores[site]?.port ?? 0);
const writers = async () => {
  const open = await Promise.all(SITES.map(serves));
  return SITES.filter((_, index) => open[index]);
};
const writersAre = (...sites: Site[]) => expect.poll(writers, PATIENT).toEqual(sites);
const said = (agent: Agent, words: string) =>
  expect.poll(() => agent.lines.some((line) => line.includes(words)), PATIENT).toBe(true);
const reported = (site: Site) =>
  readFile(join(world, 'witness', 'agents', `${site}.json`), 'utf8').then(JSON.parse, () => null);
const isReported = (site: Site, services: string) =>
  expect.poll(async () => (await reported(site))?.services, PATIENT).toBe(services);

const take = ({ takeEpoch }: FailoverActivities, after: number, from: Site, to: Site) =>
  takeEpoch({
    ...{ after, from, to, run: `${from}-${after}`, person: 'anna' },
    intent: after === 0 ? 'failover' : 'failback',
  });

/** A failover writes its account when it has opened the new site. */
async function opened(epoch: number): Promise<void> {
  const ledger = join(world, 'witness', 'ledger');
  await mkdir(ledger, { recursive: true });
  await writeFile(join(ledger, failoverRecordName(epoch)), '{}');
}

test('faults 51: the old primary comes back after a failover, and its agent stops it and never starts it, until it is given back', async () => {
  const { file, acts } = await configured();
  await establish();
  const west = start(file, 'west');
  start(file, 'east');
  await writersAre('west');
  await isReported('east', 'untouched');
  await kill(west);
  await service('west', 'stop'); // West is gone, with its machine.
  await take(acts, 0, 'west', 'east');
  expect(await acts.fence({ site: 'west', epoch: 1 })).toMatchObject([{ store: 'redis', state: 'refused' }]);
  expect(await writers()).toEqual([]);
  await opened(1);
  await writersAre('east');
  await service('west', 'start'); // The machine is back, and something else than the agent starts its store.
  expect(await writers()).toEqual(['west', 'east']);
  const again = start(file, 'west');
  await isReported('west', 'fenced');
  expect(await writers()).toEqual(['east']);
  await expect(take(acts, 0, 'east', 'west')).rejects.toMatchObject({ code: 'EPOCH_TAKEN' });
  await kill(again);
  const third = start(file, 'west');
  await said(third, '"services":"fenced"');
  expect(await writers()).toEqual(['east']);
  await take(acts, 1, 'east', 'west');
  await acts.fence({ site: 'east', epoch: 2 });
  await isReported('east', 'fenced');
  await opened(2);
  await writersAre('west');
});

test('faults 52: without a lease a site that sees no witness goes on, and one that has not started stays off', async () => {
  const { file } = await configured();
  await establish();
  const west = start(file, 'west');
  await writersAre('west');
  await isReported('west', 'started');
  await cut('west');
  await said(west, 'what runs goes on, for there is no lease');
  expect(await writers()).toEqual(['west']);
  await kill(west);
  await service('west', 'stop');
  await cut('west', join(world, 'elsewhere')); // The mount point is there, and empty.
  const again = start(file, 'west');
  await said(again, 'nothing is started');
  expect(await writers()).toEqual([]);
  await mend('west');
  await writersAre('west');
});

test('faults 52: with a lease a site stops when it reaches neither store for so long, and is started when the witness says so', async () => {
  const { file } = await configured(true);
  await establish();
  const west = start(file, 'west');
  await writersAre('west');
  await rename(join(world, 'witness'), join(world, 'away'));
  await said(west, 'the lease lasts for another');
  // Elsewhere is reached still: without the other store the lease goes on for longer than its length.
  const cutAt = Date.now();
  await expect.poll(async () => (await leaseAt('elsewhere')) - cutAt, PATIENT).toBeGreaterThan(4000);
  expect(await writers()).toEqual(['west']);
  await cut('west');
  await writersAre();
  await said(west, 'no store of the lease was reached for its whole length');
  await rename(join(world, 'away'), join(world, 'witness'));
  await mend('west');
  await writersAre('west');
});

const leaseAt = async (store: string): Promise<number> =>
  Date.parse(JSON.parse(await readFile(join(world, store, 'lease-west.json'), 'utf8')).at);

test('dr agent wants to be told its site, and what it is to start there', async () => {
  const { file } = await configured();
  const unnamed = await dr(['agent', '--config', file]);
  expect([unnamed.status, unnamed.stderr]).toEqual([2, expect.stringContaining('DO: name it with --site')]);
});
