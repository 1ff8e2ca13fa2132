// Proving a backup: an empty isolated broker takes the definitions and every message, and gives back the same.

import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Finding, RestorePlan, RestoreStepResult } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import {
  adaptDefinitions,
  type Definitions,
  diffDefinitions,
  restorePasses,
} from '../../domain/systems/rabbitmq-definitions.ts';
import type { CapturedMessages, Inventory, QueueRecord } from '../../domain/systems/rabbitmq-inventory.ts';
import { hasLimits, withoutLimits } from '../../domain/systems/rabbitmq-limits.ts';
import { requireCurrentAttempt } from '../shared/activity-context.ts';
import { requireRoom, whileThereIsRoom } from '../shared/room.ts';
import { removeRunFolder } from '../shared/run-folder.ts';
import type { BrokerDependencies } from './broker-dependencies.ts';
import { readJson } from './check-backup.ts';
import { drainQueue, EndMarks } from './drain.ts';
import { exchangePlugins, unknownExchanges } from './exchange-plugins.ts';
import { fillQueue, shown } from './fill.ts';
import { type IsolatedNode, openVhosts, startIsolatedNode } from './isolated-node.ts';
import { clusterFacts, readDefinitions } from './live-broker.ts';
import { segment } from './management.ts';
import { QueueSummer } from './message-sums.ts';
import { orNoSpace, WORKS_WITH_BYTES } from './room.ts';
import { storedMessages } from './stored-messages.ts';

/** What a broker without messages writes is less than 1 MB, as measured. */
const EMPTY_BROKER = WORKS_WITH_BYTES + 1024 ** 2;

/** The folder a run's scratch broker lives in. */
export const scratchFolder = (deps: BrokerDependencies, run: string): string =>
  join(deps.workDirectory, run, 'rabbitmq-scratch');

/**
 * Does: boots an isolated broker, restores into it, compares, ends it. Repeat: removes what an earlier attempt left and
 * starts over. Undo: none needed.
 * @throws {Failure} RESTORE_MISMATCH, ARTIFACT_DAMAGED, TOOL_MISSING, COULD_NOT_VERIFY, NO_SPACE.
 */
export async function restoreIntoScratch(deps: BrokerDependencies, plan: RestorePlan): Promise<RestoreStepResult> {
  const { request } = plan;
  const stored = await deps.reader.open(request.backup, request.tier ?? undefined);
  const definitions = await readJson<Definitions>(stored, 'definitions');
  const inventory = await readJson<Inventory>(stored, 'inventory');
  const folder = scratchFolder(deps, request.run);
  requireCurrentAttempt(); // The scratch broker of a later attempt lives there.
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const wanted = { definitions, queues: chosenQueues(plan, inventory), stored };
  try {
    await requireRoom(folder, roomFor(wanted.queues), 'a scratch broker');
    return await whileThereIsRoom(folder, WORKS_WITH_BYTES, () => inScratch(deps, folder, wanted));
  } catch (error) {
    throw await orNoSpace(folder, error);
  } finally {
    await removeRunFolder(folder);
  }
}

async function inScratch(deps: BrokerDependencies, folder: string, wanted: Wanted): Promise<RestoreStepResult> {
  const { binDirectory } = deps.configuration;
  const node = await startIsolatedNode({
    ...{ folder, nodeName: 'holdfast@localhost', binDirectory, owner: await scratchOwner(deps.scratchUser) },
    plugins: await exchangePlugins(wanted.definitions, binDirectory),
  });
  try {
    return await compare(node, wanted);
  } finally {
    await node.stop();
  }
}

// Every message is written once at the least; for those that are written twice, the disk is watched.
function roomFor(queues: readonly QueueRecord[]): number {
  return EMPTY_BROKER + queues.reduce((sum, { captured }) => sum + (captured?.bytes ?? 0), 0);
}

function chosenQueues({ request }: RestorePlan, { queues }: Inventory): readonly QueueRecord[] {
  if (request.scope.kind !== 'queue') return queues;
  return queues.filter(({ vhost, name }) => vhost === request.scope.names.vhost && name === request.scope.names.queue);
}

interface Wanted {
  readonly definitions: Definitions;
  readonly queues: readonly QueueRecord[];
  readonly stored: Parameters<typeof storedMessages>[0];
}

async function compare(node: IsolatedNode, { definitions, queues, stored }: Wanted): Promise<RestoreStepResult> {
  const { version } = await clusterFacts(node.management);
  const adapted = adaptDefinitions(definitions, version);
  const { usable, notes } = await withKnownExchanges(node, adapted.definitions);
  const passes = restorePasses(usable);
  await node.management.post('/api/definitions', {
    ...passes.topology,
    queues: passes.topology.queues.map(withoutLimits),
  });
  await openVhosts(node);
  const findings: Finding[] = [...adapted.notes, ...notes].map(asWarning);
  const times = { fillMs: 0, drainMs: 0, messages: 0 };
  const marks = new EndMarks();
  for (const [index, queue] of queues.entries()) {
    if (!queue.captured || queue.captured.messages === 0) continue;
    findings.push(await roundTrip(node, queue, queue.captured, { stored, marks, index, times, version }));
  }
  await checkDefinitions(node, usable, passes);
  findings.unshift({ level: 'ok', subject: 'definitions', message: 'are the same after the import', code: null });
  return {
    summary: `${times.messages} messages in ${queues.length} queues came back unchanged`,
    findings,
    facts: { bootMs: Math.round(node.bootMs), ...times, version },
  };
}

