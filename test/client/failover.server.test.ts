// A site dies and another takes over, through `dr`, on real stores of two sites.
import { Resolver } from 'node:dns/promises';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { FailoverBrief } from '../../domain/failover-brief.ts';
import type { BackupSummary } from '../../domain/manifest.ts';
import { type Checksums, differences, siteChecksums, siteDifferences } from '../../local/checksums.ts';
import { loadDataset } from '../../local/dataset.ts';
import { type Product, startProduct } from '../../local/demo/product.ts';
import { makePeople } from '../../local/people.ts';
import { type RunningPlatform, startPlatform } from '../../local/platform.ts';
import { type LocalRoute53, startRoute53 } from '../../local/route53.ts';
import type { RunningSite } from '../../local/site.ts';
import { type FailOverResult, runState } from '../../workflows/messages.ts';
import { withPublicName } from '../support/zone-settings.ts';
import { dr, type RunningDr, startDr } from './dr.ts';

const RUN = 'failover/demo';
const ZONE = 'orders.example';
const APP = `app.${ZONE}`;
const [WEST, EAST] = ['127.0.10.1', '127.0.20.1'] as const;
const PEOPLE = ['anna', 'ben', 'eve'] as const;

let keys: string;
let platform: RunningPlatform;
let east: RunningSite;
let west: Product;
let eastWorker: RunningDr;
let witness: RunningDr;
let zone: LocalRoute53;
let connection: Connection;
let asBackedUp: Checksums;
let hook: Server;
/** What the channel of the platform was told. */
const heard: { readonly type: string; readonly data: { readonly facts: Readonly<Record<string, string>> } }[] = [];
const told = (type: string) => heard.filter((one) => one.type === type).map(({ data }) => data.facts);

const seenFromEast = () => join(keys, 'holdfast.yaml');
const env = () => ({ HOLDFAST_CONFIG: platform.configurationFile });
const now = (name: string) => {
  const resolver = new Resolver();
  resolver.setServers(zone.nameServers.map(({ address }) => address));
  return resolver.resolve4(name);
};
const call = (...words: string[]) => dr(words, { env: env() });
const keyOf = (person: string) => join(keys, `${person}.pem`);
const approve = (person: string, key = person) =>
  call('approve', RUN, '--as', person, '--key', keyOf(key), '--confirm', platform.name, '--json');

beforeAll(async () => {
  keys = await mkdtemp(join(tmpdir(), 'holdfast-people-'));
  const people = await makePeople(keys, PEOPLE);
  const approvers = people.flatMap(({ name, publicKey }) => (name === 'eve' ? [] : [{ name, publicKey }]));
  platform = await startPlatform({ site: 'west', standby: 'east', approvers });
  east = platform.standby as RunningSite;
  zone = await startRoute53({ zoneName: ZONE, records: [{ name: `${APP}.`, type: 'A', ttl: 1, values: [WEST] }] });
  hook = createServer(async (request, response) => {
    heard.push((await json(request)) as (typeof heard)[number]);
    response.end();
  });
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
  await addZone();
  await loadDataset(platform.site.access, { scale: 0.01, seed: 1 });
  connection = await Connection.connect({ address: platform.temporal.address });
  west = await startProduct(platform);
  eastWorker = startDr(['worker', '--queue', 'control', '--queue', 'site.east'], {
    env: { HOLDFAST_CONFIG: seenFromEast() },
  });
  asBackedUp = await siteChecksums(platform.site);
  await west.dr(['backup', '--all']);
});
afterAll(async () => {
  eastWorker?.child.kill('SIGTERM');
  await eastWorker?.ended;
  witness?.child.kill('SIGTERM');
  await witness?.ended;
  await connection?.close();
  hook?.closeAllConnections();
  hook?.close();
  await west?.stop();
  await zone?.close();
  await platform?.remove();
  await rm(keys, { recursive: true, force: true });
});

