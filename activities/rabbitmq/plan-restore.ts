// Planning a restore: looks at the backup and the target, touches neither.
import type { RestorePlan, RestoreRequest } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { canonicalJson } from '../../domain/json.ts';
import {
  adaptDefinitions,
  countEntries,
  type Definitions,
  type DefinitionsDiff,
  diffDefinitions,
  isNewerBroker,
  isOlderMajor,
} from '../../domain/systems/rabbitmq-definitions.ts';
import { DEFINITIONS_ONLY, type Inventory, type QueueRecord } from '../../domain/systems/rabbitmq-inventory.ts';
import {
  definitionsOfQueue,
  type FillPlan,
  isBeside,
  LIVE_STEPS,
  limitWarnings,
  placeFor,
  planFill,
  refKey,
  SCRATCH_STEPS,
  summarise,
} from '../../domain/systems/rabbitmq-restore.ts';
import type { BrokerDependencies } from './broker-dependencies.ts';
import { readJson } from './check-backup.ts';
import { unknownExchanges } from './exchange-plugins.ts';
import { shown } from './fill.ts';
import { installedVersion } from './inspect.ts';
import { clusterFacts, type LiveBroker, listQueues, liveBroker, readDefinitions } from './live-broker.ts';
import { sha256 } from './restore-journal.ts';
import { countReady } from './wire-connection.ts';

export interface RestoreSource {
  readonly stored: Awaited<ReturnType<BrokerDependencies['reader']['open']>>;
  readonly definitions: Definitions;
  /** Queues within the scope, with what was captured of them. */
  readonly queues: readonly QueueRecord[];
}

/** What a step of a restore into the live broker works with. */
export interface LiveStep {
  readonly deps: BrokerDependencies;
  readonly plan: RestorePlan;
  readonly broker: LiveBroker;
  readonly source: RestoreSource;
}

/** The backup, reduced to the request's scope. @throws {Failure} PART_NOT_FOUND and the reader's. */
export async function restoreSource(deps: BrokerDependencies, request: RestoreRequest): Promise<RestoreSource> {
  const stored = await deps.reader.open(request.backup, request.tier ?? undefined);
  const definitions = await readJson<Definitions>(stored, 'definitions');
  const { queues } = await readJson<Inventory>(stored, 'inventory');
  if (request.scope.kind === 'whole') return { stored, definitions, queues };
  if (request.scope.kind !== 'queue') throw new Failure('USAGE', `rabbitmq cannot restore a '${request.scope.kind}'`);
  const { vhost = '/', queue = '' } = request.scope.names;
  const from = { vhost, name: queue };
  const found = queues.filter((one) => one.vhost === vhost && one.name === queue);
  if (found.length === 0)
    throw new Failure('PART_NOT_FOUND', `the backup has no ${shown(from)}`, { backup: request.backup.backupId });
  return { stored, queues: found, definitions: definitionsOfQueue(definitions, from, placeFor(request, from)) };
}

/** What would be done to the live broker as it is now. */
export async function liveDifference(
  broker: LiveBroker,
  source: RestoreSource,
  request: RestoreRequest,
): Promise<{ identity: string; version: string; notes: readonly string[]; diff: DefinitionsDiff; fill: FillPlan }> {
  const { node, version } = await clusterFacts(broker.management);
  const { definitions, notes } = adaptDefinitions(source.definitions, version);
  const diff = diffDefinitions(definitions, await readDefinitions(broker.management));
  const fill = planFill(source.queues, await presentMessages(broker, source, request), request);
  return { identity: node, version, notes, diff, fill };
}

// Statistics are seconds old, so what is ready is asked of the queue itself; they add what consumers hold.
async function presentMessages(
  broker: LiveBroker,
  source: RestoreSource,
  request: RestoreRequest,
): Promise<Map<string, number>> {
  const live = new Map((await listQueues(broker.management)).map((queue) => [refKey(queue), queue]));
  const places = source.queues.filter(({ captured }) => captured?.messages).map((queue) => placeFor(request, queue));
  const there = new Map<string, number>();
  for (const place of places) {
    const queue = live.get(refKey(place));
    if (queue) there.set(refKey(place), await messagesIn(broker, queue));
  }
  return there;
}

const messagesIn = async (broker: LiveBroker, queue: QueueRecord): Promise<number> =>
  (await countReady(broker, queue)) + (queue.unacknowledged ?? 0);

/**
 * Where nothing old may stay among what is restored, the whole broker has to be empty.
 * @throws {Failure} TARGET_NOT_EMPTY naming a queue that holds messages.
 */
export async function requireEmptyWhereAsked(broker: LiveBroker, { options }: RestoreRequest): Promise<void> {
  if (options.fill !== 'empty') return;
  const queues = await listQueues(broker.management);
  for (const queue of queues.filter(({ exclusive }) => !exclusive)) {
    const messages = await messagesIn(broker, queue);
    if (messages === 0) continue;
    const mend =
      'keep what it holds: stop the broker, move its data folder aside and start it empty; see docs/BACKUP_PROCEDURES.md';
    throw new Failure('TARGET_NOT_EMPTY', `${shown(queue)} holds ${messages} messages of before`, { messages, mend });
  }
}

