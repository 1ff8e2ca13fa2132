// Taking a backup: of the definitions alone, or with the messages out of an isolated clone.
import { Readable } from 'node:stream';
import type { ByteSource, OpenBackup } from '../../domain/contracts/backup-content.ts';
import type { TakeBackupInput } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { BackupFacts, TakenBackup } from '../../domain/manifest.ts';
import { type Definitions, withoutOwn } from '../../domain/systems/rabbitmq-definitions.ts';
import {
  capturedByType,
  DEFINITIONS_ONLY,
  type Inventory,
  isTransient,
  lossesByNature,
  type QueueRecord,
} from '../../domain/systems/rabbitmq-inventory.ts';
import type { BrokerDependencies } from './broker-dependencies.ts';
import { captureMessages } from './capture-messages.ts';
import {
  type ClusterFacts,
  clusterFacts,
  listQueues,
  listTopology,
  liveBroker,
  readDefinitions,
} from './live-broker.ts';
import type { Management } from './management.ts';

/** Takes one backup of a kind. See `ProtectedSystem.takeBackup`. */
export async function takeBackup(deps: BrokerDependencies, input: TakeBackupInput): Promise<TakenBackup> {
  if (input.kind !== 'definitions' && input.kind !== 'messages')
    throw new Failure('USAGE', `rabbitmq has no kind of backup named '${input.kind}'`);
  const begun = await deps.writer.begin(input.backup);
  if ('alreadyTaken' in begun) return begun.alreadyTaken;
  try {
    const facts = input.kind === 'definitions' ? takeDefinitions : takeMessages;
    return await begun.finish(await facts(deps, input, begun));
  } catch (error) {
    await begun.abandon();
    throw error;
  }
}

async function takeDefinitions(
  deps: BrokerDependencies,
  input: TakeBackupInput,
  open: OpenBackup,
): Promise<BackupFacts> {
  const startedAt = now();
  const { management } = await liveBroker(deps.configuration);
  const cluster = await clusterFacts(management);
  const definitions = await readDefinitions(management);
  const momentAt = now();
  const queues = await listQueues(management);
  return finishFacts(input, open, {
    ...{ startedAt, momentAt, cluster, definitions, queues, management },
    warnings: [DEFINITIONS_ONLY],
    report: { method: 'definitions only', captured: 0 },
    messageArtifacts: [],
  });
}

async function takeMessages(deps: BrokerDependencies, input: TakeBackupInput, open: OpenBackup): Promise<BackupFacts> {
  const startedAt = now();
  const { management } = await liveBroker(deps.configuration);
  const cluster = await clusterFacts(management);
  const before = await listQueues(management);
  const capture = await captureMessages(deps, input, { open, cluster, management });
  const queues = withLiveCounts(capture.queues, before);
  checkComplete(capture.queues, before, await listQueues(management));
  const losses = lossesByNature(queues);
  return finishFacts(input, open, {
    ...{ startedAt, momentAt: capture.cutAt, cluster, definitions: capture.definitions, queues, management },
    warnings: [...capture.warnings, ...losses],
    messageArtifacts: capture.artifacts,
    report: {
      method: capture.method,
      cutAt: capture.cutAt,
      pauseMs: capture.pauseMs,
      pauseLimitMs: deps.configuration.freezeLimitMs,
      captured: capturedByType(capture.queues),
      unacknowledgedAtCut: sum(before, ({ unacknowledged }) => unacknowledged),
      unacknowledgedFrom: "the broker's last statistics before the cut; such messages are captured as ready",
      notCaptured: losses,
      cloneBootMs: capture.cloneBootMs,
      drainMs: capture.drainMs,
    },
  });
}

interface Findings {
  readonly startedAt: string;
  readonly momentAt: string;
  readonly cluster: ClusterFacts;
  readonly definitions: Definitions;
  readonly queues: readonly QueueRecord[];
  readonly management: Management;
  readonly warnings: readonly string[];
  readonly report: BackupFacts['report'];
  readonly messageArtifacts: BackupFacts['artifacts'];
}

async function finishFacts(input: TakeBackupInput, open: OpenBackup, found: Findings): Promise<BackupFacts> {
  const { cluster, queues } = found;
  const inventory: Inventory = { queues, ...(await listTopology(found.management)) };
  const own = [
    await open.addArtifact({ name: 'definitions.json', role: 'definitions' }, bytesOf(withoutOwn(found.definitions))),
    await open.addArtifact({ name: 'cluster.json', role: 'cluster' }, bytesOf(cluster)),
    await open.addArtifact({ name: 'inventory.json', role: 'inventory' }, bytesOf(inventory)),
  ];
  return {
    system: 'rabbitmq',
    backupId: input.backup.backupId,
    kind: input.kind,
    site: input.site,
    startedAt: found.startedAt,
    momentAt: found.momentAt,
    finishedAt: now(),
    source: {
      identity: cluster.node,
      version: cluster.version,
      erlang: cluster.erlang,
      clusterName: cluster.clusterName,
      nodes: cluster.nodes.map(({ name }) => name),
    },
    tools: { rabbitmq: cluster.version },
    artifacts: [...own, ...found.messageArtifacts],
    counts: {
      queues: queues.length,
      exchanges: inventory.exchanges.length,
      bindings: inventory.bindings.length,
      messages: sum(queues, ({ captured }) => captured?.messages ?? 0),
      messageBytes: sum(queues, ({ captured }) => captured?.bytes ?? 0),
    },
    parents: [],
    marker: null,
    warnings: found.warnings,
    report: found.report,
  };
}

// The clone knows what was captured; the live broker's statistics know what was pending when it was cut.
function withLiveCounts(captured: readonly QueueRecord[], live: readonly QueueRecord[]): QueueRecord[] {
  const byName = new Map(captured.map((queue) => [nameOf(queue), queue]));
  const known = new Set(live.map(nameOf));
  const merged = live.map((queue) => ({ ...queue, captured: byName.get(nameOf(queue))?.captured ?? null }));
  return [...merged, ...captured.filter((queue) => !known.has(nameOf(queue)))];
}

// A queue that was there before and after the cut must be in the clone, or the copy is not whole.
function checkComplete(
  captured: readonly QueueRecord[],
  before: readonly QueueRecord[],
  after: readonly QueueRecord[],
): void {
  const inClone = new Set(captured.map(nameOf));
  const stayed = new Set(after.map(nameOf));
  const lost = before.filter((queue) => {
    const mayEnd = isTransient(queue) || queue.autoDelete || 'x-expires' in queue.arguments;
    return !mayEnd && stayed.has(nameOf(queue)) && !inClone.has(nameOf(queue));
  });
  const [first] = lost;
  if (!first) return;
  throw new Failure('COULD_NOT_VERIFY', `${lost.length} queues are not in the clone, first ${nameOf(first)}`, {
    queues: lost.length,
  });
}

const nameOf = ({ vhost, name }: QueueRecord): string => JSON.stringify([vhost, name]);

function sum(queues: readonly QueueRecord[], value: (queue: QueueRecord) => number | null): number {
  return queues.reduce((total, queue) => total + (value(queue) ?? 0), 0);
}

const now = (): string => new Date().toISOString();

const bytesOf = (value: unknown): ByteSource => Readable.from([Buffer.from(JSON.stringify(value))]);
