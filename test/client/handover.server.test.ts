// A site that lives hands over to another and comes back, through `dr`, on real stores, while clients write numbered
// markers until they are refused: none that was acknowledged is lost.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pace } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { loadDataset } from '../../local/dataset.ts';
import { type Product, startProduct } from '../../local/demo/product.ts';
import { type FrontDoor, openFrontDoor } from '../../local/front-door.ts';
import { markerStores } from '../../local/marker-stores.ts';
import { makePeople } from '../../local/people.ts';
import type { ConfigurationInput, RunningPlatform } from '../../local/platform.ts';
import { startPlatform } from '../../local/platform.ts';
import type { RunningSite, SiteAccess } from '../../local/site.ts';
import { type HandOverResult, runState } from '../../workflows/messages.ts';
import { dr, type RunningDr, startDr } from './dr.ts';

const run = promisify(execFile);
const RUN = 'failover/demo';
const PEOPLE = ['anna', 'ben'] as const;
/** Between two markers: as fast as a small platform works. */
const PACE_MS = 40;
const STORES = ['postgres', 'redis', 'rabbitmq'] as const;

let folder: string;
let platform: RunningPlatform;
let west: RunningSite;
let east: RunningSite;
let worker: Product;
let eastWorker: RunningDr;
let connection: Connection;
const doors: FrontDoor[] = [];
/** How clients reach each site. */
const clientsOf = new Map<string, SiteAccess>();

const env = () => ({ HOLDFAST_CONFIG: platform.configurationFile });
const call = (...words: string[]) => dr(words, { env: env() });
const shutBy = (site: RunningSite) => join(folder, `${site.name}.shut`);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-handover-'));
  const people = await makePeople(join(folder, 'people'), PEOPLE);
  const approvers = people.map(({ name, publicKey }) => ({ name, publicKey }));
  platform = await startPlatform({ site: 'west', standby: 'east', approvers });
  [west, east] = [platform.site, platform.standby as RunningSite];
  for (const site of [west, east]) clientsOf.set(site.name, await behindDoors(site));
  await configure();
  await loadDataset(west.access, { scale: 0.01, seed: 1 });
  connection = await Connection.connect({ address: platform.temporal.address });
  worker = await startProduct(platform, false);
  eastWorker = startDr(['worker', '--queue', 'site.east'], { env: env() });
  await worker.dr(['backup', '--all']);
});
afterAll(async () => {
  eastWorker?.child.kill('SIGTERM');
  await eastWorker?.ended;
  await connection?.close();
  await worker?.stop();
  for (const door of doors) await door.close();
  await platform?.remove();
  await rm(folder, { recursive: true, force: true });
});

async function behindDoors(site: RunningSite): Promise<SiteAccess> {
  const [postgres, redis, rabbitmq] = await Promise.all(
    STORES.map(async (store) => {
      const door = await openFrontDoor({ store: site.access[store].port, shutBy: shutBy(site) });
      doors.push(door);
      return door.port;
    }),
  );
  const { access } = site;
  return {
    postgres: { ...access.postgres, port: postgres as number },
    redis: { ...access.redis, port: redis as number },
    rabbitmq: { ...access.rabbitmq, port: rabbitmq as number },
  };
}

const servicesOf = ({ configuration }: RunningSite, act: 'stop' | 'start') =>
  STORES.map((store) => configuration[store]?.service?.[act] as string[]);

async function configure(): Promise<void> {
  const sites = [west, east].map((site) => [
    site.name,
    {
      ...site.configuration,
      quiesce: { commands: [['touch', shutBy(site)]], undo: [['rm', '-f', shutBy(site)]] },
      fence: { commands: servicesOf(site, 'stop'), undo: servicesOf(site, 'start') },
    },
  ]);
  const schedules = { postgres: { every: '1h', kinds: ['physical'] } };
  const configuration: ConfigurationInput = { ...platform.configuration, sites: Object.fromEntries(sites), schedules };
  await writeFile(platform.configurationFile, stringify(configuration, { aliasDuplicateObjects: false }));
}

