// The keys of stored backups are wrapped for the configured recipients: plan → wrap and prove, some at a time → remove the
// old ones. Every backup can be opened at every moment, so nothing is undone: a run that ends early is started again.
import { isCancellation } from '@temporalio/workflow';
import type { Finding } from '../domain/contracts/protected-system.ts';
import type { RotationPlan } from '../domain/key-rotation.ts';
import { wireFailureOf } from '../domain/wire-failure.ts';
import type { RotateKeysInput, RotateKeysResult } from './messages.ts';
import { repository } from './support/activities.ts';
import { close, closeUnfinished, copyAudit } from './support/closing.ts';
import { refuse } from './support/decisions.ts';
import { Story } from './support/story.ts';

/** One checkpoint is written for so many. */
const AT_ONCE = 100;

/** What is carried through the history of the run. */
const MOST_FINDINGS = 50;

export async function rotateKeys(input: RotateKeysInput): Promise<RotateKeysResult> {
  const story = new Story(`Key rotation of ${input.platform}`, input, true);
  try {
    return await rotate(story, input);
  } catch (error) {
    story.finish(isCancellation(error) ? 'cancelled' : 'failed');
    await closeUnfinished(input, { act: 'keys.unfinished', subject: input.platform }, error);
    // The table says of an aborted run that it was undone, which is not so here.
    if (wireFailureOf(error).code === 'ABORTED')
      throw refuse('ROTATION_UNFINISHED', wireFailureOf(error).message.split('\n', 1)[0] ?? '', {}, error);
    throw error;
  }
}

async function rotate(story: Story, input: RotateKeysInput): Promise<RotateKeysResult> {
  const plan = await story.require(
    { id: 'plan', title: 'Compare who can open the backups with the configuration', failsAtOnce: true },
    () => repository('control', 'quick', 'plan the rotation').planKeyRotation({}),
    ({ domains }) => domains.map(({ domain, stale, backups }) => `${domain}: ${stale} of ${backups}`).join(', '),
  );
  if (input.dryRun) return { plan, rotated: 0, removed: 0, findings: [], report: story.finish('succeeded') };
  if (plan.digest !== input.digest)
    throw refuse('PLAN_CHANGED', 'the configured recipients are not the ones that were approved');
  const { rotated, findings } = await wrapAll(story, plan);
  const removed = await story.require(
    {
      id: 'remove',
      title: 'Remove the wrapped keys that no checkpoint names any more',
      safeToLeave: 'every backup opens with its new key; until this is done the old ones open them too',
    },
    () => repository('control', 'long', 'remove retired keys').removeRetiredKeys({}),
    (count) => `${count} removed`,
  );
  return conclude(story, input, { plan, rotated, removed, findings });
}

async function wrapAll(story: Story, plan: RotationPlan) {
  const findings: Finding[] = [];
  let [after, rotated] = [0, 0];
  const all = plan.domains.reduce((sum, { backups }) => sum + backups, 0);
  await story.require(
    {
      id: 'wrap',
      title: 'Wrap each key for its new recipients, and open it in every tier',
      safeToLeave: 'every backup can be opened: some by their new keys already, the others by their old ones',
    },
    async () => {
      for (let seen = 0; ; seen += AT_ONCE) {
        const summary = `keys ${seen + 1} to ${seen + AT_ONCE} of about ${all}`;
        const done = await repository('control', 'long', summary).rotateKeys({
          digest: plan.digest,
          after,
          most: AT_ONCE,
        });
        rotated += done.rotated;
        findings.push(...done.findings);
        if (done.after === null) return;
        after = done.after;
      }
    },
    () => `${rotated} wrapped and proven${findings.length > 0 ? `, ${findings.length} could not be` : ''}`,
  );
  return { rotated, findings };
}

async function conclude(
  story: Story,
  input: RotateKeysInput,
  done: Omit<RotateKeysResult, 'report'>,
): Promise<RotateKeysResult> {
  const { rotated, removed } = done;
  const failed = done.findings.length;
  const gained = done.plan.domains.flatMap(({ added }) => added.map(({ name }) => name));
  const lost = done.plan.domains.flatMap((one) => one.removed.map(({ name }) => name));
  const message = `${rotated} keys rotated, ${removed} old ones removed${failed > 0 ? `; ${failed} could not be rotated` : ''}`;
  const closing = await close(input, {
    act: failed > 0 ? 'keys.unfinished' : 'keys.rotated',
    subject: input.platform,
    level: failed > 0 ? 'alarm' : 'info',
    message,
    facts: {
      rotated,
      removed,
      failed,
      added: gained.join(' '),
      removedRecipients: lost.join(' '),
      digest: input.digest,
    },
  });
  const findings = [...done.findings.slice(0, MOST_FINDINGS), ...closing, ...(await copyAudit())];
  const report = story.finish(failed > 0 ? 'failed' : 'succeeded');
  const result = { ...done, findings, report };
  if (failed > 0) throw refuse('ROTATION_UNFINISHED', message, {}, undefined, result);
  return result;
}
