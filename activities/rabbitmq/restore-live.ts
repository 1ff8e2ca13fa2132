// The steps of a restore into the live broker. What each has done is in the journal, so every step can be repeated.
import type { Finding, RestorePlan, RestoreStepResult } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import {
  adaptDefinitions,
  type Definitions,
  type Difference,
  diffDefinitions,
  restorePasses,
} from '../../domain/systems/rabbitmq-definitions.ts';
import { refKey } from '../../domain/systems/rabbitmq-restore.ts';
import { unknownStep } from '../shared/known-step.ts';
import { letIn, lockOut } from './application-lock.ts';
import type { BrokerDependencies } from './broker-dependencies.ts';
import { shown } from './fill.ts';
import { clusterFacts, type LiveBroker, listQueues, liveBroker, readDefinitions } from './live-broker.ts';
import { segment } from './management.ts';
import {
  differenceDigest,
  type LiveStep,
  liveDifference,
  requireEmptyWhereAsked,
  restoreSource,
} from './plan-restore.ts';
import { findJournal, type RestoreJournal, requireJournal, writeJournal } from './restore-journal.ts';
import { fillFromBackup } from './restore-messages.ts';

type Step = (step: LiveStep) => Promise<RestoreStepResult>;

const STEPS: Readonly<Record<string, Step>> = {
  lock,
  topology,
  messages: fillFromBackup,
  policies,
  verify,
  open,
  links,
};

/** Runs one step. @throws {Failure} TARGET_MISMATCH, PLAN_CHANGED, TARGET_UNSAFE, RESTORE_MISMATCH, LOCKED. */
export async function runLiveStep(deps: BrokerDependencies, plan: RestorePlan, id: string): Promise<RestoreStepResult> {
  const run = STEPS[id];
  if (!run) throw unknownStep('rabbitmq', id);
  const broker = await liveBroker(deps.configuration);
  await requireIdentity(plan, broker);
  return run({ deps, plan, broker, source: await restoreSource(deps, plan.request) });
}

/** A target that is not the one the plan was made for is not touched, at any step. */
export async function requireIdentity({ observed }: RestorePlan, { management }: LiveBroker): Promise<void> {
  const { node } = await clusterFacts(management);
  if (node !== observed.identity)
    throw new Failure('TARGET_MISMATCH', `the broker is '${node}' and not '${observed.identity}'`, { identity: node });
}

/** Does: writes the journal, empties permissions, ends connections. Repeat: does it again. Undo: gives them back. */
async function lock(step: LiveStep): Promise<RestoreStepResult> {
  const { management } = step.broker;
  const journal = (await findJournal(management, step.plan.request.run)) ?? (await beginJournal(step));
  await lockOut(management, journal);
  const users = journal.permissions.length;
  return result(`${users} permissions held back in ${journal.lockedVhosts.length} virtual hosts`, { users });
}

async function beginJournal({ plan, broker, source }: LiveStep): Promise<RestoreJournal> {
  const { request, observed } = plan;
  const { diff, fill } = await liveDifference(broker, source, request);
  if (differenceDigest(diff, fill) !== observed.difference)
    throw new Failure('PLAN_CHANGED', 'the broker has changed since the plan was made');
  await requireEmptyWhereAsked(broker, request);
  const [first] = diff.different;
  if (first && request.options.existing !== 'keep') {
    const words = `${diff.different.length} definitions exist and differ, first ${first.section} ${first.key}`;
    throw new Failure('TARGET_UNSAFE', `${words}; options.existing=keep accepts them as they are`);
  }
  const lockedVhosts = request.options.lock === 'none' ? [] : [...new Set(fill.fillings.map(({ to }) => to.vhost))];
  const { permissions = [] } = await readDefinitions(broker.management);
  const others = permissions.filter(
    ({ vhost, user }) => lockedVhosts.includes(String(vhost)) && user !== broker.credentials.user,
  );
  const journal: RestoreJournal = {
    ...{ run: request.run, permissions: others, lockedVhosts, creates: namesOf(diff.missing) },
    ...{ fillings: fill.fillings, begun: [], filled: [], confirmed: {}, isOpen: false },
  };
  await writeJournal(broker.management, journal);
  return journal;
}

// Only names: password hashes and links with credentials have no place in a journal.
function namesOf(missing: Definitions): Definitions {
  const NAMING = ['vhost', 'name', 'user', 'source', 'destination', 'destination_type', 'routing_key', 'component'];
  const sections = Object.entries(missing).map(([section, entries]) => [
    section,
    (entries as Record<string, unknown>[]).map((entry) =>
      Object.fromEntries(NAMING.filter((name) => name in entry).map((name) => [name, entry[name]])),
    ),
  ]);
  return Object.fromEntries(sections) as Definitions;
}