/** Writes a marker after the other into every store of a site until it is refused; tells which were acknowledged. */
function startClients(site: RunningSite, first: number): Promise<ReadonlyMap<string, readonly number[]>> {
  const stores = markerStores(clientsOf.get(site.name) as SiteAccess);
  const write = async (store: (typeof stores)[number]) => {
    await store.prepare();
    const acknowledged: number[] = [];
    try {
      for (let marker = first; ; marker += 1) {
        await store.write(marker);
        acknowledged.push(marker);
        await pace(PACE_MS);
      }
    } catch {
      await store.close();
      return [store.system, acknowledged] as const;
    }
  };
  const written = Promise.all(stores.map(write)).then((entries) => new Map(entries));
  written.catch(() => undefined); // Told where it is awaited.
  return written;
}

/** Somebody who got past the door: writes into Redis itself, until stopped. */
function writeBehindTheDoor(site: RunningSite, first: number) {
  const redis = markerStores(site.access).find(({ system }) => system === 'redis');
  const acknowledged: number[] = [];
  let isStopped = false;
  const writing = (async () => {
    for (let marker = first; !isStopped; marker += 1) {
      await redis?.write(marker);
      acknowledged.push(marker);
      await pace(PACE_MS);
    }
    await redis?.close();
  })();
  writing.catch(() => undefined); // Told where it is awaited.
  const stop = async () => {
    isStopped = true;
    await writing;
  };
  return { acknowledged, stop };
}

/** Markers that were acknowledged and are not at the site now, by store. */
async function lostAt(site: RunningSite, acknowledged: ReadonlyMap<string, readonly number[]>) {
  const lost = markerStores(site.access).map(async (store) => {
    const found = new Set(await store.read());
    await store.close();
    const wanted = acknowledged.get(store.system) ?? [];
    return [store.system, wanted.length > 0, wanted.filter((marker) => !found.has(marker))] as const;
  });
  return Promise.all(lost);
}
const NONE_LOST = STORES.map((store) => [store, true, []]);

const question = async () => {
  const { questions } = await new Client({ connection }).workflow.getHandle(RUN).query(runState);
  const { step, code, message } = questions[0] ?? {};
  return `${step} ${code} ${message}`;
};
/** Waits for a question, told as step, code and message. */
const asked = (wanted: RegExp, running: RunningDr) =>
  Promise.race([expect.poll(question, { timeout: 240_000, interval: 250 }).toMatch(wanted), endedEarly(running)]);
const epochs = async () =>
  (await readdir(join(platform.directory, 'witness/epochs'))).filter((name) => name.startsWith('epoch-'));

/** Starts a handover and brings it to the question whether it goes on. */
async function untilGo(...words: string[]): Promise<RunningDr> {
  const running = await signed(...words);
  await asked(/^go null /, running);
  return running;
}

/** Starts a handover that everybody agrees to. */
async function signed(...words: string[]): Promise<RunningDr> {
  const running = startDr([...words, '--json'], { env: env() });
  await asked(/^approve null /, running);
  for (const person of PEOPLE) {
    const key = join(folder, 'people', `${person}.pem`);
    const { status, stdout } = await call('approve', RUN, '--as', person, '--key', key, '--confirm', platform.name);
    expect(status, stdout).toBe(0);
  }
  return running;
}

async function endedEarly(running: RunningDr): Promise<never> {
  const { status, stdout, stderr } = await running.ended;
  throw new Error(`it ended with ${status}: ${stdout}\n${stderr}`);
}

async function finished(running: RunningDr): Promise<HandOverResult> {
  const { status, stdout } = await running.ended;
  expect([0, 3], stdout).toContain(status);
  return JSON.parse(stdout) as HandOverResult;
}

