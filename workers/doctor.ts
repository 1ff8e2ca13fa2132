// Everything that a backup or a restore needs, tried now and on this machine, without Temporal and without a worker.
// `node workers/doctor.ts --config FILE --site NAME` prints sections of findings as JSON; `dr doctor` shows them.
import { access, constants, readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runTool } from '../activities/shared/run-tool.ts';
import { resolveSecret } from '../activities/shared/secrets.ts';
import { kindsToTake, systemsOf } from '../domain/configuration/protection.ts';
import type { Configuration, SiteConfiguration } from '../domain/configuration/schema.ts';
import type { Finding, SystemFacts } from '../domain/contracts/protected-system.ts';
import { describeFailure, Failure } from '../domain/failures.ts';
import { formatBytes } from '../domain/quantities.ts';
import { SYSTEMS, type SystemName } from '../domain/systems.ts';
import { readConfiguration } from './configuration-file.ts';
import { checkDns } from './doctor-dns.ts';
import { checkHandover } from './doctor-handover.ts';
import { checkKeys } from './doctor-keys.ts';
import { firstWith, pathFolders } from './doctor-programs.ts';
import { checkTerraform } from './doctor-terraform.ts';
import { checkClock } from './store-clocks.ts';
import { buildRepository, buildSystems } from './wiring.ts';
import { within } from './within.ts';

interface Section {
  readonly title: string;
  readonly findings: readonly Finding[];
}

interface Subject {
  readonly configuration: Configuration;
  readonly site: string;
}

function requireSite({ configuration, site }: Subject): SiteConfiguration {
  const found = configuration.sites[site];
  if (found === undefined) throw new Failure('USAGE', `the configuration has no site '${site}'`);
  return found;
}

const LIMIT_MS = 45_000;

const ok = (subject: string, message: string): Finding => ({ level: 'ok', subject, message, code: null });

/** Runs a check; whatever it throws, and its silence, is a finding of its own. */
async function attempt(subject: string, check: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await within(LIMIT_MS, check);
  } catch (error) {
    const failure = error as Failure;
    const message = describeFailure(failure.code, failure.message, failure.details);
    return [{ level: 'failed', subject, message, code: failure.code }];
  }
}

// Programs that something here starts, with what breaks without them. A system's own inspection tells their versions.
const TOOLS: Readonly<Record<SystemName | 'machine', readonly [name: string, install: string][]>> = {
  machine: [
    ['setpriv', 'apt-get install util-linux'],
    ['unshare', 'apt-get install util-linux'],
  ],
  postgres: [
    'pg_dump',
    'pg_dumpall',
    'pg_restore',
    'psql',
    'pg_basebackup',
    'postgres',
    'pg_verifybackup',
    'pg_amcheck',
  ].map((name) => [name, 'apt-get install postgresql']),
  redis: ['redis-server', 'redis-cli', 'redis-check-rdb', 'redis-check-aof'].map((name) => [
    name,
    'apt-get install redis-server',
  ]),
  rabbitmq: [
    ['rabbitmq-server', 'apt-get install rabbitmq-server'],
    ['erl', 'apt-get install erlang-base'],
  ],
  config: [],
  tls: [],
};

async function checkTools(of: keyof typeof TOOLS, binDirectory: string | undefined): Promise<readonly Finding[]> {
  const folders = [...(binDirectory ? [binDirectory] : []), ...(await knownFolders())];
  const looks = TOOLS[of].map(([name, install]) =>
    attempt(`tool ${name}`, async () => {
      const path = await firstWith(folders, name);
      if (path === null) throw new Failure('TOOL_MISSING', `'${name}' is not on this machine`, { install });
      return [ok(`tool ${name}`, `${path}${await versionOf(path)}`)];
    }),
  );
  return (await Promise.all(looks)).flat();
}

