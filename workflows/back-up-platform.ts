// The whole platform: every system in parallel as a run of its own, then retention. One failed system fails the run, and
// takes nothing from the others: each backup stands for itself.
import { ApplicationFailure, executeChild, isCancellation } from '@temporalio/workflow';
import type { Finding } from '../domain/contracts/protected-system.ts';
import type { RepositoryFacts } from '../domain/contracts/repository.ts';
import { backUpWorkflowId } from '../domain/run-names.ts';
import { SYSTEMS, type SystemName } from '../domain/systems.ts';
import { type WireFailure, wireFailureOf } from '../domain/wire-failure.ts';
import { applyRetention } from './apply-retention.ts';
import { backUpSystem } from './back-up-system.ts';
import {
  type BackUpPlatformInput,
  type BackUpPlatformResult,
  type BackUpSystemResult,
  CONTROL_QUEUE,
  type FailedBackup,
  type RunContext,
  SEARCH_ATTRIBUTES,
} from './messages.ts';
import { repository } from './support/activities.ts';
import { close, closeUnfinished } from './support/closing.ts';
import { refuse, requireFit } from './support/decisions.ts';
import { Story } from './support/story.ts';

interface CarriedOut {
  /** What is not right with the repository, and keeps nobody from writing into it. */
  readonly warnings: readonly Finding[];
  readonly taken: readonly Taken[];
  /** Why retention failed, or null. */
  readonly retained: WireFailure | null;
}

type Taken = { readonly ok: BackUpSystemResult } | { readonly failed: FailedBackup };

export async function backUpPlatform(input: BackUpPlatformInput): Promise<BackUpPlatformResult> {
  const story = new Story(`Backup of platform ${input.platform}`, input, false);
  return conclude(story, input, await carryOut(story, input));
}

async function carryOut(story: Story, input: BackUpPlatformInput): Promise<CarriedOut> {
  try {
    const { findings } = await preflight(story, input);
    story.enter('backing up');
    const taken = (
      await Promise.all(input.systems.map((one) => takeKinds(story, input, one.system, one.kinds)))
    ).flat();
    const retained = input.applyRetention ? await retain(story, input) : null;
    return { warnings: findings.filter(({ level }) => level === 'warning'), taken, retained };
  } catch (error) {
    const outcome = isCancellation(error) ? 'cancelled' : 'failed';
    story.finish(outcome);
    await closeUnfinished(input, { act: `platform-backup.${outcome}`, subject: input.platform }, error);
    throw error;
  }
}

async function preflight(story: Story, input: BackUpPlatformInput): Promise<RepositoryFacts> {
  const facts = await story.require({ id: 'preflight', title: 'Check the repository' }, () =>
    repository('control', 'quick', 'check the repository').prepare({ run: input.platform }),
  );
  requireFit(facts.findings);
  return facts;
}

// Kinds of one system follow each other: two full reads of one store at once only slow each other down.
async function takeKinds(
  story: Story,
  input: BackUpPlatformInput,
  name: SystemName,
  kinds: readonly string[],
): Promise<Taken[]> {
  const taken: Taken[] = [];
  for (const kind of kinds) taken.push(await takeOne(story, input, name, kind));
  return taken;
}

async function takeOne(story: Story, input: BackUpPlatformInput, name: SystemName, kind: string): Promise<Taken> {
  const { platform, site } = input;
  const title = `${SYSTEMS[name].title} (${kind})`;
  try {
    const ok = await story.require({ id: `${name}-${kind}`, title }, () =>
      executeChild(backUpSystem, {
        workflowId: backUpWorkflowId(platform, name, kind),
        taskQueue: CONTROL_QUEUE,
        args: [{ ...contextOf(input), system: name, kind }],
        parentClosePolicy: 'REQUEST_CANCEL',
        staticSummary: `Backup of ${title}`,
        typedSearchAttributes: [
          { key: SEARCH_ATTRIBUTES.platform, value: platform },
          { key: SEARCH_ATTRIBUTES.system, value: name },
          { key: SEARCH_ATTRIBUTES.site, value: site },
        ],
      }),
    );
    return { ok };
  } catch (error) {
    if (isCancellation(error)) throw error;
    const { code, message } = wireFailureOf(error);
    return { failed: { system: name, kind, code, message } };
  }
}

// A child is told where it works, not what else its parent does.
function contextOf({ platform, site, tiers, requestedBy, scheduled, limitSeconds }: BackUpPlatformInput): RunContext {
  return { platform, site, tiers, requestedBy, scheduled, ...(limitSeconds === undefined ? {} : { limitSeconds }) };
}

/** @returns why retention failed, or null: it takes nothing from the backups that were stored before it. */
async function retain(story: Story, input: BackUpPlatformInput): Promise<WireFailure | null> {
  const { platform } = input;
  try {
    await story.require({ id: 'retention', title: 'Apply retention' }, () =>
      executeChild(applyRetention, {
        workflowId: `retention/${platform}`,
        taskQueue: CONTROL_QUEUE,
        args: [{ ...contextOf(input), dryRun: false }],
        staticSummary: `Retention of ${platform}`,
        typedSearchAttributes: [{ key: SEARCH_ATTRIBUTES.platform, value: platform }],
      }),
    );
    return null;
  } catch (error) {
    if (isCancellation(error)) throw error;
    return wireFailureOf(error);
  }
}

async function conclude(
  story: Story,
  input: BackUpPlatformInput,
  { warnings, taken, retained }: CarriedOut,
): Promise<BackUpPlatformResult> {
  const done = taken.flatMap((one) => ('ok' in one ? [one.ok] : []));
  const failed = taken.flatMap((one) => ('failed' in one ? [one.failed] : []));
  const names = failed.map(({ system, kind, message: why }) => `${system} (${kind}): ${firstLine(why)}`).join(', ');
  const stored = `${done.length} backups are stored`;
  const retention = retained === null ? '' : `; retention failed: ${firstLine(retained.message)}`;
  const message = [
    (failed.length === 0 ? stored : `${failed.length} of ${taken.length} backups failed: ${names}`) + retention,
    ...warnings.map((one) => `${one.subject}: ${one.message}`),
  ].join('; ');
  const isGood = failed.length === 0 && retained === null;
  const closing = await close(input, {
    act: isGood ? 'platform-backup.stored' : 'platform-backup.failed',
    subject: input.platform,
    level: !isGood ? 'alarm' : warnings.length > 0 ? 'warning' : 'info',
    message,
    facts: {
      stored: done.length,
      failed: failed.length,
      ...(failed.length === 0 ? {} : { codes: [...new Set(failed.map(({ code }) => code))].join(' ') }),
    },
  });
  const findings = [...warnings, ...done.flatMap((one) => one.findings), ...closing];
  const report = story.finish(isGood ? 'succeeded' : 'failed');
  const result = { backups: done.map(({ backup }) => backup), failed, findings, report };
  if (failed.length > 0) throw failureOf(failed, done.length, message, result);
  if (retained !== null) throw refuse(retained.code, message, {}, undefined, result);
  return result;
}

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? '';

// When one cause took everything that was asked for, that cause is the run's.
function failureOf(failed: readonly FailedBackup[], stored: number, message: string, result: BackUpPlatformResult) {
  const [first, ...others] = failed;
  const isOneCause = stored === 0 && first !== undefined && others.every(({ code }) => code === first.code);
  if (!isOneCause) return refuse('BACKUP_FAILED', message, {}, undefined, result);
  return ApplicationFailure.create({
    type: first.code,
    message: first.message,
    nonRetryable: true,
    details: [{ result }],
  });
}
