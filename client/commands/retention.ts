// dr retention plan|apply

import { EXIT } from '../../domain/failures.ts';
import { counted } from '../../domain/quantities.ts';
import type { RetentionDecision, RetentionPlan } from '../../domain/retention.ts';
import type { ApplyRetentionInput, ApplyRetentionResult } from '../../workflows/messages.ts';
import type { Call, CommandGroup } from '../command.ts';
import { confirmPlatform } from '../confirm.ts';
import { table, visible } from '../output/human.ts';
import { blocks, exitOf, findingsText, reportLine } from '../output/report.ts';
import { conclude, follow } from '../temporal/follow.ts';
import { runContext, withPlatform } from '../temporal/platform.ts';
import { askQuestion, WITHOUT_TEMPORAL } from '../temporal/question.ts';
import { startRun } from '../temporal/start.ts';

export const spec: CommandGroup = {
  name: 'retention',
  summary: 'show or apply what may be deleted',
  commands: [
    {
      name: 'plan',
      summary: 'show for every copy whether it is kept, and why; changes nothing',
      options: [{ flags: '--all', description: 'what is kept too' }, WITHOUT_TEMPORAL],
      examples: [
        ['dr retention plan', 'what would go'],
        ['dr retention plan --all --json', 'every decision with its reason'],
      ],
      exits: ['warnings', 'noTemporal'],
      run: plan,
    },
    {
      name: 'apply',
      summary: 'withdraw what may go, and delete what was withdrawn before the grace',
      options: [{ flags: '--confirm <platform>', description: "the platform's name, in place of typing it" }],
      examples: [['dr retention apply --confirm orders', 'carry the plan out']],
      exits: ['warnings', 'refused', 'locked', 'noTemporal', 'detached'],
      run: apply,
    },
  ],
};

async function plan(call: Call): Promise<number> {
  const made = await askQuestion<RetentionPlan>(call, { kind: 'planRetention' });
  call.output.answer(retentionText(made, call.options.flag('all')), made);
  return made.refusals.length > 0 ? EXIT.warnings : EXIT.done;
}

function retentionText(plan: RetentionPlan, all: boolean): string {
  const { refusals, decisions } = plan;
  const shown = all ? decisions : decisions.filter(({ keep }) => !keep);
  return blocks(
    refusals.map((line) => `! nothing would be deleted: ${visible(line)}`).join('\n'),
    shown.length === 0 ? '' : decisionTable(shown),
    summaryOf(plan),
  );
}

const decisionTable = (decisions: readonly RetentionDecision[]): string =>
  table<RetentionDecision>(
    [
      { title: 'BACKUP', value: ({ backup }) => `${backup.system}/${backup.backupId}` },
      { title: 'TIER', value: ({ tier }) => tier },
      { title: '', value: ({ keep }) => (keep ? 'keep' : 'go') },
      { title: 'WHY', value: ({ reason }) => reason },
    ],
    decisions,
  );

function summaryOf({ decisions, leftOut }: Pick<RetentionPlan, 'decisions' | 'leftOut'>): string {
  const go = decisions.filter(({ keep }) => !keep).length;
  const rest = leftOut > 0 ? ` (${leftOut} are too many to list)` : '';
  return `${counted(go, 'copy', 'copies')} of ${decisions.length + leftOut} may go${rest}`;
}

async function apply(call: Call): Promise<number> {
  call.output.note(retentionText(await askQuestion<RetentionPlan>(call, { kind: 'planRetention' }), false));
  return withPlatform(call, async (platform) => {
    const input: ApplyRetentionInput = { ...runContext(platform), dryRun: false };
    await confirmPlatform(call, input.platform, 'deleting');
    const run = await startRun(platform.temporal, {
      workflow: 'applyRetention',
      id: `retention/${input.platform}`,
      input,
      summary: `Retention of ${input.platform}`,
      queues: [],
    });
    const followed = await follow<ApplyRetentionResult>(platform.temporal, run, call.output, {
      platform: input.platform,
    });
    return conclude(call.output, followed, (result) => told(call, result));
  });
}

function told({ output }: Call, result: ApplyRetentionResult): number {
  const { decisions, findings, report } = result;
  const gone = decisions.filter(({ keep }) => !keep);
  output.answer(
    blocks(gone.length === 0 ? '' : decisionTable(gone), findingsText(findings, output), reportLine(report)),
    result,
  );
  return exitOf(report.outcome, findings);
}