describe('a site that lives', () => {
  it('gives the platform back, serving, when it is told no-go after the fence', { timeout: 600_000 }, async () => {
    const clients = startClients(west, 1);
    const running = await untilGo('failover', 'run', '--planned', '--to', 'east');
    const acknowledged = await clients;
    await call('runs', 'abort', RUN, 'go', '--reason', 'not tonight', '--confirm', platform.name);
    const { status, stdout } = await running.ended;
    expect(status, stdout).toBe(12);
    expect(await epochs()).toEqual(['epoch-000001.json', 'epoch-000002.json']);
    for (const store of markerStores(clientsOf.get('west') as SiteAccess)) {
      await store.write(1_000_000); // Through the door, as a client.
      await store.close();
    }
    expect(await lostAt(west, acknowledged)).toEqual(NONE_LOST);
    const back = await call('failback', 'plan', '--to', 'east', '--json');
    expect(back.stdout).toContain('NOT_A_FORMER_SITE');
  });

  it('hands over to the other without losing one acknowledged marker', { timeout: 600_000 }, async () => {
    const clients = startClients(west, 2_000_000);
    const running = await untilGo('failover', 'run', '--planned', '--to', 'east');
    const acknowledged = await clients;
    expect((await call('runs', 'go', RUN, 'go', '--reason', 'nothing is lost')).status).toBe(0);
    const { plan, loss, finalBackups } = await finished(running);
    expect(plan).toMatchObject({ from: 'west', to: 'east', epoch: { now: 2, next: 3 } });
    expect(loss.map((line) => line.split(':')[0])).toEqual(finalBackups.map(({ system }) => system));
    expect(await lostAt(east, acknowledged)).toEqual(NONE_LOST);
  });

  it('is not returned to while its broker holds messages of before', { timeout: 240_000 }, async () => {
    await Promise.all(servicesOf(west, 'start').map(([program = '', ...args]) => run(program, args)));
    const { status, stdout } = await call('failback', 'plan', '--to', 'west', '--json');
    expect(status, stdout).toBe(4);
    expect(stdout).toContain('TARGET_NOT_EMPTY');
  });

  it('faults 76: is not returned to while the site that serves is still written to, and nothing is lost once that ends', {
    timeout: 400_000,
  }, async () => {
    const writer = writeBehindTheDoor(east, 4_000_000);
    const running = await signed('failback', 'run', 'redis', '--to', 'west');
    await asked(/^caught-up WRITES_GO_ON site 'east' was written to after its final backup: redis/, running);
    const soFar = writer.acknowledged.length;
    await expect.poll(() => writer.acknowledged.length).toBeGreaterThan(soFar); // Nothing was fenced.
    await writer.stop();
    await call('runs', 'retry', RUN, 'caught-up', '--reason', 'the writer was stopped');
    await asked(/^go null .*\nredis: nothing lost /, running);
    await call('runs', 'abort', RUN, 'go', '--reason', 'it was a try', '--confirm', platform.name);
    const { status, stdout } = await running.ended;
    expect(status, stdout).toBe(12);
    expect(await lostAt(east, new Map([['redis', writer.acknowledged]]))).toContainEqual(['redis', true, []]);
  });

  it('is returned to without losing one, and what diverged there is kept and told', { timeout: 600_000 }, async () => {
    await emptyBroker(west);
    const clients = startClients(east, 3_000_000);
    const running = await untilGo('failback', 'run', '--to', 'west');
    const acknowledged = await clients;
    expect((await call('runs', 'go', RUN, 'go', '--reason', 'nothing is lost')).status).toBe(0);
    const { plan, kept, report } = await finished(running);
    expect(plan).toMatchObject({ action: 'failback', from: 'east', to: 'west' });
    expect(await lostAt(west, acknowledged)).toEqual(NONE_LOST);
    expect(kept.map(({ where }) => where).join(' ')).toContain(west.directory);
    expect(report.facts.kept).toBe(kept.length);
  });
});

// As the procedure says: what it holds is kept beside, and the broker starts empty.
async function emptyBroker({ configuration, rabbitmq }: RunningSite): Promise<void> {
  const { stop = [], start = [] } = configuration.rabbitmq?.service ?? {};
  const [[stopper = '', ...stopping], [starter = '', ...starting]] = [stop, start];
  await run(stopper, stopping);
  await rename(rabbitmq.dataDirectory, `${rabbitmq.dataDirectory}.before`);
  await run(starter, starting);
}