async function roundTrip(
  node: IsolatedNode,
  queue: QueueRecord,
  captured: CapturedMessages,
  run: {
    readonly stored: Wanted['stored'];
    readonly marks: EndMarks;
    readonly index: number;
    readonly version: string;
    readonly times: { fillMs: number; drainMs: number; messages: number };
  },
): Promise<Finding> {
  const rules = { mayImpersonate: true, holdExpiration: true, dropsDeaths: Number.parseInt(run.version, 10) >= 4 };
  const target = { endpoint: node.endpoint, credentials: node.admin, rules, isIsolated: true };
  const startedAt = performance.now();
  await fillQueue(target, queue, captured, {
    records: () => storedMessages(run.stored, captured),
    begin: null,
    notes: null,
  });
  const filledAt = performance.now();
  const summer = new QueueSummer();
  for await (const batch of drainQueue(node, queue, queue.type, run)) for (const message of batch) summer.add(message);
  run.times.fillMs += Math.round(filledAt - startedAt);
  run.times.drainMs += Math.round(performance.now() - filledAt);
  run.times.messages += captured.messages;
  const found = summer.finish();
  if (found.messages !== captured.messages || found.unordered !== captured.unordered)
    throw mismatch(queue, `${found.messages} messages came back instead of ${captured.messages}, or not the same`);
  if (found.ordered !== captured.ordered) throw mismatch(queue, 'the messages came back in another order');
  return {
    level: 'ok',
    subject: shown(queue),
    message: `${found.messages} messages, same content and order`,
    code: null,
  };
}

function mismatch(queue: QueueRecord, what: string): Failure {
  return new Failure('RESTORE_MISMATCH', `${shown(queue)}: ${what}`, { vhost: queue.vhost, queue: queue.name });
}

// Now with limits, policies, permissions and links: whatever the broker did not take as it is shows in the difference.
async function checkDefinitions(
  node: IsolatedNode,
  wanted: Definitions,
  passes: ReturnType<typeof restorePasses>,
): Promise<void> {
  for (const queue of passes.topology.queues) {
    if (!hasLimits(queue)) continue;
    await node.management.remove(`/api/queues/${segment(String(queue.vhost))}/${segment(String(queue.name))}`);
  }
  await node.management.post('/api/definitions', passes.topology);
  await node.management.post('/api/definitions', passes.policies);
  await node.management.post('/api/definitions', passes.permissions);
  const links = passes.links.parameters.length;
  const expected = { ...wanted, parameters: passes.policies.parameters };
  const { missing, different } = diffDefinitions(expected, await readDefinitions(node.management));
  const lost = Object.entries(missing).flatMap(([section, entries]) => (entries as object[]).map(() => section));
  if (lost.length === 0 && different.length === 0) return;
  const words = [...lost, ...different.map(({ section, key }) => `${section} ${key}`)].slice(0, 5).join(', ');
  throw new Failure('RESTORE_MISMATCH', `definitions differ after the import: ${words}`, { links });
}

// An exchange of a plugin's type stops an import half done where the plugin is not.
async function withKnownExchanges(node: IsolatedNode, definitions: Definitions) {
  const unknown = await unknownExchanges(node.management, definitions);
  if (unknown.length === 0) return { usable: definitions, notes: [] };
  const names = new Set(unknown.map(({ vhost, name }) => JSON.stringify([vhost, name])));
  const isGone = (vhost: unknown, name: unknown) => names.has(JSON.stringify([vhost, name]));
  return {
    usable: {
      ...definitions,
      exchanges: (definitions.exchanges ?? []).filter(({ vhost, name }) => !isGone(vhost, name)),
      bindings: (definitions.bindings ?? []).filter(
        ({ vhost, source, destination, destination_type: type }) =>
          !isGone(vhost, source) && !(type === 'exchange' && isGone(vhost, destination)),
      ),
    },
    notes: unknown.map(
      ({ name, type }) => `exchange ${JSON.stringify(name)} of the plugin type '${type}' was not tried`,
    ),
  };
}

const asWarning = (message: string): Finding => ({ level: 'warning', subject: 'definitions', message, code: null });

/** Whom a fresh broker's files belong to. @throws {Failure} ACCESS_DENIED when the configured user does not exist. */
async function scratchOwner(user: string | undefined): Promise<{ uid: number; gid: number }> {
  const [ownUid, ownGid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  if (ownUid !== 0 || user === undefined) return { uid: ownUid, gid: ownGid };
  const entries = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const [, , uid, gid] = entries.find(([name]) => name === user) ?? [];
  if (uid === undefined || gid === undefined)
    throw new Failure('ACCESS_DENIED', `the system has no user '${user}'`, { need: 'sites.<name>.scratchUser' });
  return { uid: Number(uid), gid: Number(gid) };
}
