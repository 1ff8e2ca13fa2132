// Two sites and a witness on one machine: west with its worker, its front door and its stores, east with the same, and
// outside of both Temporal, S3, the zone of the public name, a probe and the workload.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { configurationSchema } from '../../../domain/configuration/schema.ts';
import { markerListName } from '../../../domain/markers.ts';
import { CONTROL_QUEUE, siteQueue } from '../../../workflows/messages.ts';
import { makePrivate } from '../../folders.ts';
import { fileReference } from '../../keys.ts';
import { makePeople, type Person } from '../../people.ts';
import { type ConfigurationInput, type RunningPlatform, startPlatform } from '../../platform.ts';
import { freePort } from '../../servers.ts';
import type { RunningSite, SiteAccess } from '../../site.ts';
import { type Product, startProduct } from '../product.ts';
import type { Running } from '../running.ts';
import { type RunningChild, startChild } from './child.ts';
import type { GatewayInput } from './gateway-process.ts';
import type { ProbeInput } from './probe-process.ts';
import type { PublicName } from './public-name.ts';
import type { WorkloadInput } from './workload-process.ts';
import type { ZoneFacts } from './zone-process.ts';

const ZONE = 'orders.example';
const NAME = `app.${ZONE}`;
const TTL_SECONDS = 5;
const ADDRESSES = { west: '127.0.10.1', east: '127.0.20.1' } as const;

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
  /** How the stores are entered by the public name. */
  readonly access: SiteAccess;
  /** The lists of acknowledged markers. */
  readonly lists: WorkloadInput['lists'];
  /** Starts the workload, and the probe that watches the same name. */
  startClients(): Promise<RunningChild<object>>;
}

/** Starts everything but the clients. @param onPart told as each part is up. */
export async function startTwoSites(running: Running, onPart: (part: string) => void): Promise<TwoSites> {
  const ports = { postgres: await freePort(), redis: await freePort(), rabbitmq: await freePort() };
  const platform = await running.add(async () => {
    const started = await startPlatform({ site: 'west', standby: 'east', onPart });
    return { ...started, stop: () => started.remove() };
  });
  const [west, east] = [platform.site, platform.standby as RunningSite];
  const below = (part: string) => join(platform.directory, part);
  const people = await makePeople(below('people'), ['anna', 'ben']);
  const child = <T>(
    program: Parameters<typeof startChild>[0]['program'],
    log: string,
    input: object,
    args: string[] = [],
  ) => running.add(() => startChild<T>({ program, args, input, logFile: below(`${log}.log`) }));
  const zone = await child<ZoneFacts>('zone', 'zone', {
    zoneName: ZONE,
    records: [{ name: `${NAME}.`, type: 'A', ttl: TTL_SECONDS, values: [ADDRESSES.west] }],
  });
  onPart('the zone of the public name, with its DNS servers');
  await configure(platform, { people, zone: zone.facts, ports: Object.values(ports) });
  const gateways = await Promise.all(
    [west, east].map((site) => child('gateway', `gateway-${site.name}`, doorsOf(site, ports), [`${site.directory}/`])),
  );
  onPart('the front doors of west and east');
  const workers = await Promise.all(
    [CONTROL_QUEUE, siteQueue('west'), siteQueue('east')].map((queue) =>
      running.add(() => startProduct(platform, true, [queue])),
    ),
  );
  onPart('workers at the witness, west and east');
  const [witness, westWorker, eastWorker] = workers as [Product, Product, Product];
  const publicName = { name: NAME, nameServers: zone.facts.nameServers };
  const access = accessThrough(west.access, ports);
  const lists = await makeLists(below('witness'));
  const clients: number[] = [];
  return {
    ...{ platform, west, east, people, publicName, witness, access, lists },
    westPids: [westWorker.workerPid, gateways[0]?.pid ?? -1],
    get otherPids() {
      return [witness.workerPid, eastWorker.workerPid, gateways[1]?.pid ?? -1, zone.pid, ...clients];
    },
    startClients: async () => {
      const work: WorkloadInput = { publicName, access, lists, everyMs: EVERY_MS };
      const look: ProbeInput = {
        ...{ platform: platform.name, publicName, postgres: access.postgres },
        witnessDirectory: below('witness'),
      };
      const workload = await child<object>('workload', 'workload', work);
      clients.push(workload.pid, (await child('probe', 'probe', look)).pid);
      return workload;
    },
  };
}

const EVERY_MS = 40;

type Ports = Readonly<Record<'postgres' | 'redis' | 'rabbitmq', number>>;

function doorsOf({ name, access }: RunningSite, ports: Ports): GatewayInput {
  const doors = (Object.keys(ports) as (keyof Ports)[]).map((store) => ({
    port: ports[store],
    store: access[store].port,
  }));
  return { address: ADDRESSES[name as keyof typeof ADDRESSES], doors };
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

type SiteInput = ConfigurationInput['sites'][string];

interface Additions {
  readonly people: readonly Person[];
  readonly zone: ZoneFacts;
  readonly ports: readonly number[];
}

// What a failover needs besides the sites: who approves, and the public name with what each site gives for it.
async function configure(platform: RunningPlatform, { people, zone, ports }: Additions): Promise<void> {
  const { configuration, directory, configurationFile } = platform;
  const { west, east } = configuration.sites;
  const secret = async (name: string, value: string) => {
    await writeFile(join(directory, name), value, { mode: 0o600 });
    return fileReference(join(directory, name));
  };
  const added: ConfigurationInput = {
    ...configuration,
    failover: { approvers: people.map(({ name, publicKey }) => ({ name, publicKey })) },
    sites: {
      west: { ...(west as SiteInput), dns: { addresses: { [NAME]: [ADDRESSES.west] } } },
      east: { ...(east as SiteInput), dns: { addresses: { [NAME]: [ADDRESSES.east] } } },
    },
    dns: {
      ...{ zone: zone.zoneId, name: ZONE, endpoint: zone.endpoint },
      accessKeyId: await secret('route53-id', zone.accessKeyId),
      secretAccessKey: await secret('route53-key', zone.secretAccessKey),
      records: [{ name: NAME, type: 'A', ttl: `${TTL_SECONDS}s` }],
      authoritativeServers: [...zone.nameServers],
      probePorts: [...ports],
    },
  };
  configurationSchema.parse(added);
  await writeFile(configurationFile, stringify(added, { aliasDuplicateObjects: false }));
}