async function addZone(): Promise<void> {
  const addresses = { west: WEST, east: EAST };
  const name = { zone, zoneName: ZONE, name: APP, addresses, folder: keys };
  const secret = join(keys, 'hook');
  await writeFile(secret, 'a secret of the receiver', { mode: 0o600 });
  const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`;
  const probes = [{ check: 'redis', host: '127.0.0.1', port: platform.site.access.redis.port }];
  const configuration = {
    ...(await withPublicName(platform.configuration, name)),
    witness: { ...platform.configuration.witness, probes, every: '500ms' },
    notifications: [{ kind: 'webhook', name: 'ops', url, secret: `\${file:${secret}}` }],
  };
  const text = (one: unknown) => stringify(one, { aliasDuplicateObjects: false });
  await writeFile(platform.configurationFile, text(configuration));
  // Seen from east, one store of west can be neither reached nor refused: nothing is ever connected to this address.
  const { west: dying } = configuration.sites;
  const silent = { ...dying, redis: { ...dying?.redis, host: '255.255.255.255' } };
  await writeFile(seenFromEast(), text({ ...configuration, sites: { ...configuration.sites, west: silent } }));
}

const question = async () => {
  const { questions } = await new Client({ connection }).workflow.getHandle(RUN).query(runState);
  return `${questions[0]?.step} ${questions[0]?.code}`;
};
const statusOf = (step: string) => async () => {
  const { steps } = await new Client({ connection }).workflow.getHandle(RUN).query(runState);
  return steps.find(({ id }) => id === step)?.status;
};
/** It dies with all that it has in memory, and comes back with its database. */
async function killTemporal(): Promise<void> {
  await platform.ownTemporal?.stop('SIGKILL');
  await platform.ownTemporal?.start();
}
const asked = (step: string) => expect.poll(question, { timeout: 120_000 }).toBe(step);
const epochs = async () =>
  (await readdir(join(platform.directory, 'witness/epochs'))).filter((name) => name.startsWith('epoch-')).sort();

describe('dr failover', () => {
  it('shows what is lost if it is done now, and changes nothing', { timeout: 240_000 }, async () => {
    const before = await siteChecksums(east);
    const { status, stdout } = await call('failover', 'plan', '--to', 'east', '--unproven', '--json');
    expect(status, stdout).toBe(0);
    const { plan, brief } = JSON.parse(stdout) as FailOverResult & { readonly brief: FailoverBrief };
    expect(brief.next).toBe('dr failover run --to east --unproven');
    expect(brief.measuredBy).toContain('never measured: a restore of postgres ');
    expect(plan).toMatchObject({ from: 'west', to: 'east', epoch: { now: 0, next: 1 }, approvals: 2 });
    expect(Object.keys(plan.lossSeconds)).toEqual(['postgres', 'redis', 'rabbitmq', 'config', 'tls']);
    expect(Math.min(...Object.values(plan.lossSeconds))).toBeGreaterThan(0);
    expect(differences(before, await siteChecksums(east))).toEqual([]);
  });

  it('faults 50: stops before it restores while the old site still serves, and takes the epoch back', {
    timeout: 240_000,
  }, async () => {
    const before = await siteChecksums(east);
    const running = startDr(['failover', 'run', '--to', 'east', '--unproven', '--json'], { env: env() });
    await asked('approve null');
    const beside = await call('failover', 'plan', '--to', 'east', '--unproven', '--json');
    expect([beside.status, JSON.parse(beside.stdout).error.code], beside.stdout).toEqual([5, 'LOCKED']);
    for (const person of ['anna', 'ben']) expect((await approve(person)).status).toBe(0);
    await asked('fence FENCE_OPEN');
    await call('runs', 'retry', RUN, 'fence', '--reason', 'to see it refused again');
    const abort = () => call('runs', 'abort', RUN, 'fence', '--reason', 'west is alive', '--confirm', platform.name);
    await expect.poll(async () => (await abort()).status, { timeout: 60_000 }).toBe(0);
    const { status, stdout } = await running.ended;
    expect(status, stdout).toBe(12);
    expect(await epochs()).toEqual(['epoch-000001.json', 'epoch-000002.json']);
    expect(differences(before, await siteChecksums(east))).toEqual([]);
    expect(differences(asBackedUp, await siteChecksums(platform.site))).toEqual([]);
    expect(await now(APP)).toEqual([WEST]);
  });

  it('faults 4: brings everything back when the first site is dead, although Temporal is killed twice on the way', {
    timeout: 400_000,
  }, async () => {
    witness = startDr(['witness'], { env: env() });
    await west.stop();
    await platform.site.stop();
    await expect.poll(() => told('outage.planned'), { timeout: 120_000 }).toHaveLength(1);
    const [alarm, planned] = [told('outage.began')[0], told('outage.planned')[0]];
    expect([alarm?.next, planned?.next]).toEqual([
      'dr failover plan --to east',
      'dr failover run --to east --unproven',
    ]);
    expect(await epochs()).toHaveLength(2);
    const moves = zone.count.made;
    const running = startDr(['failover', 'run', '--to', 'east', '--unproven', '--json'], { env: env() });
    await asked('approve null');
    const waitingSince = performance.now();
    const stranger = await approve('eve');
    expect(stranger.status).toBe(4);
    expect(stranger.stdout).toContain('APPROVAL_REFUSED');
    expect((await approve('anna', 'eve')).status).toBe(4);
    for (const _ of [1, 2]) expect(JSON.parse((await approve('anna')).stdout)).toEqual({ people: ['anna'], needed: 2 });
    expect(await question()).toBe('approve null');
    expect((await approve('ben')).status).toBe(0);
    await asked('attest FENCE_UNPROVEN');
    await killTemporal();
    await asked('attest FENCE_UNPROVEN');
    await call('runs', 'skip', RUN, 'attest', '--reason', 'the provider has switched it off');
    await expect.poll(statusOf('postgres'), { timeout: 120_000, interval: 100 }).toMatch(/^(running|done)$/);
    await killTemporal();
    const waited = performance.now() - waitingSince;
    const { status, stdout } = await running.ended;
    expect([0, 3], stdout).toContain(status);
    expect(siteDifferences(asBackedUp, await siteChecksums(east))).toEqual([]);
    expect(await now(APP)).toEqual([EAST]);
    const { plan, record, report } = JSON.parse(stdout) as FailOverResult;
    const outage = { since: alarm?.since, by: 'the probe of 127.0.0.1', until: null };
    expect(record).toMatchObject({ epoch: 3, from: 'west', outage });
    expect(record?.recoveryTime.parts.detection).toBeGreaterThan(0);
    witness.child.kill('SIGTERM');
    expect((await witness.ended).status).toBe(0);
    expect(record?.recoveryTime.parts.restore).toBeGreaterThan(0);
    // The clock ran on, and nothing was done twice.
    expect(1000 * Number(record?.recoveryTime.seconds)).toBeGreaterThan(waited);
    expect(zone.count.made).toBe(moves + 1);
    expect(await epochs()).toEqual(['epoch-000001.json', 'epoch-000002.json', 'epoch-000003.json']);
    expect(plan.epoch).toEqual({ now: 2, next: 3 });
    expect(report.facts).toMatchObject({ epoch: 3, approvedBy: 'anna, ben' });
    expect(report.steps.find(({ id }) => id === 'fence')?.detail).toContain('refused');
  });

  it('protects the new site at once, and is not done a second time', { timeout: 240_000 }, async () => {
    const { stdout } = await call('backups', 'list', '--json');
    const sites = (JSON.parse(stdout) as BackupSummary[]).map(({ site }) => site);
    expect(sites).toContain('east');
    const again = await call('failover', 'run', '--to', 'east', '--unproven', '--json');
    expect(again.status).toBe(4);
    expect(again.stdout).toContain('SITE_ACTIVE');
  });
});