/** A digest of the differences a plan rests on. */
export function differenceDigest(diff: DefinitionsDiff, { fillings }: FillPlan): string {
  return sha256(canonicalJson({ missing: diff.missing, different: diff.different, fillings }));
}

/** Does: asks only. Repeat: harmless. Undo: none. */
export async function planRestore(deps: BrokerDependencies, request: RestoreRequest): Promise<RestorePlan> {
  checkOptions(request);
  const source = await restoreSource(deps, request);
  const warnings = [...source.stored.manifest.warnings];
  if (request.target === 'scratch') {
    const version = await installedVersion(deps.configuration.binDirectory);
    refuseOlder(source, version);
    const { notes } = adaptDefinitions(source.definitions, version ?? '0');
    const summary = [`restores ${source.queues.length} queues into an isolated broker, compares them and removes it`];
    const steps = SCRATCH_STEPS;
    return sealed({ request, summary, difference: {}, warnings: [...warnings, ...notes], steps, observed: {} });
  }
  const broker = await liveBroker(deps.configuration);
  const { identity, version, notes, diff, fill } = await liveDifference(broker, source, request);
  const expected = request.expectedIdentity ?? String(source.stored.manifest.source.identity);
  if (identity !== expected)
    throw new Failure('TARGET_MISMATCH', `the broker is '${identity}' and not '${expected}'`, { identity, expected });
  refuseOlder(source, version);
  await refuseUnknown(broker, diff.missing);
  await requireEmptyWhereAsked(broker, request);
  const [occupied] = fill.occupied;
  if (request.scope.kind === 'queue' && occupied)
    throw new Failure(
      'TARGET_NOT_EMPTY',
      `${shown(occupied)} holds ${occupied.messages} messages; options.into=NAME restores beside it`,
      {
        messages: occupied.messages,
        vhost: occupied.vhost,
        queue: occupied.name,
      },
    );
  return sealed({
    request,
    summary: summarise(request, diff, fill),
    difference: {
      missing: countEntries(diff.missing),
      different: diff.different.slice(0, 50).map(({ section, key }) => `${section} ${key}`),
      extra: diff.extra.length,
      messages: fill.fillings.reduce((sum, { messages }) => sum + messages, 0),
      queues: fill.fillings.length,
    },
    warnings: [
      ...warnings,
      ...notes,
      ...versionWarnings(source, version),
      ...differenceWarnings(diff, request),
      ...limitWarnings(source.queues, fill, request),
    ],
    steps: LIVE_STEPS,
    observed: { identity, version, difference: differenceDigest(diff, fill) },
  });
}

function refuseOlder({ stored }: RestoreSource, version: string | null): void {
  const taken = String(stored.manifest.source.version);
  if (version === null || !isOlderMajor(taken, version)) return;
  const why = 'an older broker is not known to take what a newer one wrote';
  throw new Failure('VERSION_UNFIT', `the backup is of RabbitMQ ${taken}, and the broker is ${version}: ${why}`, {
    need: `RabbitMQ ${taken.split('.')[0]} or newer, both as the broker and in rabbitmq.binDirectory`,
  });
}

async function refuseUnknown({ management }: LiveBroker, missing: Definitions): Promise<void> {
  const unknown = await unknownExchanges(management, missing);
  if (unknown.length === 0) return;
  const names = unknown.slice(0, 5).map(({ name, type }) => `${JSON.stringify(name)} (${type})`);
  throw new Failure(
    'VERSION_UNFIT',
    `the broker has no such type for ${unknown.length} exchanges: ${names.join(', ')}`,
    {
      need: 'the plugins of these exchange types enabled on the broker',
    },
  );
}

const OPTIONS: ReadonlySet<string> = new Set(['existing', 'lock', 'fill', 'into', 'intoVhost']);

function checkOptions(request: RestoreRequest): void {
  const unknown = Object.keys(request.options).find((name) => !OPTIONS.has(name));
  if (unknown !== undefined)
    throw new Failure('USAGE', `rabbitmq has no option '${unknown}' for a restore; it has ${[...OPTIONS].join(', ')}`);
  if (isBeside(request) && request.scope.kind !== 'queue')
    throw new Failure('USAGE', "options.into and options.intoVhost need one queue, named with '--queue'");
}

function versionWarnings({ stored }: RestoreSource, version: string): string[] {
  const taken = String(stored.manifest.source.version);
  const only = stored.manifest.kind === 'definitions' && !stored.manifest.warnings.includes(DEFINITIONS_ONLY);
  return [
    ...(only ? [DEFINITIONS_ONLY] : []),
    ...(isNewerBroker(taken, version) ? [`the backup is of version ${taken}, newer than the broker's ${version}`] : []),
  ];
}

function differenceWarnings({ different }: DefinitionsDiff, { options }: RestoreRequest): string[] {
  if (different.length === 0) return [];
  const names = different.slice(0, 5).map(({ section, key }) => `${section} ${key}`);
  const what = `${different.length} definitions differ from the backup: ${names.join(', ')}`;
  return [options.existing === 'keep' ? `${what}; they stay as they are` : `${what}; the restore refuses to go on`];
}

function sealed(plan: Omit<RestorePlan, 'digest'>): RestorePlan {
  return { ...plan, digest: sha256(canonicalJson(plan)) };
}
