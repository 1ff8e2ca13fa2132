// A look at the store before anything is taken: who it is, how large it is, and what would make a backup fail or lie.
import type { Redis } from 'ioredis';
import type { Finding, InspectInput, SystemFacts } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { isBuiltIn } from '../../domain/systems/redis-modules.ts';
import { isRefusedCommand, pairs, withStore } from './client.ts';
import { readHold } from './rewrite-hold.ts';
import type { RedisDependencies } from './run-folder.ts';
import { type ServerFacts, serverFacts, sourceOf } from './server-facts.ts';
import { canRead, toolVersion } from './tools.ts';

const REPLICATION = [
  ['psync', ['?', '-1']],
  ['replconf', ['rdb-only', '1']],
] as const;

/**
 * *Does*: reads facts and checks rights, versions and modes. *Repeat*: reads again. *Undo*: none, nothing is changed.
 * @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED, TOOL_MISSING.
 */
export async function inspect(deps: RedisDependencies, input: InspectInput): Promise<SystemFacts> {
  return await withStore(deps.configuration, async (redis) => {
    const facts = await serverFacts(redis, deps.configuration);
    const modules = await modulesOf(redis);
    const keys = Object.values(facts.databases).reduce((sum, one) => sum + one.keys, 0);
    return {
      identity: facts.identity,
      version: facts.version,
      estimatedBytes: Number(facts.info.used_memory ?? 0),
      counts: { keys, databases: Object.keys(facts.databases).length },
      source: { ...sourceOf(facts), ...replicationFacts(facts), databases: facts.databases, modules },
      findings: [
        ...(await versionFindings(deps, facts)),
        ...modeFindings(facts, await foreignModules(deps, modules)),
        ...(await kindFindings(deps, redis, facts, input.kinds)),
        ...(await defaultUserFindings(redis, facts)),
        ...(await leftovers(deps)),
      ],
    };
  });
}

function replicationFacts({ info }: ServerFacts) {
  const number = (name: string) => Number(info[name] ?? 0);
  return {
    offset: number('master_repl_offset'),
    replicas: number('connected_slaves'),
    latestForkMicros: number('latest_fork_usec'),
    usedMemoryRssBytes: number('used_memory_rss'),
    maxMemoryBytes: number('maxmemory'),
    linkStatus: info.master_link_status ?? null,
  };
}

async function modulesOf(redis: Redis): Promise<readonly string[]> {
  try {
    const list = (await redis.call('MODULE', 'LIST')) as string[][];
    return list.map((flat) => pairs(flat).name ?? '?');
  } catch (error) {
    if (isRefusedCommand(error)) return [];
    throw error;
  }
}

async function foreignModules(deps: RedisDependencies, modules: readonly string[]): Promise<readonly string[]> {
  if (modules.length === 0) return [];
  const ours = await toolVersion(deps.configuration);
  return modules.filter((name) => !isBuiltIn(name, ours));
}

async function versionFindings(deps: RedisDependencies, facts: ServerFacts): Promise<readonly Finding[]> {
  const ours = await toolVersion(deps.configuration);
  const subject = `Redis ${facts.version}`;
  if (canRead(ours, facts.version)) return [finding('ok', subject, `the tools here (${ours}) read what it writes`)];
  const message = `the tools here are ${ours} and cannot read what it writes`;
  const line = facts.version.split('.').slice(0, 2).join('.');
  return [finding('failed', subject, message, 'VERSION_UNFIT', `install redis-server ${line} or newer on this worker`)];
}

function modeFindings(facts: ServerFacts, modules: readonly string[]): readonly Finding[] {
  const found: Finding[] = [];
  if (facts.isCluster)
    found.push(
      finding(
        'failed',
        'cluster mode',
        'a backup of one node holds only its own slots',
        'VERSION_UNFIT',
        'protect each primary as a site of its own, or export by key',
      ),
    );
  for (const name of modules)
    found.push(
      finding(
        'warning',
        `module "${name}"`,
        'keys of its types are stored, but no scratch server here can load them: such a backup is never proven',
        null,
        'keep such keys in a Redis of their own, or export them with the means of the module',
      ),
    );
  if (facts.role === 'slave' && facts.info.master_link_status !== 'up')
    found.push(finding('warning', 'replica', 'its link to the primary is down: the content may be old', null));
  return found;
}

