// Reading a backup in full: definitions and inventory parse, every message parses, and counts and checksums add up.
import type { ByteSource, StoredBackup } from '../../domain/contracts/backup-content.ts';
import { artifactsOf } from '../../domain/contracts/backup-content.ts';
import type { CheckBackupInput, CheckReport, Finding } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { Definitions } from '../../domain/systems/rabbitmq-definitions.ts';
import type { CapturedMessages, Inventory, QueueRecord } from '../../domain/systems/rabbitmq-inventory.ts';
import { progressOf } from '../shared/activity-context.ts';
import type { BrokerDependencies } from './broker-dependencies.ts';
import { type QueueName, readRecords } from './message-records.ts';
import { QueueSummer } from './message-sums.ts';

/** Does: reads everything, changes nothing. Repeat: harmless. Undo: none. */
export async function checkBackup(deps: BrokerDependencies, input: CheckBackupInput): Promise<CheckReport> {
  const stored = await deps.reader.open(input.backup, input.tier ?? undefined);
  const counted = { bytes: 0 };
  const onBytes = progressOf('reading the backup', null);
  const counting = (source: ByteSource): ByteSource =>
    countedSource(source, (bytes) => {
      counted.bytes += bytes;
      onBytes(bytes);
    });
  const findings: Finding[] = [];
  const definitions = await readJson<Definitions>(stored, 'definitions', counting);
  findings.push(ok('definitions', `${definitions.queues?.length ?? 0} queues are defined`));
  await readJson(stored, 'cluster', counting);
  const inventory = await readJson<Inventory>(stored, 'inventory', counting);
  findings.push(ok('inventory', `${inventory.queues.length} queues are listed`));
  for (const queue of inventory.queues) {
    if (queue.captured && queue.captured.messages > 0) findings.push(await checkQueue(stored, queue, counting));
  }
  findings.push(...checkAllUsed(stored, inventory));
  return { backup: input.backup, findings, bytesRead: counted.bytes };
}

/** The one artifact of a role, parsed. @throws {Failure} ARTIFACT_MISSING, ARTIFACT_DAMAGED. */
export async function readJson<T>(
  stored: StoredBackup,
  role: string,
  through: (source: ByteSource) => ByteSource = (source) => source,
): Promise<T> {
  const [artifact] = artifactsOf(stored.manifest, role);
  if (!artifact) throw new Failure('ARTIFACT_MISSING', `the backup has no ${role}`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of through(stored.read(artifact.name))) chunks.push(chunk);
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as T;
  } catch (cause) {
    throw new Failure('ARTIFACT_DAMAGED', `'${artifact.name}' is not JSON`, { system: 'rabbitmq' }, cause);
  }
}

async function checkQueue(
  stored: StoredBackup,
  queue: QueueRecord & { captured: CapturedMessages | null },
  through: (source: ByteSource) => ByteSource,
): Promise<Finding> {
  const summer = new QueueSummer();
  const captured = queue.captured as CapturedMessages;
  for (const name of captured.artifacts) {
    for await (const event of readRecords(through(stored.read(name)))) {
      if (event.kind === 'message') summer.add(event.message);
      else if (event.kind === 'queue') requireQueue(event.queue, queue, name);
    }
  }
  const { artifacts: _, ...recorded } = captured;
  const subject = `queue ${JSON.stringify(queue.name)} in ${JSON.stringify(queue.vhost)}`;
  const found = summer.finish();
  if (JSON.stringify(pick(found)) === JSON.stringify(pick(recorded))) return ok(subject, `${found.messages} messages`);
  return {
    level: 'failed',
    subject,
    message: `holds ${found.messages} messages and the inventory says ${recorded.messages}, or their checksums differ`,
    code: 'RESTORE_MISMATCH',
  };
}

const pick = ({ messages, bytes, ordered, unordered }: Omit<CapturedMessages, 'artifacts'>) => ({
  ...{ messages, bytes, ordered, unordered },
});

function requireQueue(found: QueueName, wanted: QueueName, artifact: string): void {
  if (found.vhost === wanted.vhost && found.name === wanted.name) return;
  throw new Failure('ARTIFACT_DAMAGED', `'${artifact}' holds another queue than the inventory says`, {
    system: 'rabbitmq',
  });
}

// An artifact no queue refers to means that the inventory is not that of this backup.
function checkAllUsed(stored: StoredBackup, { queues }: Inventory): Finding[] {
  const used = new Set(queues.flatMap(({ captured }) => captured?.artifacts ?? []));
  const names = artifactsOf(stored.manifest, 'messages').map(({ name }) => name);
  const strangers = names.filter((name) => !used.has(name));
  const absent = [...used].filter((name) => !names.includes(name));
  if (strangers.length === 0 && absent.length === 0) return [];
  const message = `artifacts and inventory do not fit: ${[...strangers, ...absent].slice(0, 5).join(', ')}`;
  return [{ level: 'failed', subject: 'inventory', message, code: 'ARTIFACT_MISSING' }];
}

const ok = (subject: string, message: string): Finding => ({ level: 'ok', subject, message, code: null });

async function* countedSource(source: ByteSource, onBytes: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    onBytes(chunk.length);
    yield chunk;
  }
}
