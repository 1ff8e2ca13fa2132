// What two sites that take over from each other need in `holdfast.yaml` besides their stores: who approves, how clients are
// kept out of a site and how it is cut off, the public name with what each site gives for it, and what makes east.
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { configurationSchema } from '../../../domain/configuration/schema.ts';
import { fileReference } from '../../keys.ts';
import type { Person } from '../../people.ts';
import type { ConfigurationInput, RunningPlatform } from '../../platform.ts';
import { findTerraform } from '../../programs.ts';
import type { RunningSite } from '../../site.ts';
import type { ZoneFacts } from './zone-process.ts';

export const ZONE = 'orders.example';
export const NAME = `app.${ZONE}`;
export const TTL_SECONDS = 5;
export const ADDRESSES = { west: '127.0.10.1', east: '127.0.20.1' } as const;

export type SiteName = keyof typeof ADDRESSES;

/** The ports of every front door. */
export type Ports = Readonly<Record<'postgres' | 'redis' | 'rabbitmq', number>>;

export interface Described {
  readonly platform: RunningPlatform;
  readonly sites: Readonly<Record<SiteName, RunningSite>>;
  readonly people: readonly Person[];
  readonly zone: ZoneFacts;
  readonly ports: Ports;
}

/** While this file exists, a site's front door is shut. */
export const shutBy = ({ directory }: RunningPlatform, site: string): string => join(directory, `${site}.shut`);

/** Makes what the configuration names: the bucket of Terraform's state, and a copy of infra/local to work in. */
export async function layGround({ directory, s3 }: RunningPlatform): Promise<void> {
  await s3.createBucket(STATE_BUCKET);
  await cp(source('infra/local'), join(directory, 'infra'), { recursive: true });
}

const STATE_BUCKET = 'terraform-state';
const source = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** Writes it with the site that serves as the active one. Workers read it when they start. */
export async function configure(described: Described, activeSite: SiteName): Promise<void> {
  const { platform, sites, people, zone, ports } = described;
  const { configuration, directory, configurationFile } = platform;
  const secret = async (name: string, value: string) => {
    await writeFile(join(directory, name), value, { mode: 0o600 });
    return fileReference(join(directory, name));
  };
  const written: ConfigurationInput = {
    ...configuration,
    activeSite,
    witness: { ...configuration.witness, ...looksAt(ports) },
    failover: { approvers: people.map(({ name, publicKey }) => ({ name, publicKey })) },
    // One kind is enough to show, and its restore is the quicker one.
    schedules: { postgres: { kinds: ['physical'] } },
    sites: {
      west: settingsOf(platform, sites.west),
      east: { ...settingsOf(platform, sites.east), terraform: groundOf(platform, sites.east) },
    },
    dns: {
      ...{ zone: zone.zoneId, name: ZONE, endpoint: zone.endpoint },
      accessKeyId: await secret('route53-id', zone.accessKeyId),
      secretAccessKey: await secret('route53-key', zone.secretAccessKey),
      records: [{ name: NAME, type: 'A', ttl: `${TTL_SECONDS}s` }],
      authoritativeServers: [...zone.nameServers],
      probePorts: Object.values(ports),
    },
  };
  configurationSchema.parse(written);
  await writeFile(configurationFile, stringify(written, { aliasDuplicateObjects: false }));
}

/** What `dr witness` looks at. The demo shortens what a real one takes its time for. */
function looksAt(ports: Ports): Partial<ConfigurationInput['witness']> {
  const stores = Object.keys(ports) as (keyof Ports)[];
  const probes = stores.map((check) => ({ ...{ check, host: NAME, port: ports[check] }, within: '2s' }));
  return { every: '500ms', downAfter: 2, clean: '20s', probes };
}

type SiteInput = ConfigurationInput['sites'][string];

function settingsOf(platform: RunningPlatform, { name, configuration }: RunningSite): SiteInput {
  const door = shutBy(platform, name);
  return {
    ...configuration,
    dns: { addresses: { [NAME]: [ADDRESSES[name as SiteName]] } },
    quiesce: { commands: [['touch', door]], undo: [['rm', '-f', door]] },
    fence: { commands: [stores(platform, name, 'stop')], undo: [stores(platform, name, 'start')] },
  };
}

/** Stops or starts every store of a site; harmless when that is done already, or when nothing of it is left. */
const stores = ({ configurationFile }: RunningPlatform, site: string, act: 'start' | 'stop'): string[] => [
  ...[process.execPath, source('local/stores.ts'), act, configurationFile, site],
];

function groundOf(platform: RunningPlatform, { name, access }: RunningSite): NonNullable<SiteInput['terraform']> {
  const { directory, s3, configuration } = platform;
  const tier = configuration.repository.tiers.s3;
  if (tier?.kind !== 's3') throw new Error('the platform has no S3 tier');
  const listens = ({ port }: { readonly port: number }) => ({ host: '127.0.0.1', port });
  return {
    ...{ directory: join(directory, 'infra'), program: findTerraform(), stateful: ['terraform_data.stores'] },
    backend: {
      ...{ kind: 's3', bucket: STATE_BUCKET, key: `${name}.tfstate`, region: s3.region, endpoint: s3.endpoint },
      ...(tier.accessKeyId === undefined ? {} : { accessKeyId: tier.accessKeyId }),
      ...(tier.secretAccessKey === undefined ? {} : { secretAccessKey: tier.secretAccessKey }),
    },
    variables: {
      ...{ site: name, start: stores(platform, name, 'start'), stop: stores(platform, name, 'stop') },
      stores: {
        postgres: listens(access.postgres),
        redis: listens(access.redis),
        rabbitmq: listens(access.rabbitmq),
      },
    },
  };
}
