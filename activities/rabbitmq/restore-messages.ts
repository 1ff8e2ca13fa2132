// The step of a live restore that puts messages into queues.
import type { Finding, RestoreStepResult } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { CapturedMessages, QueueRecord } from '../../domain/systems/rabbitmq-inventory.ts';
import { limitWords } from '../../domain/systems/rabbitmq-limits.ts';
import { type Filling, isBeside, type QueueRef, refKey } from '../../domain/systems/rabbitmq-restore.ts';
import { progressOf } from '../shared/activity-context.ts';
import { endConnectionsNamed } from './application-lock.ts';
import { type FillOutcome, type FillTarget, fillQueue, NOTE_EVERY, shown } from './fill.ts';
import { clusterFacts, type LiveBroker, listQueues } from './live-broker.ts';
import { segment } from './management.ts';
import type { MessageRecord } from './message-records.ts';
import type { RepublishRules } from './message-republish.ts';
import type { LiveStep, RestoreSource } from './plan-restore.ts';
import { noteFilling, type RestoreJournal, requireJournal } from './restore-journal.ts';
import { storedMessages } from './stored-messages.ts';

interface Work {
  readonly step: LiveStep;
  readonly rules: RepublishRules;
  readonly onBytes: (bytes: number) => void;
  /** Kept up to date with every note. */
  journal: RestoreJournal;
}

interface Task {
  readonly filling: Filling;
  readonly captured: CapturedMessages;
  /** Why the queue cannot be counted; none when it can. */
  readonly limits: readonly string[];
}

/**
 * Does: fills each queue. Repeat: goes on behind what is there, or behind what was noted where a queue lets messages go
 * by itself. Undo: empties what nobody has consumed from.
 */
export async function fillFromBackup(step: LiveStep): Promise<RestoreStepResult> {
  const { management } = step.broker;
  const journal = await requireJournal(management, step.plan.request.run);
  const onBytes = progressOf('messages', totalBytes(step.source));
  const work: Work = { step, journal, onBytes, rules: await rulesFor(step) };
  const startedAt = performance.now();
  const findings: Finding[] = [];
  let published = 0;
  for (const task of await inOrder(step, journal)) {
    if (work.journal.filled.includes(refKey(task.filling.to))) continue;
    const outcome = await fillOne(work, task);
    published += outcome.published;
    findings.push(...findingsOf(task, outcome));
  }
  const fillMs = Math.round(performance.now() - startedAt);
  return {
    summary: `${published} messages put into ${journal.fillings.length} queues`,
    findings,
    facts: { published, fillMs },
  };
}

async function rulesFor({ broker, plan }: LiveStep): Promise<RepublishRules> {
  const { tags } = await broker.management.get<{ tags: string | readonly string[] }>('/api/whoami');
  const { version } = await clusterFacts(broker.management);
  return {
    mayImpersonate: String(tags).split(',').includes('impersonator'),
    holdExpiration: isBeside(plan.request),
    dropsDeaths: Number.parseInt(version, 10) >= 4,
  };
}

// Queues that let messages go come last: what ends in them is dead-lettered into queues that must be counted before.
async function inOrder({ broker, source, plan }: LiveStep, { fillings }: RestoreJournal): Promise<Task[]> {
  const there = new Map((await listQueues(broker.management)).map((queue) => [refKey(queue), queue]));
  const tasks = fillings.map((filling): Task => {
    const captured = capturedOf(source, filling.from);
    const expiring = isBeside(plan.request) ? 0 : (captured.expiring ?? 0);
    return { filling, captured, limits: limitWords(present(there, filling.to), expiring) };
  });
  return [...tasks.filter(({ limits }) => limits.length === 0), ...tasks.filter(({ limits }) => limits.length > 0)];
}

function present(there: ReadonlyMap<string, QueueRecord>, to: QueueRef): QueueRecord {
  const queue = there.get(refKey(to));
  if (queue) return queue;
  throw new Failure('PLAN_CHANGED', `${shown(to)} is not there any more`);
}

async function fillOne(work: Work, { filling, captured, limits }: Task): Promise<FillOutcome> {
  const { broker, source, plan } = work.step;
  const { to } = filling;
  const hasBegun = work.journal.begun.includes(refKey(to));
  const target: FillTarget = {
    ...{ endpoint: broker.endpoint, credentials: broker.credentials, rules: work.rules },
    name: `holdfast fill ${plan.request.run}`,
    patienceMs: work.step.deps.fillPatienceMs,
  };
  await enter(broker, to.vhost);
  if (hasBegun) await endConnectionsNamed(broker.management, to.vhost, target.name ?? '');
  const noted = work.journal.confirmed[refKey(to)];
  const isCounted = hasBegun ? noted === undefined : limits.length === 0;
  const outcome = await fillQueue(target, to, captured, {
    records: () => counted(storedMessages(source.stored, captured), work.onBytes),
    begin: hasBegun ? null : () => note(work, to, { what: 'begun', confirmed: isCounted ? null : 0 }),
    notes: isCounted
      ? null
      : { confirmed: noted ?? 0, note: (confirmed) => note(work, to, { what: 'begun', confirmed }) },
  });
  await note(work, to, { what: 'filled', confirmed: null });
  return outcome;
}

async function note(work: Work, to: QueueRef, what: Parameters<typeof noteFilling>[3]): Promise<void> {
  work.journal = await noteFilling(work.step.broker.management, work.journal, to, what);
}

async function* counted(
  records: AsyncIterable<MessageRecord>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<MessageRecord> {
  let held = 0;
  for await (const message of records) {
    held += message.body.length;
    if (message.order % NOTE_EVERY === NOTE_EVERY - 1) {
      onBytes(held);
      held = 0;
    }
    yield message;
  }
  onBytes(held);
}

function findingsOf({ filling, captured, limits }: Task, { refused, mayBeTwice }: FillOutcome): Finding[] {
  const subject = shown(filling.to);
  const finding = (level: Finding['level'], message: string): Finding => ({ level, subject, message, code: null });
  return [
    finding('ok', `${captured.messages - refused} messages`),
    ...(limits.length > 0
      ? [finding('warning', `confirmed one by one and not counted, because it lets them go: ${limits.join(', ')}`)]
      : []),
    ...(refused > 0
      ? [finding('warning', `its own limit refused ${refused} messages; restore it beside to see them`)]
      : []),
    ...(mayBeTwice > 0
      ? [finding('warning', `its filling was interrupted: up to ${mayBeTwice} messages may be there twice`)]
      : []),
  ];
}

// A virtual host that this run created lets nobody in yet, our account included.
async function enter({ management, credentials }: LiveBroker, vhost: string): Promise<void> {
  const path = `/api/permissions/${segment(vhost)}/${segment(credentials.user)}`;
  if ((await management.find(path)) === null) await management.put(path, { configure: '.*', write: '.*', read: '.*' });
}

function capturedOf({ queues }: RestoreSource, from: QueueRef): CapturedMessages {
  const captured = queues.find((queue) => refKey(queue) === refKey(from))?.captured;
  if (captured) return captured;
  throw new Failure('PLAN_CHANGED', `the backup holds no messages of ${shown(from)}`);
}

const totalBytes = ({ queues }: RestoreSource): number =>
  queues.reduce((sum, { captured }) => sum + (captured?.bytes ?? 0), 0);
