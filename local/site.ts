// One site of a platform: real PostgreSQL, Redis and RabbitMQ, a folder of configuration, and TLS certificates.
import { join } from 'node:path';
import type { z } from 'zod';
import type { configurationSchema } from '../domain/configuration/schema.ts';
import { type MadeCertificate, makeCertificates } from './certificates.ts';
import { CONFIG_PATTERNS, writeConfigFolder } from './config-folder.ts';
import type { PostgresAccess } from './dataset/postgres-data.ts';
import type { RabbitmqAccess } from './dataset/rabbitmq-data.ts';
import type { RedisAccess } from './dataset/redis-data.ts';
import { makePassage } from './folders.ts';
import { type RunningPostgres, startPostgres } from './postgres.ts';
import { type LocalRabbitmq, startRabbitmq } from './rabbitmq.ts';
import { type LocalRedis, passwordOf, startRedis } from './redis.ts';
import { storeUser } from './servers.ts';
import { startTogether, stopTogether } from './started.ts';

export type SiteConfigurationInput = z.input<typeof configurationSchema>['sites'][string];

/** How clients of the demo and the tests reach the stores, secrets included. */
export interface SiteAccess {
  readonly postgres: PostgresAccess;
  readonly redis: RedisAccess;
  readonly rabbitmq: RabbitmqAccess;
}

export interface RunningSite {
  readonly name: string;
  readonly directory: string;
  readonly postgres: RunningPostgres;
  readonly redis: LocalRedis;
  readonly rabbitmq: LocalRabbitmq;
  readonly configDirectory: string;
  readonly tlsDirectory: string;
  readonly certificates: readonly MadeCertificate[];
  readonly access: SiteAccess;
  /** What the platform's configuration file says about this site. */
  readonly configuration: SiteConfigurationInput;
  stop(): Promise<void>;
}

export interface SiteSpec {
  /** Everything of the site lives below it; its parents must be open to the store user. */
  readonly directory: string;
  readonly name: string;
  /** Lines of postgresql.conf besides ours. */
  readonly postgresSettings?: Readonly<Record<string, string>>;
  /** A restore brings the accounts with their passwords: sites that take over from each other have the same ones. */
  readonly passwords?: SitePasswords;
}

export type SitePasswords = Readonly<Record<'postgres' | 'redis' | 'rabbitmq', string>>;

/** Starts the stores of a site in parallel and writes its configuration and certificates. */
export async function startSite({ directory, name, postgresSettings = {}, passwords }: SiteSpec): Promise<RunningSite> {
  await makePassage(directory);
  const below = (part: string) => join(directory, part);
  await Promise.all(['config', 'tls', 'postgres', 'redis', 'rabbitmq', 'work'].map((part) => makePassage(below(part))));
  const configDirectory = below('config');
  await writeConfigFolder(configDirectory);
  const tlsDirectory = below('tls');
  const certificates = await makeCertificates(tlsDirectory, ['gateway', 'orchestrator']);
  const [postgres, redis, rabbitmq] = await startTogether([
    startPostgres({ directory: below('postgres'), settings: postgresSettings, password: passwords?.postgres }),
    startRedis({ directory: below('redis'), password: passwords?.redis }),
    startRabbitmq({ directory: below('rabbitmq'), password: passwords?.rabbitmq }),
  ]);
  const user = storeUser();
  const configuration: SiteConfigurationInput = {
    workDirectory: below('work'),
    ...(user === undefined ? {} : { scratchUser: user }),
    postgres: postgres.configuration,
    redis: redis.configuration,
    rabbitmq: rabbitmq.configuration,
    config: { root: configDirectory, patterns: CONFIG_PATTERNS },
    tls: { certificates },
  };
  const stores = { postgres, redis, rabbitmq };
  const access = await accessOf(stores);
  const stop = () => stopTogether(Object.values(stores));
  return { name, directory, ...stores, configDirectory, tlsDirectory, certificates, access, configuration, stop };
}

async function accessOf(stores: Pick<RunningSite, 'postgres' | 'redis' | 'rabbitmq'>): Promise<SiteAccess> {
  const { postgres, redis, rabbitmq } = stores;
  const host = '127.0.0.1';
  return {
    postgres: { host, port: postgres.port, user: postgres.configuration.user, password: postgres.password },
    redis: {
      host,
      port: redis.port,
      username: redis.configuration.user ?? 'default',
      password: await passwordOf(redis),
    },
    rabbitmq: {
      ...{ host, port: rabbitmq.amqpPort, management: rabbitmq.managementUrl },
      ...{ user: rabbitmq.user, password: rabbitmq.password },
    },
  };
}