// The broker's programs start a whole virtual machine to tell their version, and redis-check-aof does not tell it at all:
// the store tells its own when it is inspected.
async function versionOf(path: string): Promise<string> {
  if (/\/(rabbitmq-server|erl|redis-check-aof)$/.test(path)) return '';
  const words = await runTool({ command: path, args: ['--version'] });
  const version = /\d+\.\d[\w.]*/.exec(words)?.[0];
  return version === undefined ? '' : ` ${version}`;
}

async function knownFolders(): Promise<string[]> {
  const versions = await readdir('/usr/lib/postgresql').catch(() => []);
  return [...pathFolders(), ...versions.map((version) => join('/usr/lib/postgresql', version, 'bin'))];
}

async function checkMachine({ configuration, site }: Subject): Promise<Finding[]> {
  const needsUser = process.getuid?.() === 0 && configuration.sites[site]?.scratchUser === undefined;
  const user: Finding[] = needsUser
    ? [
        {
          level: 'warning',
          subject: 'scratch user',
          message: 'this runs as root, and PostgreSQL refuses to: scratch servers need another user',
          code: null,
          mend: `set sites.${site}.scratchUser, for example to postgres`,
        },
      ]
    : [];
  return [ok('Node.js', process.versions.node), ...(await checkTools('machine', undefined)), ...user];
}

/** References that this site's work resolves; the keys are looked at on their own. */
function secretsOf(value: unknown): string[] {
  if (typeof value === 'string') return /^\$\{(env|file|command):/.test(value) ? [value] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(secretsOf) : [];
}

async function checkSecrets({ configuration, site }: Subject): Promise<readonly Finding[]> {
  const { sites, repository, notifications, dns } = configuration;
  const references = [...new Set(secretsOf([sites[site], repository.tiers, notifications, dns]))];
  const found = await Promise.all(
    references.map((reference) =>
      attempt(`secret ${reference.startsWith('${command:') ? 'command' : reference}`, async () => {
        await resolveSecret(reference);
        return [];
      }),
    ),
  );
  const bad = found.flat();
  return bad.length > 0 ? bad : [ok('secrets', `${references.length} can be read`)];
}

async function inspectSystem(
  { configuration, site }: Subject,
  name: SystemName,
  known: SystemFacts[],
): Promise<readonly Finding[]> {
  const system = buildSystems(configuration, site, buildRepository(configuration))[name];
  if (system === undefined) return [];
  const facts = await system.inspect({ site, kinds: kindsToTake(configuration, site, name) });
  known.push(facts);
  const size = facts.estimatedBytes > 0 ? `, about ${formatBytes(facts.estimatedBytes)}` : '';
  const kinds = kindsToTake(configuration, site, name).join(', ');
  return [ok(SYSTEMS[name].title, `${facts.version}${size}; backups: ${kinds}`), ...facts.findings];
}

// What runs inside is looked at by the store's own inspection; here it is told whether the container can be entered.
async function checkContainer(settings: SiteConfiguration[SystemName]): Promise<readonly Finding[]> {
  if (settings === undefined || !('container' in settings) || settings.container === undefined) return [];
  const { container } = settings;
  return attempt('container', async () => {
    await runTool({ command: 'sh', args: ['-c', 'test -w /dev/shm'], container });
    return [ok('container', `entered with '${container.exec.join(' ')}'`)];
  });
}

async function checkSystem(subject: Subject, name: SystemName, known: SystemFacts[]): Promise<Section> {
  const site = requireSite(subject);
  const settings = site[name];
  const binDirectory = settings && 'binDirectory' in settings ? settings.binDirectory : undefined;
  const tools = [...(await checkTools(name, binDirectory)), ...(await checkContainer(settings))];
  const looked = await attempt(SYSTEMS[name].title, () => inspectSystem(subject, name, known));
  // A store that cannot be reached has been told already.
  const isReached = !looked.some(({ code }) => code === 'STORE_UNREACHABLE');
  const clock = isReached && settings ? await attempt('clock', () => checkClock(site, name)) : [];
  return { title: SYSTEMS[name].title, findings: [...tools, ...looked, ...clock] };
}

async function checkRepository({ configuration }: Subject): Promise<readonly Finding[]> {
  const facts = await buildRepository(configuration).activities.prepare({ run: 'doctor' });
  const tiers = facts.tiers.map(({ name, kind, freeBytes, createOnly }): Finding => {
    const free = freeBytes === null ? '' : `, ${formatBytes(freeBytes)} free`;
    if (createOnly) return ok(`tier ${name}`, `${kind}, keeps what is written (create-only)${free}`);
    const message = describeFailure('REPOSITORY_UNSAFE', `tier '${name}' lets a writer replace what is stored`);
    return { level: 'failed', subject: `tier ${name}`, message, code: 'REPOSITORY_UNSAFE' };
  });
  return [...tiers, ...facts.findings];
}

interface Room {
  readonly name: string;
  readonly path: string;
  readonly needBytes: number;
}

function rooms({ configuration, site }: Subject, known: readonly SystemFacts[]): Room[] {
  const sizes = known.map(({ estimatedBytes }) => estimatedBytes);
  return [
    { name: 'spool', path: configuration.repository.spool, needBytes: sizes.reduce((sum, one) => sum + one, 0) },
    // A restore holds the opened backup and the scratch server beside each other.
    {
      name: 'work folder',
      path: configuration.sites[site]?.workDirectory ?? '/',
      needBytes: 2 * Math.max(0, ...sizes),
    },
    { name: 'witness folder', path: configuration.witness.directory, needBytes: 0 },
  ];
}

async function checkRoom({ name, path, needBytes }: Room): Promise<readonly Finding[]> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error) {
    const message = `'${path}' is not there yet (${found.code}): the first worker makes it`;
    return [{ level: 'warning', subject: name, message, code: null, mend: `install -d -m 700 ${path}` }];
  }
  await access(path, constants.R_OK | constants.W_OK).catch((cause) => {
    throw new Failure('ACCESS_DENIED', `'${path}' cannot be written`, { need: `chown and chmod 700 ${path}` }, cause);
  });
  const { bavail, bsize } = await statfs(path);
  const free = bavail * bsize;
  if (free < needBytes) {
    const need = formatBytes(needBytes);
    throw new Failure('NO_SPACE', `'${path}' has ${formatBytes(free)} free and needs about ${need}`, {
      path,
      needBytes: needBytes - free,
    });
  }
  const open = (found.mode & 0o077) !== 0 ? '; others may look into it' : '';
  return [ok(name, `${path}, ${formatBytes(free)} free${open}`)];
}

