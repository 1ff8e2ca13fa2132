// The configuration file's schema: declared once here; defaults, the JSON Schema for editors and the types follow.
import { z } from 'zod';
import { SYSTEM_NAMES, SYSTEMS, type SystemName } from '../systems.ts';
import { dns, dnsOfSite } from './schema-dns.ts';
import { agent, failover, fence, quiesce } from './schema-failover.ts';
import { keySet } from './schema-keys.ts';
import { notification } from './schema-notifications.ts';
import { contact, costs } from './schema-people.ts';
import { terraform } from './schema-terraform.ts';
import { witness } from './schema-witness.ts';
import { argv, duration, durationMs, path, port, secret, slug } from './values.ts';

export { durationMs } from './values.ts';

const service = z
  .strictObject({
    stop: argv.describe('stops the store and returns when it has stopped'),
    start: argv.describe('starts the store'),
  })
  .describe('how Holdfast stops and starts the store, for example ["systemctl","stop","postgresql@15-main"]');

const exec = argv.describe(
  'runs a program inside the container with its standard streams, for example ["docker","exec","-i","NAME"]',
);

const postgresContainer = z
  .strictObject({
    exec,
    port: port.default(5432).describe('the port that the server listens on inside the container'),
    binDirectory: path.optional().describe("where the server's programs are inside; default: on PATH there"),
  })
  .describe('the server runs in a container: what talks to it runs there, in its own version');

const rabbitmqContainer = z
  .strictObject({ exec, dataDirectory: path.describe('the data folder as the node inside the container sees it') })
  .describe('the node runs in a container; dataDirectory beside it is where the same folder is on this machine');

const postgres = z.strictObject({
  host: z.string().min(1),
  port: port.default(5432),
  user: z.string().min(1).default('postgres'),
  password: secret.optional(),
  database: z.string().min(1).default('postgres').describe('the database to connect to first'),
  tlsMode: z.enum(['disable', 'prefer', 'require', 'verify-ca', 'verify-full']).default('prefer'),
  tlsRootFile: path.optional(),
  binDirectory: path.optional().describe("where pg_dump and the others of the server's version are"),
  dataDirectory: path.optional().describe('needed only to restore a base backup in place'),
  service: service.optional(),
  owner: z.string().optional().describe('the system user that owns the data folder'),
  container: postgresContainer.optional(),
  checkpoint: z.enum(['fast', 'spread']).default('fast'),
  statementTimeout: duration.default('30s').describe('limit for catalogue queries'),
  walKeepLimitBytes: z
    .int()
    .min(16_777_216)
    .default(10_737_418_240)
    .describe('WAL that a base backup may hold back at the source before it lets go'),
  archiveDirectory: path
    .optional()
    .describe('where the WAL archive can be read: the newest segment is looked for there'),
});

const redis = z.strictObject({
  host: z.string().min(1),
  port: port.default(6379),
  user: z.string().optional(),
  password: secret.optional(),
  tls: z.boolean().default(false),
  tlsRootFile: path.optional(),
  tlsCertificateFile: path.optional().describe('the certificate shown to the server, which asks for one by default'),
  tlsKeyFile: path.optional().describe('its key; a file that others can read is refused'),
  binDirectory: path.optional(),
  dataDirectory: path.optional().describe('needed for the kind aof and to restore the whole store in place'),
  service: service.optional(),
  owner: z.string().optional(),
});

const freeze = z.discriminatedUnion('method', [
  z.strictObject({ method: z.literal('process').describe("SIGSTOP of the node's processes") }),
  z.strictObject({
    method: z.literal('hook').describe('commands of yours, for example a storage snapshot or docker pause'),
    freeze: argv,
    thaw: argv,
  }),
]);

