// A whole platform on one machine: Temporal, an S3 server, one site, keys, and the `holdfast.yaml` that describes it.
// The demo and the integration tests share it.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { configurationSchema } from '../domain/configuration/schema.ts';
import { makePassage, makePrivate } from './folders.ts';
import { fileReference, type KeyConfiguration, makeKeys } from './keys.ts';
import { type LocalS3, startS3 } from './s3.ts';
import { type RunningSite, type SitePasswords, startSite } from './site.ts';
import { type Stoppable, startTogether, stopTogether } from './started.ts';
import { type RunningTemporal, startTemporal, type TemporalFacts, useTemporal } from './temporal.ts';

export type ConfigurationInput = z.input<typeof configurationSchema>;
type TierInput = ConfigurationInput['repository']['tiers'][string];

export interface RunningPlatform {
  readonly name: string;
  readonly directory: string;
  /** The file that `dr --config` and `dr worker --config` take. */
  readonly configurationFile: string;
  readonly configuration: ConfigurationInput;
  readonly temporal: TemporalFacts;
  /** Null when the server was there before and is not ours to stop. */
  readonly ownTemporal: RunningTemporal | null;
  readonly s3: LocalS3;
  readonly site: RunningSite;
  /** The other site, when one was asked for. */
  readonly standby: RunningSite | null;
  /** Ends every process that was started. Folders stay. */
  stop(): Promise<void>;
  /** Stops, then removes the folder with everything in it. */
  remove(): Promise<void>;
}

export interface PlatformSpec {
  /** Everything lives below it; default: a new folder below the system's temporary one. */
  readonly directory?: string;
  readonly name?: string;
  readonly site?: string;
  /** Name of a second site with stores of its own, which nobody uses yet. */
  readonly standby?: string;
  /** Whose signatures a failover needs: names and public keys. */
  readonly approvers?: NonNullable<ConfigurationInput['failover']>['approvers'];
  /** A Temporal server to use instead of starting one. */
  readonly temporalAddress?: string | undefined;
  /** Lines of postgresql.conf besides ours. */
  readonly postgresSettings?: Readonly<Record<string, string>>;
  /** Called as each part is up. */
  readonly onPart?: (part: string) => void;
}

/** Starts everything in parallel. @throws when a part cannot start; nothing is left running then. */
export async function startPlatform(spec: PlatformSpec = {}): Promise<RunningPlatform> {
  const directory = spec.directory ?? (await mkdtemp(join(tmpdir(), 'holdfast-')));
  await makePassage(directory);
  return startBelow(directory, spec).catch(async (error) => {
    if (spec.directory === undefined) await rm(directory, { recursive: true, force: true });
    throw error;
  });
}

async function startBelow(directory: string, spec: PlatformSpec): Promise<RunningPlatform> {
  const below = (part: string) => join(directory, part);
  const { name = 'demo', site: siteName = 'one' } = spec;
  await Promise.all(['repository', 'spool', 'witness', 's3'].map((part) => makePrivate(below(part))));
  const passwords = { postgres: newPassword(), redis: newPassword(), rabbitmq: newPassword() };
  const told = <T>(part: string, starting: Promise<T>) => starting.finally(() => spec.onPart?.(part));
  const [temporal, s3, site, keys, standby] = await startTogether([
    told('Temporal', temporalOf(below('temporal'), spec.temporalAddress)),
    told('S3 server', s3Of(below('s3'))),
    told(
      'PostgreSQL, Redis and RabbitMQ',
      startSite({
        directory: below(`site-${siteName}`),
        name: siteName,
        postgresSettings: spec.postgresSettings ?? {},
        passwords,
      }),
    ),
    told('keys', makeKeys(below('keys')).then(stopsByItself)),
    standbyOf(spec.standby, directory, passwords),
  ]);
  const sites = standby.site === null ? [site] : [site, standby.site];
  const configuration = configurationOf({ name, directory, keys: keys.value, temporal, tier: s3.tier, sites, spec });
  const configurationFile = await writeConfiguration(directory, configuration);
  const stop = () => stopTogether([temporal, s3, site, standby]);
  const remove = async () => {
    if (!existsSync(directory)) return; // Removed before.
    await stop();
    await rm(directory, { recursive: true, force: true });
  };
  return {
    ...{ name, directory, configurationFile, configuration, site, stop, remove },
    temporal: temporal.facts,
    ownTemporal: temporal.own,
    s3: s3.server,
    standby: standby.site,
  };
}

const stopsByItself = <T>(value: T) => ({ value, stop: async () => undefined });

const newPassword = () => randomBytes(18).toString('base64url');

async function standbyOf(name: string | undefined, directory: string, passwords: SitePasswords) {
  const below = join(directory, `site-${name}`);
  const site = name === undefined ? null : await startSite({ directory: below, name, passwords });
  return { site, stop: async () => site?.stop() };
}

interface TemporalPart extends Stoppable {
  readonly facts: TemporalFacts;
  readonly own: RunningTemporal | null;
}

async function temporalOf(directory: string, address: string | undefined): Promise<TemporalPart> {
  if (address !== undefined) return { facts: await useTemporal(address), own: null, stop: async () => undefined };
  const own = await startTemporal({ directory });
  return { facts: own, own, stop: () => own.stop() };
}

interface S3Part extends Stoppable {
  readonly server: LocalS3;
  readonly tier: TierInput;
}

const BUCKET = 'holdfast-backups';

async function s3Of(directory: string): Promise<S3Part> {
  const secrets = { accessKeyId: randomBytes(10).toString('hex'), secretAccessKey: randomBytes(30).toString('hex') };
  const server = await startS3({ directory, ...secrets });
  await server.createBucket(BUCKET);
  const tier: TierInput = {
    kind: 's3',
    ...{ bucket: BUCKET, region: server.region, endpoint: server.endpoint },
    accessKeyId: await secretFile(directory, 'access-key-id', secrets.accessKeyId),
    secretAccessKey: await secretFile(directory, 'secret-access-key', secrets.secretAccessKey),
  };
  return { server, tier, stop: () => server.stop() };
}

async function secretFile(directory: string, name: string, secret: string): Promise<string> {
  const file = join(directory, name);
  await writeFile(file, secret, { mode: 0o600 });
  return fileReference(file);
}

interface PlatformFacts {
  readonly name: string;
  readonly directory: string;
  readonly keys: KeyConfiguration;
  readonly temporal: TemporalPart;
  readonly tier: TierInput;
  /** The active one first. */
  readonly sites: readonly RunningSite[];
  readonly spec: PlatformSpec;
}

function configurationOf({ name, directory, keys, temporal, tier, sites, spec }: PlatformFacts): ConfigurationInput {
  return {
    platform: name,
    temporal: {
      address: temporal.facts.address,
      ...(temporal.facts.uiUrl === null ? {} : { uiUrl: temporal.facts.uiUrl }),
    },
    activeSite: sites[0]?.name ?? '',
    witness: { directory: join(directory, 'witness') },
    sites: Object.fromEntries(sites.map((site) => [site.name, site.configuration])),
    ...(spec.approvers === undefined ? {} : { failover: { approvers: spec.approvers } }),
    repository: {
      spool: join(directory, 'spool'),
      tiers: { local: { kind: 'folder', path: join(directory, 'repository') }, s3: tier },
      ...keys,
    },
  };
}

async function writeConfiguration(directory: string, configuration: ConfigurationInput): Promise<string> {
  configurationSchema.parse(configuration);
  const file = join(directory, 'holdfast.yaml');
  await writeFile(file, stringify(configuration, { aliasDuplicateObjects: false }), { mode: 0o600 });
  return file;
}