/** Does: creates what is missing. Repeat: finds it. Undo: removes what the journal says this run creates. */
async function topology(step: LiveStep): Promise<RestoreStepResult> {
  await requireJournal(step.broker.management, step.plan.request.run);
  return importMissing(step, 'topology');
}

async function policies(step: LiveStep): Promise<RestoreStepResult> {
  return importMissing(step, 'policies');
}

/** Last, because a shovel begins to move messages at once. */
async function links(step: LiveStep): Promise<RestoreStepResult> {
  return importMissing(step, 'links');
}

async function importMissing(
  { broker, source }: LiveStep,
  pass: 'topology' | 'policies' | 'permissions' | 'links',
): Promise<RestoreStepResult> {
  const { missing } = await currentDifference(broker, source.definitions, pass);
  const count = entryCount(missing);
  if (count > 0) await broker.management.post('/api/definitions', missing);
  const left = entryCount((await currentDifference(broker, source.definitions, pass)).missing);
  if (left > 0) throw new Failure('RESTORE_MISMATCH', `${left} definitions are still missing after the import`);
  return result(count === 0 ? 'nothing was missing' : `${count} created`, { created: count });
}

async function currentDifference(
  { management }: LiveBroker,
  definitions: Definitions,
  pass: 'topology' | 'policies' | 'permissions' | 'links',
) {
  const { version } = await clusterFacts(management);
  const wanted = restorePasses(adaptDefinitions(definitions, version).definitions)[pass];
  return diffDefinitions(wanted, await readDefinitions(management));
}

const entryCount = (definitions: Definitions): number =>
  Object.values(definitions).reduce((sum: number, entries) => sum + (entries as readonly unknown[]).length, 0);

/** Does: compares. Repeat: harmless. Undo: none. */
async function verify({ plan, broker, source }: LiveStep): Promise<RestoreStepResult> {
  const journal = await requireJournal(broker.management, plan.request.run);
  const findings: Finding[] = [];
  for (const pass of ['topology', 'policies'] as const) {
    const { missing, different } = await currentDifference(broker, source.definitions, pass);
    const lost = entryCount(missing);
    const isAccepted = plan.request.options.existing === 'keep';
    if (lost > 0 || (different.length > 0 && !isAccepted)) throw differs(missing, different);
    for (const { section, key } of different)
      findings.push({ level: 'warning', subject: section, message: `${key} differs and was kept`, code: null });
  }
  const known = new Set((await listQueues(broker.management)).map(refKey));
  for (const filling of journal.fillings) {
    if (!journal.filled.includes(refKey(filling.to)) || !known.has(refKey(filling.to)))
      throw new Failure('RESTORE_MISMATCH', `${shown(filling.to)} was not filled`);
    findings.push(ok(shown(filling.to), `${filling.messages} messages, confirmed and counted`));
  }
  return { ...result('definitions and counts are those of the backup', { queues: journal.fillings.length }), findings };
}

function differs(missing: Definitions, different: readonly Difference[]): Failure {
  const lost = namesOf(missing);
  const names = Object.entries(lost).flatMap(([section, entries]) =>
    (entries as object[]).map((entry) => `missing ${section} ${JSON.stringify(entry)}`),
  );
  const all = [...names, ...different.map(({ section, key }) => `different ${section} ${key}`)];
  return new Failure(
    'RESTORE_MISMATCH',
    `${all.length} definitions are not as in the backup: ${all.slice(0, 5).join(', ')}`,
  );
}

/** Does: gives permissions back and creates missing ones. Repeat: the same again. Undo: none: clients may have written. */
async function open(step: LiveStep): Promise<RestoreStepResult> {
  const { management } = step.broker;
  const journal = await requireJournal(management, step.plan.request.run);
  await letIn(management, journal);
  await writeJournal(management, { ...journal, isOpen: true });
  await giveBackOwn(step, journal);
  const created = await importMissing(step, 'permissions');
  return result(`${journal.permissions.length} permissions given back`, created.facts);
}

// Where this run made the virtual host, our account let itself in to fill its queues; now it has what the backup says.
async function giveBackOwn({ broker, source, plan }: LiveStep, { creates }: RestoreJournal): Promise<void> {
  if (plan.request.scope.kind !== 'whole') return;
  const { user } = broker.credentials;
  for (const { name } of creates.vhosts ?? []) {
    const path = `/api/permissions/${segment(String(name))}/${segment(user)}`;
    const was = (source.definitions.permissions ?? []).find((one) => one.vhost === name && one.user === user);
    if (!was) await broker.management.remove(path);
    else await broker.management.put(path, { configure: was.configure, write: was.write, read: was.read });
  }
}

const result = (summary: string, facts: RestoreStepResult['facts']): RestoreStepResult => ({
  summary,
  findings: [],
  facts,
});

const ok = (subject: string, message: string): Finding => ({ level: 'ok', subject, message, code: null });