const rabbitmq = z.strictObject({
  host: z.string().min(1),
  port: port.default(5672),
  management: z.url().describe('address of the management API, for example http://127.0.0.1:15672'),
  user: z.string().min(1),
  password: secret,
  tls: z.boolean().default(false),
  tlsRootFile: path.optional(),
  binDirectory: path.optional(),
  dataDirectory: path.optional().describe("the node's data folder (RABBITMQ_MNESIA_DIR); without it: definitions only"),
  pidFile: path.optional().describe("the node's pid file; default: <dataDirectory>.pid"),
  service: service.optional(),
  owner: z.string().optional(),
  container: rabbitmqContainer.optional(),
  freeze: freeze.default({ method: 'process' }),
  freezeLimitMs: z.int().min(50).max(30_000).default(2000),
});

const files = z.strictObject({
  root: path,
  patterns: z.array(z.string().min(1)).min(1).describe('glob patterns below root, for example **/*.env'),
  exclude: z.array(z.string()).default([]),
});

const tls = z.strictObject({
  certificates: z
    .array(
      z.strictObject({
        name: slug,
        certificate: path,
        key: path,
        chain: path.optional(),
        names: z.array(z.string()).default([]).describe('host names the certificate must be good for'),
      }),
    )
    .min(1),
  watchEvery: duration.default('10s'),
  warnBefore: duration.default('30d'),
});

const within = duration
  .refine((text) => durationMs(text) <= 5000, 'a check may take 5s at most: the others are shown with it')
  .default('3s')
  .describe('no answer within it is told as unknown');

const application = z.discriminatedUnion('check', [
  z.strictObject({
    name: slug,
    check: z.literal('http').describe('asks with GET; redirects are not followed'),
    url: z
      .url({ protocol: /^https?$/ })
      .refine((url) => !/^https?:\/\/[^/]*@/i.test(url), 'an address has no password in it')
      .describe('for example http://127.0.0.1:8080/health'),
    status: z.array(z.int().min(100).max(599)).min(1).default([200]).describe('statuses that mean well'),
    within,
  }),
  z.strictObject({
    name: slug,
    check: z.literal('command').describe('runs a program; status 0 means well'),
    command: argv,
    within,
  }),
]);

const site = z.strictObject({
  fence: fence.optional(),
  quiesce: quiesce.optional(),
  agent: agent.optional(),
  workDirectory: path.describe('scratch space; needs room for the largest restore'),
  scratchUser: z.string().optional().describe('unprivileged user for scratch servers when the worker is root'),
  postgres: postgres.optional(),
  redis: redis.optional(),
  rabbitmq: rabbitmq.optional(),
  config: files.optional(),
  tls: tls.optional(),
  applications: z.array(application).default([]).describe("what 'dr status' asks besides the stores"),
  dns: dnsOfSite.optional(),
  terraform: terraform.optional().describe('makes what the site stands on, before a failover restores there'),
});

const folderTier = z.strictObject({
  kind: z.literal('folder'),
  path,
  keep: duration.default('7d'),
});

const s3Tier = z.strictObject({
  kind: z.literal('s3'),
  bucket: z.string().min(3),
  prefix: z
    .string()
    .regex(/^([A-Za-z0-9._-]+\/)*$/, 'a prefix ends with /')
    .default(''),
  region: z.string().default('us-east-1'),
  endpoint: z.url().optional(),
  accessKeyId: secret.optional(),
  secretAccessKey: secret.optional(),
  storageClass: z.enum(['STANDARD', 'STANDARD_IA', 'GLACIER_IR']).default('STANDARD_IA'),
  keep: duration.default('30d'),
  partBytes: z.int().min(5_242_880).default(8_388_608),
});

const repository = z.strictObject({
  spool: path.describe("where a site's worker keeps encrypted files until they are in every tier"),
  tiers: z
    .record(slug, z.discriminatedUnion('kind', [folderTier, s3Tier]))
    .refine((tiers) => Object.keys(tiers).length > 0, 'at least one tier is needed'),
  keys: keySet,
  tlsKeys: keySet.optional().describe('key domain of certificates; default: the same as keys'),
  signing: z.strictObject({
    name: slug,
    key: secret.optional().describe('Ed25519 private key, PEM, at the witness only'),
    trusted: z.array(z.strictObject({ name: slug, publicKey: path })).min(1),
  }),
  compressionLevel: z.int().min(1).max(19).default(3),
  proofLimit: duration.default('7d'),
  minimumKept: z.int().min(1).default(2).describe('backups of each system and kind that are kept whatever their age'),
  deleteGrace: duration.default('1d').describe('time between withdrawing a backup and deleting its data'),
});

