// Messages of a broker without touching its queues: copy of the data folder, isolated clone of it, clone emptied.

import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenBackup } from '../../domain/contracts/backup-content.ts';
import type { TakeBackupInput } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { Artifact } from '../../domain/manifest.ts';
import { type Definitions, withoutOwn } from '../../domain/systems/rabbitmq-definitions.ts';
import { type CapturedMessages, isAddressable, type QueueRecord } from '../../domain/systems/rabbitmq-inventory.ts';
import { limitsOf } from '../../domain/systems/rabbitmq-limits.ts';
import { progressOf, requireCurrentAttempt } from '../shared/activity-context.ts';
import { removeRunFolder } from '../shared/run-folder.ts';
import type { BrokerDependencies } from './broker-dependencies.ts';
import { copyOfOneMoment } from './crash-copy.ts';
import { drainQueue, EndMarks } from './drain.ts';
import { exchangePlugins } from './exchange-plugins.ts';
import { type IsolatedNode, startIsolatedNode } from './isolated-node.ts';
import { type ClusterFacts, listQueues, readDefinitions } from './live-broker.ts';
import type { Management } from './management.ts';
import { fileHead, messageBytes, queueEnd, queueHead } from './message-records.ts';
import { QueueSummer } from './message-sums.ts';
import { orNoSpace } from './room.ts';

export interface MessageCapture {
  readonly cutAt: string;
  readonly pauseMs: number;
  readonly cloneBootMs: number;
  readonly drainMs: number;
  readonly method: string;
  readonly definitions: Definitions;
  readonly queues: readonly QueueRecord[];
  readonly artifacts: readonly Artifact[];
  readonly warnings: readonly string[];
}

const MOST_ROUNDS = 5;

/** @throws {Failure} NO_FILE_ACCESS, FREEZE_TOO_LONG, TOOL_MISSING, COULD_NOT_VERIFY, NO_SPACE. */
export async function captureMessages(
  deps: BrokerDependencies,
  input: TakeBackupInput,
  { open, cluster, management }: { open: OpenBackup; cluster: ClusterFacts; management: Management },
): Promise<MessageCapture> {
  const { dataDirectory } = deps.configuration;
  if (dataDirectory === undefined)
    throw new Failure('NO_FILE_ACCESS', 'rabbitmq.dataDirectory is not set, so messages cannot be captured');
  if (cluster.nodes.length > 1)
    throw new Failure('NO_FILE_ACCESS', `the cluster has ${cluster.nodes.length} nodes, and one node's files are here`);
  const folder = await freshFolder(deps, input);
  try {
    const copy = await copyOfOneMoment(deps, dataDirectory, join(folder, 'copy'));
    const plugins = await exchangePlugins(await readDefinitions(management), deps.configuration.binDirectory);
    const clone = await bootClone(deps, { folder, dataDirectory, nodeName: cluster.node, plugins });
    try {
      const drained = await drainClone(clone, open);
      return {
        ...drained,
        cutAt: copy.cutAt,
        pauseMs: copy.pauseMs,
        cloneBootMs: Math.round(clone.bootMs),
        method: `copy of the data folder, difference under a freeze (${deps.configuration.freeze.method}), isolated clone`,
        warnings: captureWarnings(cluster, drained.ended),
      };
    } finally {
      await clone.stop();
    }
  } catch (error) {
    throw await orNoSpace(folder, error);
  } finally {
    await removeRunFolder(folder);
  }
}

function captureWarnings({ nodes }: ClusterFacts, ended: readonly QueueRecord[]): string[] {
  const names = ended.slice(0, 5).map(keyOf).join(', ');
  return [
    ...(nodes[0]?.enabled_plugins.includes('rabbitmq_delayed_message_exchange')
      ? ['messages that wait in a delayed message exchange are not in it']
      : []),
    ...(ended.length > 0
      ? [`${ended.length} queues end when nobody uses them, and did so before the clone was read: ${names}`]
      : []),
  ];
}

// A later attempt of the same backup finds the folder of an earlier one, whose clone died with its worker, and removes it.
async function freshFolder(deps: BrokerDependencies, input: TakeBackupInput): Promise<string> {
  const folder = join(deps.workDirectory, input.run, `rabbitmq-${input.backup.backupId}`);
  requireCurrentAttempt(); // The clone of a later attempt lives.
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await mkdir(join(folder, 'copy'), { mode: 0o700 });
  return folder;
}

async function bootClone(
  deps: BrokerDependencies,
  spec: { folder: string; dataDirectory: string; nodeName: string; plugins: readonly string[] },
): Promise<IsolatedNode> {
  const { folder, dataDirectory, nodeName, plugins } = spec;
  const flags = `${dataDirectory}-feature_flags`;
  const { uid, gid } = await stat(dataDirectory);
  const hasFlags = await stat(flags).then(
    () => true,
    () => false,
  );
  return startIsolatedNode({
    folder,
    nodeName,
    plugins,
    binDirectory: deps.configuration.binDirectory,
    owner: { uid, gid },
    clone: {
      copy: join(folder, 'copy'),
      originalPath: deps.configuration.container?.dataDirectory ?? dataDirectory,
      featureFlags: hasFlags ? flags : null,
    },
  });
}

