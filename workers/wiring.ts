// The composition root: from the configuration to the activities of each queue.
import { mkdir } from 'node:fs/promises';
import { createAudit } from '../activities/audit/index.ts';
import { createDns } from '../activities/dns/index.ts';
import { createFailover } from '../activities/failover/index.ts';
import { createQuiesce } from '../activities/failover/quiesce.ts';
import { createLedger } from '../activities/ledger/index.ts';
import { createNotification } from '../activities/notification/index.ts';
import { createRecovery } from '../activities/recovery/index.ts';
import { createRepository } from '../activities/repository/index.ts';
import { type Around, asActivities } from '../activities/shared/activity-boundary.ts';
import type { SystemDependencies } from '../activities/shared/system-dependencies.ts';
import { createTerraform } from '../activities/terraform/index.ts';
import type { Configuration, SiteConfiguration } from '../domain/configuration/schema.ts';
import type { ProtectedSystem } from '../domain/contracts/protected-system.ts';
import { Failure } from '../domain/failures.ts';
import { SYSTEM_NAMES, type SystemName } from '../domain/systems.ts';
import { CONTROL_QUEUE, siteQueue } from '../workflows/messages.ts';
import { readOwnFile } from './own-file.ts';
import { FACTORIES } from './registry.ts';
import { clocksOf } from './store-clocks.ts';

export type Activities = ReturnType<typeof asActivities>;
type Repository = ReturnType<typeof createRepository>;

/** What a composition root knows beside the configuration. */
export interface Surroundings {
  /** The configuration's own file. */
  readonly file?: string;
  /** What is put around each activity. */
  readonly around?: Around;
}

/** The repository as this configuration names it. */
export function buildRepository(configuration: Configuration): Repository {
  const { platform, repository, witness } = configuration;
  return createRepository({ platform, repository, witnessDirectory: witness.directory });
}

/** The plain functions of every system that a site has, not wrapped for Temporal. `file` is the configuration's own. */
export function buildSystems(
  configuration: Configuration,
  siteName: string,
  repository: Repository,
  file?: string,
): Partial<Record<SystemName, ProtectedSystem>> {
  const site = requireSite(configuration, siteName);
  const entries = SYSTEM_NAMES.filter((name) => site[name] !== undefined && FACTORIES[name]).map((name) => [
    name,
    build(name, configuration, siteName, site, repository, file),
  ]);
  return Object.fromEntries(entries);
}

/** The activities that a worker of `queue` offers. @throws {Failure} USAGE for a queue that the configuration does not know. */
export async function activitiesFor(
  queue: string,
  configuration: Configuration,
  { around, file }: Surroundings,
): Promise<Activities> {
  const repository = buildRepository(configuration);
  const wrapped = (name: string, functions: object) => asActivities(name, functions, around);
  const shared = wrapped('repository', repository.activities);
  if (queue === CONTROL_QUEUE) {
    const own = { recovery: createRecovery(), failover: createFailover({ configuration }) };
    const rooms = Object.entries({ ...buildControl(configuration, repository), ...own });
    return Object.assign({}, shared, ...rooms.map(([name, functions]) => wrapped(name, functions)));
  }
  const siteName = Object.keys(configuration.sites).find((name) => siteQueue(name) === queue);
  if (siteName === undefined) throw new Failure('USAGE', `the configuration has no queue '${queue}'`);
  const site = requireSite(configuration, siteName);
  await mkdir(site.workDirectory, { recursive: true, mode: 0o700 });
  const systems = Object.entries(buildSystems(configuration, siteName, repository, file));
  const gate = wrapped('failover', createQuiesce(configuration));
  return Object.assign({}, shared, gate, ...systems.map(([name, functions]) => wrapped(name, functions)));
}

/** The plain functions of the witness, not wrapped for Temporal. */
export function buildControl(configuration: Configuration, { textTiers: tiers }: Repository) {
  const { platform, notifications, witness, dns, sites } = configuration;
  return {
    ...(dns ? { dns: createDns({ dns, sites }) } : {}),
    ...(usesTerraform(configuration) ? { terraform: createTerraform({ sites, witness }) } : {}),
    notification: createNotification({ platform, channels: notifications }),
    ledger: createLedger({ platform, witnessDirectory: witness.directory }),
    audit: createAudit({ platform, witnessDirectory: witness.directory, tiers }),
  };
}

const usesTerraform = ({ sites }: Configuration): boolean =>
  Object.values(sites).some(({ terraform }) => terraform !== undefined);

function requireSite(configuration: Configuration, name: string): SiteConfiguration {
  const site = configuration.sites[name];
  if (site === undefined) throw new Failure('USAGE', `the configuration has no site '${name}'`);
  return site;
}

function build(
  name: SystemName,
  configuration: Configuration,
  siteName: string,
  site: SiteConfiguration,
  repository: Repository,
  file: string | undefined,
): ProtectedSystem {
  const dependencies: SystemDependencies<never> = {
    platform: configuration.platform,
    site: siteName,
    configuration: site[name] as never,
    workDirectory: site.workDirectory,
    scratchUser: site.scratchUser,
    writer: repository.writerFor(siteName),
    reader: repository.reader,
    clocks: () => clocksOf(site),
    ownFile: file === undefined ? undefined : () => readOwnFile(file),
  };
  const f = FACTORIES[name];
  if (!f) throw new Error(name);
  return f(dependencies);
}
