// Plan, then delete in two phases: first the manifests are withdrawn, so that nothing half deleted can be chosen for a
// restore; after the grace their data goes.
import { isCancellation } from '@temporalio/workflow';
import type { Finding } from '../domain/contracts/protected-system.ts';
import type { ApplyRetentionInput, ApplyRetentionResult } from './messages.ts';
import { repository } from './support/activities.ts';
import { close, closeUnfinished, copyAudit } from './support/closing.ts';
import { refuse } from './support/decisions.ts';
import { Story } from './support/story.ts';

export async function applyRetention(input: ApplyRetentionInput): Promise<ApplyRetentionResult> {
  const story = new Story(`Retention of ${input.platform}`, input, false);
  try {
    return await retain(story, input);
  } catch (error) {
    story.finish(isCancellation(error) ? 'cancelled' : 'failed');
    await closeUnfinished(input, { act: 'retention.failed', subject: input.platform }, error);
    throw error;
  }
}

async function retain(story: Story, input: ApplyRetentionInput): Promise<ApplyRetentionResult> {
  const plan = await story.require(
    { id: 'plan', title: 'Decide what may go' },
    () => repository('control', 'quick', 'plan retention').planRetention({ run: input.platform }),
    ({ decisions, leftOut }) =>
      `${decisions.filter(({ keep }) => !keep).length} of ${decisions.length + leftOut} copies may go`,
  );
  const { decisions, refusals } = plan;
  if (input.dryRun) return { decisions, refusals, findings: [], report: story.finish('succeeded') };
  if (refusals.length > 0) throw refuse('RETENTION_REFUSED', refusals.join('; '));
  const findings: Finding[] = [];
  let gone = 0;
  for (const phase of ['withdraw', 'delete'] as const) {
    const done = await story.require(
      { id: phase, title: phase === 'withdraw' ? 'Withdraw manifests' : 'Delete data whose grace is over' },
      () => repository('control', 'long', phase).applyRetention({ plan, phase }),
      (list) => `${list.length} acts`,
    );
    findings.push(...done);
    // What a hold protects since the plan was made stays, and is told as a warning.
    if (phase === 'withdraw') gone = done.filter(({ level }) => level === 'ok').length;
  }
  findings.push(
    ...(await close(input, {
      act: 'retention.applied',
      subject: input.platform,
      level: 'info',
      message: `${gone} copies withdrawn`,
      facts: { withdrawn: gone },
    })),
  );
  findings.push(...(await copyAudit()));
  return { decisions, refusals, findings, report: story.finish('succeeded') };
}