async function kindFindings(
  deps: RedisDependencies,
  redis: Redis,
  facts: ServerFacts,
  kinds: readonly string[],
): Promise<readonly Finding[]> {
  const isWanted = (kind: string) => kinds.includes(kind) || kinds.length === 0;
  const found: Finding[] = [];
  if (isWanted('rdb')) found.push(...(await replicationRights(deps, redis)));
  if (kinds.includes('aof')) found.push(...aofFindings(deps, facts));
  return found;
}

async function replicationRights(deps: RedisDependencies, redis: Redis): Promise<readonly Finding[]> {
  const known = (await redis.call('COMMAND', 'INFO', ...REPLICATION.map(([name]) => name))) as unknown[];
  if (known.some((one) => one === null))
    return [
      finding(
        'failed',
        'snapshot over the wire',
        'the service does not offer PSYNC',
        'ACCESS_DENIED',
        "use the provider's snapshots for this store; Holdfast cannot take them",
      ),
    ];
  const user = deps.configuration.user ?? 'default';
  const lacking: string[] = [];
  try {
    for (const [name, args] of REPLICATION) {
      const answer = String(await redis.call('ACL', 'DRYRUN', user, name, ...args));
      if (answer !== 'OK') lacking.push(`+${name}`);
    }
  } catch (error) {
    if (!isRefusedCommand(error)) throw error;
    return [
      finding(
        'warning',
        `user "${user}"`,
        'its rights could not be checked: it may not ask for them',
        'COULD_NOT_VERIFY',
        `ACL SETUSER ${user} +acl|dryrun`,
      ),
    ];
  }
  if (lacking.length === 0) return [finding('ok', `user "${user}"`, 'may take a snapshot over the wire')];
  return [
    finding(
      'failed',
      `user "${user}"`,
      `lacks ${lacking.join(' ')}`,
      'ACCESS_DENIED',
      `ACL SETUSER ${user} +psync +sync +replconf`,
    ),
  ];
}

function aofFindings(deps: RedisDependencies, facts: ServerFacts): readonly Finding[] {
  const subject = 'append-only files';
  if (deps.configuration.dataDirectory === undefined)
    return [
      finding(
        'failed',
        subject,
        "the configuration names no 'dataDirectory'",
        'NO_FILE_ACCESS',
        'add redis.dataDirectory, or choose the kind rdb',
      ),
    ];
  if (facts.files === null)
    return [
      finding(
        'failed',
        subject,
        'the settings of the server cannot be read, or it keeps one file, not parts',
        'VERSION_UNFIT',
        'choose the kind rdb',
      ),
    ];
  if (facts.files.appendonly !== 'yes')
    return [finding('failed', subject, 'the server keeps none', 'NO_FILE_ACCESS', 'CONFIG SET appendonly yes')];
  return [finding('ok', subject, 'are kept')];
}

// Redis 7.0 loads the transactions in its append-only files with the rights of the user `default` (createAOFClient in
// redis/src/aof.c); without them it drops each transaction silently at every start.
async function defaultUserFindings(redis: Redis, facts: ServerFacts): Promise<readonly Finding[]> {
  if (facts.files?.appendonly !== 'yes') return [];
  try {
    const line = ((await redis.call('ACL', 'LIST')) as string[]).find((one) => one.startsWith('user default ')) ?? '';
    if (line.includes(' ~* ') && line.endsWith(' +@all')) return [];
  } catch (error) {
    if (isRefusedCommand(error)) return [];
    throw error;
  }
  return [
    finding(
      'warning',
      'user "default"',
      'has not all rights: when Redis starts from its append-only files it drops transactions silently',
      null,
      'ACL SETUSER default off ~* &* +@all',
    ),
  ];
}

async function leftovers(deps: RedisDependencies): Promise<readonly Finding[]> {
  const hold = await readHold(deps);
  if (hold === null) return [];
  const message = 'automatic rewriting is off for a copy that runs now, or that was killed';
  return [
    finding('warning', 'append-only files', message, null, `CONFIG SET auto-aof-rewrite-percentage ${hold.original}`),
  ];
}

function finding(
  level: Finding['level'],
  subject: string,
  message: string,
  code: string | null = null,
  mend?: string,
): Finding {
  return { level, subject, message, code, ...(mend === undefined ? {} : { mend }) };
}

/** Refuses a cluster node as the target of a restore. @throws {Failure} TARGET_UNSAFE. */
export function requireStandalonePrimary(facts: ServerFacts): void {
  if (facts.isCluster) throw new Failure('TARGET_UNSAFE', `'${facts.identity}' is a node of a cluster`);
  if (facts.role !== 'master')
    throw new Failure('TARGET_UNSAFE', `'${facts.identity}' is a replica: restore its primary`);
}