async function checkNames({ configuration }: Subject): Promise<Section[]> {
  const { dns } = configuration;
  return dns ? [{ title: 'DNS', findings: await checkDns(configuration, dns, attempt) }] : [];
}

async function examine(subject: Subject): Promise<Section[]> {
  const known: SystemFacts[] = [];
  const [machine, secrets, keys, ...systems] = await Promise.all([
    checkMachine(subject),
    checkSecrets(subject),
    checkKeys(subject.configuration.repository, (name, check) => attempt(name, check)),
    ...systemsOf(subject.configuration, subject.site).map((name) => checkSystem(subject, name, known)),
  ]);
  const repository = await attempt('repository', () => checkRepository(subject));
  const space = await Promise.all(rooms(subject, known).map((room) => attempt(room.name, () => checkRoom(room))));
  return [
    { title: 'this machine', findings: [...machine, ...space.flat()] },
    { title: 'secrets and keys', findings: [...secrets, ...keys] },
    ...systems,
    { title: 'repository', findings: repository },
    ...(await checkNames(subject)),
    ...(await checkTerraform(subject.configuration, attempt)),
    ...(await checkHandover(requireSite(subject))),
  ];
}

const { values } = parseArgs({ options: { config: { type: 'string' }, site: { type: 'string' } } });
const configuration = await readConfiguration(values.config ?? 'holdfast.yaml');
const sections = await examine({ configuration, site: values.site ?? configuration.activeSite });
// A store that does not answer may hold connections open: the answer is complete, so the process ends here.
process.stdout.write(`${JSON.stringify(sections)}\n`, () => process.exit(0));
