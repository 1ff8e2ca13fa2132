// dr failover plan|run|continue
import type { FailoverBrief } from '../../domain/failover-brief.ts';
import { EXIT } from '../../domain/failures.ts';
import { type FailOverInput, type FailOverResult, siteQueue } from '../../workflows/messages.ts';
import type { Call, CommandGroup, OptionSpec } from '../command.ts';
import { briefOf, lookAtMeasured } from '../failover-brief.ts';
import { briefText } from '../output/failover-brief.ts';
import { visible } from '../output/human.ts';
import { blocks, exitOf, restoredText } from '../output/report.ts';
import { WISH_OPTIONS, wishOf } from '../recovery-wish.ts';
import {
  handOver,
  recordText,
  requireSite,
  servesNow,
  TAKEOVER_EXITS,
  TO,
  takeoverInput,
  takeoverName,
} from '../takeover.ts';
import { planText } from '../temporal/decide.ts';
import { conclude, follow } from '../temporal/follow.ts';
import { type Platform, withPlatform } from '../temporal/platform.ts';
import { startRun } from '../temporal/start.ts';

const PLANNED: OptionSpec = {
  flags: '--planned',
  description: 'the old site lives and hands over: nothing is lost, and until it opens everything can be taken back',
};

export const spec: CommandGroup = {
  name: 'failover',
  summary: 'let another site take over, from a dead one or from one that lives',
  commands: [
    {
      name: 'plan',
      summary: 'show what would be lost and done, and change nothing',
      args: '[system...]',
      options: [TO, PLANNED, ...WISH_OPTIONS],
      examples: [
        ['dr failover plan --to east', 'what is lost if now, which backups, which steps, who must approve'],
        ['dr failover plan --planned --to east', 'the handover of a site that lives, without loss'],
      ],
      exits: [...TAKEOVER_EXITS, 'detached'],
      run: (call) => run(call, true),
    },
    {
      name: 'run',
      summary: 'plan, wait for the signed approvals, fence, restore, open',
      args: '[system...]',
      options: [TO, PLANNED, ...WISH_OPTIONS],
      examples: [
        ['dr failover run --to east', 'the newest proven backups, at the other site'],
        ['dr failover run --to east --unproven', 'stored backups too: less is lost, less is certain'],
        ['dr failover run --planned --to east', 'clients out, final backups, fence, go or no-go, restore, open'],
      ],
      exits: [...TAKEOVER_EXITS, 'undone', 'stuck', 'detached'],
      notes: `Nothing is touched before enough people have signed the plan with 'dr approve'. Until it opens, everything can
be undone with 'dr runs abort'; from there on it only goes forward. Ctrl-C detaches: the run goes on.
A planned one asks once more when the old site is fenced and the loss is measured: 'dr runs go RUN go' or 'dr runs abort'.`,
      run: (call) => run(call, false),
    },
    {
      name: 'continue',
      summary: 'finish a run from its journal when Temporal is gone',
      args: '<run>',
      options: [
        { flags: '--without-temporal', description: 'carry it on in this process, at a machine that sees the witness' },
        { flags: '--take-over', description: 'also when Temporal answers and has the run open' },
        { flags: '--confirm <platform>', description: "the platform's name, in place of typing it" },
      ],
      examples: [
        ['dr failover continue failover/orders --without-temporal', 'show what is done, ask once, do the rest'],
      ],
      exits: [...TAKEOVER_EXITS, 'undone', 'stuck'],
      notes: `Also for a planned failover and a failback. What the journal at the witness has as done is not done again, approvals
and answers that were given count; a step that was begun and left is done again. Here the run stops when this command
is stopped: give it again, and it goes on. When Temporal comes back, the run ends there as taken over and undoes nothing.
Workers that do not see the witness's folder cannot be told: keep them stopped.`,
      run: async (call) => (await import('../continuation.ts')).continueRun(call),
    },
  ],
};

function run(call: Call, dryRun: boolean): Promise<number> {
  return withPlatform(call, (platform) => {
    const site = requireSite(call.options.text('to'), Object.keys(platform.configuration.sites));
    if (!call.options.flag('planned')) return failOver(call, platform, site, dryRun);
    const command = 'dr failover run --planned';
    return handOver(call, platform, { workflow: 'failOverPlanned', site, dryRun, what: 'Planned failover', command });
  });
}

async function failOver(call: Call, platform: Platform, site: string, dryRun: boolean): Promise<number> {
  const measured = dryRun ? await lookAtMeasured(call) : null;
  const input: FailOverInput = {
    ...takeoverInput(call, platform, site, dryRun),
    ...wishOf(call.options, platform.configuration),
  };
  const started = await startRun(platform.temporal, {
    workflow: 'failOver',
    ...takeoverName(input),
    input,
    summary: `${dryRun ? 'Plan of a failover' : 'Failover'} of ${input.platform} to ${site}`,
    queues: [siteQueue(site)],
  });
  const followed = await follow<FailOverResult>(platform.temporal, started, call.output, { platform: input.platform });
  return conclude(call.output, followed, (result) =>
    measured === null
      ? told(call, platform, result)
      : toldPlan(call, briefOf(call, platform.configuration, result.plan, measured), result),
  );
}

function told({ output }: Call, platform: Platform, result: FailOverResult): number {
  const account = recordText(platform, result.record);
  output.answer(blocks(restoredText(result, output), account, servesNow(platform, result.plan)), result);
  return exitOf(result.report.outcome, result.findings);
}

function toldPlan({ output }: Call, brief: FailoverBrief, result: FailOverResult): number {
  // The last line is what is still on the screen when the plan is long.
  const end = `nothing was changed\nNEXT: ${visible(brief.next)}`;
  output.answer(blocks(briefText(brief), planText(result.plan), end), { ...result, brief });
  return EXIT.done;
}
