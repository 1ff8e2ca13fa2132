// Planning a restore: looks at the backup and the target, and says what would happen. Nothing live is touched.
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { StoredBackup } from '../../domain/contracts/backup-content.ts';
import type { RestorePlan, RestoreRequest } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { canonicalJson, type JsonValue } from '../../domain/json.ts';
import { unloadableTypes } from '../../domain/systems/redis-modules.ts';
import {
  modeOf,
  type RestoreMode,
  requireKnownRequest,
  selectionOf,
  stepsOf,
} from '../../domain/systems/redis-restore.ts';
import { describeTtl, type TtlPolicy, ttlPolicy } from '../../domain/systems/redis-ttl.ts';
import { addressOf, infoOf, settingsOf, withStore } from './client.ts';
import { differenceOf } from './copy-keys.ts';
import { extrasDifference } from './extras.ts';
import { requireStandalonePrimary } from './inspect.ts';
import { contextOf, keptFolder, type Observed, withBoth } from './restore-context.ts';
import { type RedisDependencies, runName } from './run-folder.ts';
import { endScratch } from './scratch.ts';
import { type ServerFacts, type ServerFiles, serverFacts } from './server-facts.ts';
import { inventoryOf } from './stored-content.ts';
import { canRead, requireReadable } from './tools.ts';

/**
 * *Does*: opens the backup, checks that it fits, compares it with the target and writes the plan. For a restore by key
 * it loads the backup into the run's scratch server. *Repeat*: plans again from what is there then.
 * *Undo*: none; `finishRestore` ends the scratch server.
 * @throws {Failure} USAGE, PART_NOT_FOUND, VERSION_UNFIT, TARGET_MISMATCH, TARGET_UNSAFE, NO_FILE_ACCESS,
 * STORE_UNREACHABLE, and what the reader throws.
 */
export async function planRestore(deps: RedisDependencies, request: RestoreRequest): Promise<RestorePlan> {
  requireKnownRequest(request);
  const stored = await deps.reader.open(request.backup, request.tier ?? undefined);
  const tools = await requireReadable(deps.configuration, String(stored.manifest.source.version ?? '0.0.0'));
  requireForm(request, stored);
  requireLoadable(stored, tools);
  const ttl = ttlPolicy(request.options, Date.parse(stored.manifest.momentAt), Date.now());
  const mode = modeOf(request, hasFilesAndService(deps));
  const live = mode === 'scratch' ? null : await lookAtTarget(deps, request, stored, mode);
  if (live !== null) await requireFit(deps, stored, { live, mode, tools });
  const observed: Observed = {
    mode,
    ttl,
    identity: mode === 'scratch' ? null : addressOf(deps.configuration),
    runId: live?.runId ?? null,
    files: live?.files ?? (stored.manifest.source.files as unknown as ServerFiles | undefined) ?? null,
  };
  return await withDifference(deps, stored, draft(deps, request, stored, { observed, live, ttl }));
}

type Draft = Omit<RestorePlan, 'digest'>;

interface Seen {
  readonly observed: Observed;
  readonly live: ServerFacts | null;
  readonly ttl: TtlPolicy;
}

function requireForm({ options }: RestoreRequest, { manifest }: StoredBackup): void {
  if (options.form !== undefined && options.form !== manifest.kind)
    throw new Failure(
      'PART_NOT_FOUND',
      `backup '${manifest.backupId}' holds the form ${manifest.kind}, not ${options.form}`,
      { backup: manifest.backupId },
    );
  if (manifest.kind === 'aof' && (options.ttl ?? 'absolute') !== 'absolute')
    throw new Failure('USAGE', 'expiry times can be moved in a snapshot only, not in append-only files');
}

function requireLoadable({ manifest }: StoredBackup, tools: string): void {
  const types = unloadableTypes((manifest.source.moduleTypes ?? []) as readonly string[], tools);
  if (types.length > 0)
    throw new Failure('VERSION_UNFIT', `the backup holds keys of the module types ${types.join(', ')}`, {
      need: 'a Redis with these modules, and its own means to load the snapshot: no scratch server here has them',
    });
}

function hasFilesAndService({ configuration }: RedisDependencies): boolean {
  return configuration.dataDirectory !== undefined && configuration.service !== undefined;
}

// A store that is down can still get new files; it cannot get keys.
async function lookAtTarget(
  deps: RedisDependencies,
  request: RestoreRequest,
  { manifest }: StoredBackup,
  mode: RestoreMode,
): Promise<ServerFacts | null> {
  const expected = request.expectedIdentity ?? String(manifest.source.identity);
  const identity = addressOf(deps.configuration);
  if (identity !== expected)
    throw new Failure('TARGET_MISMATCH', `the target is '${identity}', but the restore is for '${expected}'`);
  try {
    return await withStore(deps.configuration, (redis) => serverFacts(redis, deps.configuration));
  } catch (error) {
    if (mode === 'inPlace' && error instanceof Failure && error.code === 'STORE_UNREACHABLE') return null;
    throw error;
  }
}

