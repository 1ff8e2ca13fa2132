// The active site in a network of its own, with a bucket of its own: `node west.ts`, told what it is by a line of JSON on
// standard input. Its stores listen on that network's loopback, and are reached through doors at the site's one address.
// It tells what a configuration says of it, then its checksums each time it reads another line.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { siteChecksums } from '../../../local/checksums.ts';
import { openFrontDoor } from '../../../local/front-door.ts';
import { startS3 } from '../../../local/s3.ts';
import { type SiteAccess, type SiteConfigurationInput, type SitePasswords, startSite } from '../../../local/site.ts';

export interface WestSpec {
  readonly directory: string;
  readonly address: string;
  readonly passwords: SitePasswords;
  readonly s3: {
    readonly directory: string;
    readonly bucket: string;
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
  };
}

export interface West {
  readonly configuration: SiteConfigurationInput;
  readonly access: SiteAccess;
  /** Of its bucket. */
  readonly endpoint: string;
}

const lines = createInterface(process.stdin);
const [line] = (await once(lines, 'line')) as [string];
const {
  directory,
  address,
  passwords,
  s3: { bucket, ...objectStore },
} = JSON.parse(line) as WestSpec;
const [site, s3] = await Promise.all([startSite({ directory, name: 'west', passwords }), startS3(objectStore)]);
await s3.createBucket(bucket);
const managementPort = Number(new URL(site.rabbitmq.managementUrl).port);
const ports = [
  site.postgres.port,
  site.redis.port,
  site.rabbitmq.amqpPort,
  managementPort,
  Number(new URL(s3.endpoint).port),
];
const doors = await Promise.all(ports.map((store) => openFrontDoor({ address, store, shutBy: '/nonexistent/door' })));
const [postgres = 0, redis = 0, rabbitmq = 0, management = 0, objects = 0] = doors.map(({ port }) => port);
const at = (port: number) => ({ host: address, port });
const url = `http://${address}:${management}`;
const { configuration, access } = site;
const west: West = {
  configuration: {
    ...configuration,
    ...(configuration.postgres ? { postgres: { ...configuration.postgres, ...at(postgres) } } : {}),
    ...(configuration.redis ? { redis: { ...configuration.redis, ...at(redis) } } : {}),
    ...(configuration.rabbitmq ? { rabbitmq: { ...configuration.rabbitmq, ...at(rabbitmq), management: url } } : {}),
  },
  access: {
    postgres: { ...access.postgres, ...at(postgres) },
    redis: { ...access.redis, ...at(redis) },
    rabbitmq: { ...access.rabbitmq, ...at(rabbitmq), management: url },
  },
  endpoint: `http://${address}:${objects}`,
};
const tell = (what: unknown) => process.stdout.write(`${JSON.stringify(what)}\n`);
tell(west);
for await (const _ of lines) tell(await siteChecksums(site));