async function drainClone(clone: IsolatedNode, open: OpenBackup) {
  const definitions = withoutOwn(clone.definitions);
  const queues = (await listQueues(clone.management)).sort((a, b) => hurry(a) - hurry(b));
  const startedAt = performance.now();
  const work = new CloneDrain(clone, open);
  // A message that expires in the clone may land in a queue that was emptied before, so rounds go on until one is dry.
  const rounds = hasDeadLetters(definitions) ? MOST_ROUNDS : 1;
  for (let round = 1, found = 1; found > 0 && round <= rounds; round += 1) {
    found = 0;
    for (const queue of queues.filter(isAddressable)) found += await work.drain(queue);
    if (round === MOST_ROUNDS && found > 0)
      throw new Failure('COULD_NOT_VERIFY', 'the clone goes on filling its queues');
  }
  return {
    definitions,
    queues: queues.map((queue) => ({ ...queue, captured: work.capturedOf(queue) })),
    artifacts: work.artifacts,
    ended: queues.filter((queue) => work.hasEnded(queue)),
    drainMs: Math.round(performance.now() - startedAt),
  };
}

// What ends by itself is read first.
function hurry(queue: QueueRecord): number {
  const { lifeMs, expiresMs } = limitsOf(queue);
  return Math.min(lifeMs ?? Number.MAX_SAFE_INTEGER, expiresMs ?? Number.MAX_SAFE_INTEGER);
}

function hasDeadLetters({ queues = [], policies = [] }: Definitions): boolean {
  return JSON.stringify([queues, policies]).includes('dead-letter');
}

interface Taken {
  readonly names: string[];
  readonly summer: QueueSummer;
}

class CloneDrain {
  readonly artifacts: Artifact[] = [];
  private readonly clone: IsolatedNode;
  private readonly open: OpenBackup;
  private readonly marks = new EndMarks();
  private readonly read = new Set<string>();
  private readonly captured = new Map<string, Taken>();
  private marksUsed = 0;
  private readonly onBytes = progressOf('messages', null);

  constructor(clone: IsolatedNode, open: OpenBackup) {
    this.clone = clone;
    this.open = open;
  }

  /** True for a queue that ended by itself in the clone before it could be read. */
  hasEnded(queue: QueueRecord): boolean {
    return isAddressable(queue) && !this.read.has(keyOf(queue));
  }

  /** Call once for each queue, after the last round. Null for one that could not be read. */
  capturedOf(queue: QueueRecord): CapturedMessages | null {
    if (!this.read.has(keyOf(queue))) return null;
    const { names, summer } = this.captured.get(keyOf(queue)) ?? { names: [], summer: new QueueSummer() };
    return { artifacts: names, ...summer.finish() };
  }

  /** Empties one queue into an artifact of its own; a queue without messages gets none. @returns messages found. */
  async drain(queue: QueueRecord): Promise<number> {
    const earlier = this.captured.get(keyOf(queue));
    if (queue.type === 'stream' && earlier) return 0; // Reading a stream takes nothing out of it.
    if (queue.autoDelete && this.read.has(keyOf(queue))) return 0; // It has ended with our consumer.
    try {
      const found = await this.empty(queue, earlier);
      this.read.add(keyOf(queue));
      return found;
    } catch (error) {
      const isGone = error instanceof Failure && error.code === 'PART_NOT_FOUND';
      if (isGone && limitsOf(queue).expiresMs !== null) return 0;
      throw error;
    }
  }

  private async empty(queue: QueueRecord, earlier: Taken | undefined): Promise<number> {
    this.marksUsed += 1;
    const batches = drainQueue(this.clone, queue, queue.type, { marks: this.marks, index: this.marksUsed });
    const { value: first, done } = await batches.next();
    if (done) return 0;
    const { names, summer } = earlier ?? { names: [], summer: new QueueSummer() };
    const name = `queue-${String(this.artifacts.length + 1).padStart(4, '0')}.messages`;
    const subject = `${queue.vhost}/${queue.name}`;
    const source = records(queue, first, { batches, summer, onBytes: this.onBytes });
    const before = summer.count;
    this.artifacts.push(await this.open.addArtifact({ name, role: 'messages', subject }, source));
    this.captured.set(keyOf(queue), { names: [...names, name], summer });
    return summer.count - before;
  }
}

const keyOf = ({ vhost, name }: QueueRecord): string => JSON.stringify([vhost, name]);

type Batch = Parameters<QueueSummer['add']>[0][];

async function* records(
  queue: QueueRecord,
  first: Batch,
  { batches, summer, onBytes }: { batches: AsyncGenerator<Batch>; summer: QueueSummer; onBytes: (n: number) => void },
): AsyncGenerator<Uint8Array> {
  let count = 0;
  const write = (batch: Batch): Buffer => {
    for (const message of batch) summer.add(message);
    count += batch.length;
    const bytes = Buffer.concat(batch.map(messageBytes));
    onBytes(bytes.length);
    return bytes;
  };
  yield Buffer.concat([fileHead(), queueHead(queue)]);
  yield write(first);
  for await (const batch of batches) yield write(batch);
  yield queueEnd(count);
}