const objective = (system: SystemName) => {
  const { rtoSeconds, rpoSeconds } = SYSTEMS[system].objective;
  const values = { rto: `${rtoSeconds}s`, rpo: `${rpoSeconds}s` };
  return z.strictObject({ rto: duration.default(values.rto), rpo: duration.default(values.rpo) }).default(values);
};

const schedule = (system: SystemName) => {
  const { intervalSeconds, defaultKinds } = SYSTEMS[system];
  const values = { every: `${intervalSeconds ?? 86_400}s`, kinds: [...defaultKinds] };
  return z
    .strictObject({ every: duration.default(values.every), kinds: z.array(z.string()).min(1).default(values.kinds) })
    .default(values);
};

const bySystem = <T>(make: (system: SystemName) => T) =>
  Object.fromEntries(SYSTEM_NAMES.map((system) => [system, make(system)])) as Record<SystemName, T>;

const defaultsOf = <T extends z.ZodType>(schema: T) => schema.prefault({} as never);

export const configurationSchema = z.strictObject({
  platform: slug,
  temporal: defaultsOf(
    z.strictObject({
      address: z.string().optional(),
      namespace: z.string().default('default'),
      uiUrl: z.url().optional().describe('address of the Web UI, for the links that dr prints'),
    }),
  ),
  activeSite: slug,
  witness,
  sites: z.record(slug, site),
  repository,
  failover: defaultsOf(failover),
  objectives: defaultsOf(
    z.strictObject({
      ...bySystem(objective),
      platform: z
        .strictObject({
          rto: duration.default('2h'),
          spread: duration.optional().describe('how far apart the moments may be from which the stores are recovered'),
        })
        .default({ rto: '2h' }),
    }),
  ),
  schedules: defaultsOf(
    z.strictObject({
      ...bySystem(schedule),
      verify: z.strictObject({ every: duration.default('1d') }).default({ every: '1d' }),
      presence: z.strictObject({ every: duration.default('15min') }).default({ every: '15min' }),
      retention: z.strictObject({ every: duration.default('1d') }).default({ every: '1d' }),
    }),
  ),
  status: defaultsOf(
    z.strictObject({
      warnFreePercent: z.int().min(0).max(100).default(10).describe("free space below which 'dr status' warns"),
      failFreePercent: z.int().min(0).max(100).default(3).describe('free space below which it says failed'),
    }),
  ),
  notifications: z.array(notification).default([]),
  contacts: z.array(contact).default([]).describe("who is called; 'dr reference' prints them"),
  costs: costs.optional().describe('what an outage costs; a plan of a failover says it'),
  dns: dns.optional().describe('the public names of the platform; without it a failover moves no traffic'),
});

export type Configuration = z.output<typeof configurationSchema>;
export type SiteConfiguration = Configuration['sites'][string];
export type SystemConfiguration<S extends SystemName> = NonNullable<SiteConfiguration[S]>;
export type TierConfiguration = Configuration['repository']['tiers'][string];
export type KeySetConfiguration = Configuration['repository']['keys'];
export type KmsKeyConfiguration = KeySetConfiguration['kms'][number];
export type ApplicationConfiguration = SiteConfiguration['applications'][number];
export type TerraformConfiguration = NonNullable<SiteConfiguration['terraform']>;
export type SiteDnsConfiguration = NonNullable<SiteConfiguration['dns']>;
export type DnsConfiguration = NonNullable<Configuration['dns']>;
export type NotificationConfiguration = Configuration['notifications'][number];
export type WitnessConfiguration = Configuration['witness'];
export type ProbeConfiguration = WitnessConfiguration['probes'][number];
export type AgentConfiguration = NonNullable<SiteConfiguration['agent']>;
