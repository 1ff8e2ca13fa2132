// Two sites and a witness on one machine: west with its worker, its front door and its stores, east with the same but
// switched off, and outside of both Temporal, S3, the zone of the public name, `dr witness` and the workload.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { markerListName } from '../../../domain/markers.ts';
import { CONTROL_QUEUE, siteQueue } from '../../../workflows/messages.ts';
import { makePrivate } from '../../folders.ts';
import { makePeople, type Person } from '../../people.ts';
import { type RunningPlatform, startPlatform } from '../../platform.ts';
import { freePort, type RunningServer, startServer } from '../../servers.ts';
import { type RunningSite, type SiteAccess, startSite } from '../../site.ts';
import { type Product, startProduct } from '../product.ts';
import type { Running } from '../running.ts';
import { type RunningChild, startChild } from './child.ts';
import {
  ADDRESSES,
  configure,
  type Described,
  layGround,
  NAME,
  type Ports,
  type SiteName,
  shutBy,
  TTL_SECONDS,
  ZONE,
} from './configuration.ts';
import type { GatewayInput } from './gateway-process.ts';
import type { PublicName } from './public-name.ts';
import type { WorkloadInput } from './workload-process.ts';
import type { ZoneFacts } from './zone-process.ts';

export interface TwoSites {
  readonly platform: RunningPlatform;
  readonly west: RunningSite;
  readonly east: RunningSite;
  readonly people: readonly Person[];
  readonly publicName: PublicName;
  /** Serves the control queue, at the witness, and runs `dr`. */
  readonly witness: Product;
  /** Processes of the west that are not its stores: its worker and its front door. */
  readonly westPids: readonly number[];
  /** Processes outside of the west that are not stores. */
  readonly otherPids: readonly number[];
  /** The lists of acknowledged markers. */
  readonly lists: WorkloadInput['lists'];
  /** Starts the workload, and `dr witness`, which looks at the same name. */
  startClients(): Promise<RunningChild<object>>;
  /** Starts the workload alone. @param first the markers that it begins with. */
  startWork(first: WorkloadInput['first']): Promise<RunningChild<object>>;
  /** West as a rebuilt site: empty stores, its door shut, and a configuration that says that east serves. */
  rebuildWest(onPart: (part: string) => void): Promise<TwoSites>;
  /** Names the site that serves in the configuration, and starts every worker again: they read it when they start. */
  settle(active: SiteName): Promise<TwoSites>;
}

/** Starts everything but the clients. @param onPart told as each part is up. */
export async function startTwoSites(running: Running, onPart: (part: string) => void): Promise<TwoSites> {
  const ports = { postgres: await freePort(), redis: await freePort(), rabbitmq: await freePort() };
  const platform = await running.add(async () => {
    const started = await startPlatform({ site: 'west', standby: 'east', onPart });
    return { ...started, stop: () => started.remove() };
  });
  const [west, east] = [platform.site, platform.standby as RunningSite];
  await east.stop();
  onPart('east is installed, and switched off again,');
  const people = await makePeople(join(platform.directory, 'people'), ['anna', 'ben']);
  const lists = await makeLists(join(platform.directory, 'witness'));
  await layGround(platform);
  const clients: number[] = [];
  const zone = await running.add(() => startZone(platform));
  onPart('the zone of the public name, with its DNS servers');
  const described: Described = { platform, sites: { west, east }, people, zone: zone.facts, ports };
  await configure(described, 'west');
  const [westDoor, eastDoor] = (await Promise.all(
    [west, east].map((site) => running.add(() => openDoors(described, site))),
  )) as [RunningChild<object>, RunningChild<object>];
  onPart('the front doors of west and east');
  const workers = await startWorkers(running, platform);
  onPart('workers at the witness, west and east');
  return stageOf({ running, described, lists, clients, zone, doors: { west: westDoor, east: eastDoor }, workers });
}

type Workers = Readonly<Record<'witness' | SiteName, Product>>;

interface Parts {
  readonly running: Running;
  readonly described: Described;
  readonly lists: WorkloadInput['lists'];
  /** Process ids of the clients: more come later. */
  readonly clients: number[];
  readonly zone: RunningChild<ZoneFacts>;
  readonly doors: Readonly<Record<SiteName, RunningChild<object>>>;
  readonly workers: Workers;
}

