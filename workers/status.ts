// How the platform is, seen from this machine, without Temporal and without a worker. Every look has a limit of its own
// and all run side by side: what is silent hides nothing else.
// `node workers/status.ts --config FILE --site NAME` prints what was seen as JSON; `dr status` judges and shows it.
import { statfs } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { askApplication } from '../activities/applications/index.ts';
import type { Repository } from '../activities/repository/index.ts';
import { type Configuration, durationMs, type SiteConfiguration } from '../domain/configuration/schema.ts';
import type { DiskStatus, Look, Seen } from '../domain/contracts/status.ts';
import { Failure } from '../domain/failures.ts';
import { MEASURED_ACTS, SEARCHED_RECORDS } from '../domain/status/measurements.ts';
import { readConfiguration } from './configuration-file.ts';
import { buildControl, buildRepository, buildSystems } from './wiring.ts';
import { look } from './within.ts';

/** A store answers within milliseconds; a tier with thousands of backups takes a while. */
const STORE_MS = 4000;
const TIER_MS = 6000;

type Looks<T> = Readonly<Record<string, Look<T>>>;

async function lookAtAll<T>(looks: Readonly<Record<string, () => Promise<Look<T>>>>): Promise<Looks<T>> {
  const entries = Object.entries(looks).map(async ([name, one]) => [name, await one()] as const);
  return Object.fromEntries(await Promise.all(entries));
}

const mapped = <T, R>(things: Readonly<Record<string, T>>, make: (thing: T, name: string) => R) =>
  Object.fromEntries(Object.entries(things).map(([name, thing]) => [name, make(thing, name)]));

async function lookAtPlatform(configuration: Configuration, siteName: string): Promise<Seen> {
  const site = configuration.sites[siteName];
  if (site === undefined) throw new Failure('USAGE', `the configuration has no site '${siteName}'`);
  const repository = buildRepository(configuration);
  const { audit, ledger } = buildControl(configuration, repository);
  const systems = buildSystems(configuration, siteName, repository);
  const applications = Object.fromEntries(site.applications.map((one) => [one.name, one]));
  const others = Object.keys(configuration.sites).filter((name) => name !== siteName);
  const [seenSystems, otherSites, tiers, seenApplications, disks, restores, failover] = await Promise.all([
    lookAtSystems(systems),
    Promise.all(others.map(async (name) => [name, await lookAtStores(configuration, name, repository)] as const)),
    lookAtAll(mapped(configuration.repository.tiers, (_, name) => () => look(TIER_MS, () => repository.lookAt(name)))),
    lookAtAll(mapped(applications, (one) => () => look(durationMs(one.within), () => askApplication(one)))),
    lookAtAll(mapped(foldersOf(configuration, site), (path) => () => look(STORE_MS, () => roomOf(path)))),
    look(STORE_MS, () => audit.newestOf({ acts: MEASURED_ACTS, among: SEARCHED_RECORDS })),
    look(STORE_MS, () => ledger.newestFailover()),
  ]);
  const at = new Date().toISOString();
  return {
    ...{ at, systems: seenSystems, otherSites: Object.fromEntries(otherSites), tiers },
    ...{ applications: seenApplications, disks, restores, failover },
  };
}

const lookAtSystems = (systems: ReturnType<typeof buildSystems>) =>
  lookAtAll(mapped(systems, (system) => () => look(STORE_MS, () => system.observe({}))));

/** What of another site is reached over the network: its files lie on other machines. */
function lookAtStores(configuration: Configuration, site: string, repository: Repository) {
  const { postgres, redis, rabbitmq } = buildSystems(configuration, site, repository);
  const stores = Object.entries({ postgres, redis, rabbitmq }).filter(([, system]) => system !== undefined);
  return lookAtSystems(Object.fromEntries(stores));
}

/** The folders whose disks must not run full, by what they are for. */
function foldersOf(configuration: Configuration, site: SiteConfiguration): Readonly<Record<string, string>> {
  const { witness, repository } = configuration;
  const tiers = Object.entries(repository.tiers).flatMap(([name, tier]) =>
    tier.kind === 'folder' ? [[`tier ${name}`, tier.path]] : [],
  );
  const stores = Object.entries({ postgres: site.postgres, redis: site.redis, rabbitmq: site.rabbitmq }).flatMap(
    ([name, store]) => (store?.dataDirectory === undefined ? [] : [[`data of ${name}`, store.dataDirectory]]),
  );
  return Object.fromEntries([
    ['spool', repository.spool],
    ['work folder', site.workDirectory],
    ['witness folder', witness.directory],
    ...tiers,
    ...stores,
  ]);
}

async function roomOf(path: string): Promise<DiskStatus> {
  const { bavail, blocks, bsize } = await statfs(path).catch((cause: NodeJS.ErrnoException) => {
    const what =
      cause.code === 'ENOENT' ? 'is not there (the first worker makes it)' : `cannot be looked at: ${cause.code}`;
    throw new Failure('NO_FILE_ACCESS', `'${path}' ${what}`, {}, cause);
  });
  return { path, freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

const { values } = parseArgs({ options: { config: { type: 'string' }, site: { type: 'string' } } });
const configuration = await readConfiguration(values.config ?? 'holdfast.yaml');
const seen = await lookAtPlatform(configuration, values.site ?? configuration.activeSite);
// What is silent may hold connections open: the answer is complete, so the process ends here.
process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(0));