interface Fit {
  readonly live: ServerFacts;
  readonly mode: RestoreMode;
  readonly tools: string;
}

async function requireFit(deps: RedisDependencies, stored: StoredBackup, { live, mode, tools }: Fit): Promise<void> {
  requireStandalonePrimary(live);
  const writer = mode === 'keys' ? tools : String(stored.manifest.source.version);
  if (!canRead(live.version, writer))
    throw new Failure(
      'VERSION_UNFIT',
      `the live server is Redis ${live.version} and cannot read what ${writer} writes`,
      { need: `Redis ${writer} or newer as the target` },
    );
  await withStore(deps.configuration, async (redis) => {
    const { databases, maxmemory } = await settingsOf(redis, 'databases', 'maxmemory');
    const { databases: held = {} } = await inventoryOf(stored);
    const highest = Math.max(0, ...Object.keys(held).map(Number));
    if (highest >= Number(databases))
      throw new Failure('TARGET_UNSAFE', `the backup uses database ${highest}, the live server has ${databases}`);
    const needed = Number(stored.manifest.source.usedMemoryBytes ?? 0);
    if (Number(maxmemory) > 0 && mode === 'inPlace' && needed > Number(maxmemory))
      throw new Failure('TARGET_UNSAFE', `the backup needs about ${needed} bytes of memory, maxmemory is ${maxmemory}`);
  });
}

function draft(deps: RedisDependencies, request: RestoreRequest, { manifest }: StoredBackup, seen: Seen): Draft {
  const { observed, live, ttl } = seen;
  return {
    request,
    summary: [
      `backup '${manifest.backupId}' of ${manifest.momentAt}: ${manifest.counts.keys ?? manifest.counts.keysInBase} keys`,
      describeTtl(ttl),
      ...wayLines(deps, request, observed, live),
    ],
    difference: {},
    warnings:
      observed.mode === 'scratch' ? [] : ['stop the applications: what they write meanwhile shows as a difference'],
    steps: stepsOf(observed.mode, request.options),
    observed: observed as unknown as Readonly<Record<string, JsonValue>>,
  };
}

function wayLines(
  deps: RedisDependencies,
  request: RestoreRequest,
  { mode }: Observed,
  live: ServerFacts | null,
): string[] {
  const now = Object.values(live?.databases ?? {}).reduce((sum, one) => sum + one.keys, 0);
  const { pattern, database } = selectionOf(request);
  if (mode === 'scratch') return ['into a scratch server that can reach nothing; the live store is not touched'];
  if (mode === 'inPlace')
    return [
      live === null
        ? `'${addressOf(deps.configuration)}' does not answer; its files are exchanged and it is started`
        : `'${addressOf(deps.configuration)}' is stopped, its ${now} keys are replaced as a whole, and it is started`,
      `the old files stay in its data folder as *.kept-${runName(request.run)}`,
    ];
  return [
    `keys ${JSON.stringify(pattern)} of ${database === null ? 'every database' : `database ${database}`} are written into '${addressOf(deps.configuration)}'`,
    `what they replace is kept in '${keptFolder(deps, request.run)}'`,
    request.options.surplus === 'remove' ? 'keys that the backup does not have are removed' : 'other keys stay',
  ];
}

async function withDifference(deps: RedisDependencies, stored: StoredBackup, plan: Draft): Promise<RestorePlan> {
  const observed = plan.observed as unknown as Observed;
  const sealed = (made: Draft): RestorePlan => ({
    ...made,
    digest: createHash('sha256').update(canonicalJson(made)).digest('hex'),
  });
  if (observed.mode === 'scratch') return sealed(plan);
  const extras = await extrasDifference(deps, stored, plan.request.options);
  if (observed.mode === 'inPlace') return sealed({ ...plan, difference: extras });
  const context = await contextOf(deps, { ...plan, digest: '' });
  // A run that has no plan is never finished: what its planning started goes here.
  const counts = await withBoth(context, async (scratch, live) => {
    const found = await differenceOf(scratch, live, context.selection);
    await requireRoom(live, found.growthBytes);
    return found;
  }).catch(async (error: unknown) => {
    await endScratch(deps, plan.request.run);
    throw error;
  });
  const { growthBytes: _growth, ...difference } = counts;
  const line = `${counts.add} keys would be added, ${counts.replace} replaced, ${counts.same} are the same already`;
  return sealed({ ...plan, summary: [...plan.summary, line], difference: { ...difference, ...extras } });
}

// At its limit a server refuses writes, or throws other keys away to make room for the restored ones.
async function requireRoom(live: Redis, growthBytes: number): Promise<void> {
  const { used_memory: used, maxmemory } = await infoOf(live, 'memory');
  const [limit, needed] = [Number(maxmemory), Number(used) + growthBytes];
  if (limit > 0 && needed > limit)
    throw new Failure('TARGET_UNSAFE', `the live server would need about ${needed} bytes, its maxmemory is ${limit}`, {
      mend: `raise its maxmemory: CONFIG SET maxmemory ${Math.ceil(needed * 1.1)}`,
    });
}