function stageOf(parts: Parts): TwoSites {
  const { running, described, lists, clients, zone, doors, workers } = parts;
  const { platform, sites, people, ports } = described;
  const publicName = { name: NAME, nameServers: zone.facts.nameServers };
  const access = accessThrough(sites.west.access, ports);
  const logFile = (name: string) => join(platform.directory, `${name}.log`);
  const startWork = async (first: WorkloadInput['first']) => {
    const input: WorkloadInput = { publicName, access, lists, first, everyMs: EVERY_MS };
    const workload = await running.add(() =>
      startChild<object>({ program: 'workload', input, logFile: logFile('workload') }),
    );
    clients.push(workload.pid);
    return workload;
  };
  return {
    ...{ platform, ...sites, people, publicName, lists, witness: workers.witness },
    westPids: [workers.west.workerPid, doors.west.pid],
    get otherPids() {
      return [workers.witness.workerPid, workers.east.workerPid, doors.east.pid, zone.pid, ...clients];
    },
    startClients: async () => {
      const workload = await startWork({ postgres: 1, redis: 1, rabbitmq: 1 });
      clients.push((await running.add(() => startWitness(platform))).pid);
      return workload;
    },
    startWork,
    rebuildWest: (onPart) => rebuildWest(parts, onPart),
    settle: (active) => settle(parts, active),
  };
}

const EVERY_MS = 40;

const DR = fileURLToPath(new URL('../../../client/dr.mjs', import.meta.url));

function startWitness({ configurationFile, directory }: RunningPlatform): Promise<RunningServer> {
  const logFile = join(directory, 'dr-witness.log');
  const ready = async () => {
    if (!(await readFile(logFile, 'utf8')).includes('"watching"')) throw new Error('it does not look yet');
  };
  const args = [DR, 'witness', '--config', configurationFile];
  return startServer({ ...{ name: 'dr witness', command: process.execPath, args, logFile }, ready });
}

const startZone = ({ directory }: RunningPlatform): Promise<RunningChild<ZoneFacts>> =>
  startChild<ZoneFacts>({
    program: 'zone',
    input: {
      zoneName: ZONE,
      records: [{ name: `${NAME}.`, type: 'A', ttl: TTL_SECONDS, values: [ADDRESSES.west] }],
    },
    logFile: join(directory, 'zone.log'),
  });

function openDoors(
  { platform, ports }: Described,
  { name, directory, access }: RunningSite,
): Promise<RunningChild<object>> {
  const doors = (Object.keys(ports) as (keyof Ports)[]).map((store) => ({
    port: ports[store],
    store: access[store].port,
  }));
  const input: GatewayInput = { address: ADDRESSES[name as SiteName], shutBy: shutBy(platform, name), doors };
  const logFile = join(platform.directory, `gateway-${name}.log`);
  return startChild({ program: 'gateway', args: [`${directory}/`], input, logFile });
}

async function startWorkers(running: Running, platform: RunningPlatform): Promise<Workers> {
  const start = (queue: string) => running.add(() => startProduct(platform, true, [queue]));
  const queues = [CONTROL_QUEUE, siteQueue('west'), siteQueue('east')];
  const [witness, west, east] = (await Promise.all(queues.map(start))) as [Product, Product, Product];
  return { witness, west, east };
}

async function rebuildWest(parts: Parts, onPart: (part: string) => void): Promise<TwoSites> {
  const { running, described, doors } = parts;
  const { platform, sites } = described;
  const { name, directory, access } = sites.west;
  await rm(directory, { recursive: true });
  const passwords = {
    postgres: access.postgres.password,
    redis: access.redis.password,
    rabbitmq: access.rabbitmq.password,
  };
  const west = await running.add(() => startSite({ directory, name, passwords }));
  onPart('empty stores at west');
  await writeFile(shutBy(platform, name), '');
  const rebuilt = { ...described, sites: { ...sites, west } };
  const door = await running.add(() => openDoors(rebuilt, west));
  onPart('the front door of west, shut until it opens,');
  const stage = await settle({ ...parts, described: rebuilt, doors: { ...doors, west: door } }, 'east');
  onPart('a configuration with east as the active site, and workers that have read it,');
  return stage;
}

async function settle(parts: Parts, active: SiteName): Promise<TwoSites> {
  const { running, described, workers } = parts;
  await configure(described, active);
  await Promise.all(Object.values(workers).map((worker) => worker.stop()));
  return stageOf({ ...parts, workers: await startWorkers(running, described.platform) });
}

// The host is asked of DNS whenever somebody connects.
const accessThrough = ({ postgres, redis, rabbitmq }: SiteAccess, ports: Ports): SiteAccess => ({
  postgres: { ...postgres, host: NAME, port: ports.postgres },
  redis: { ...redis, host: NAME, port: ports.redis },
  rabbitmq: { ...rabbitmq, host: NAME, port: ports.rabbitmq },
});

async function makeLists(witness: string): Promise<WorkloadInput['lists']> {
  const folder = join(await makePrivate(join(witness, 'ledger')), 'markers');
  await makePrivate(folder);
  const list = (system: 'postgres' | 'redis' | 'rabbitmq') => join(folder, markerListName(system));
  return { postgres: list('postgres'), redis: list('redis'), rabbitmq: list('rabbitmq') };
}
