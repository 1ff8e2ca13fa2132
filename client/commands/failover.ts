// dr failover plan|run
import { kindsToTake, systemsOf } from '../../domain/configuration/protection.ts';
import type { FailoverBrief } from '../../domain/failover-brief.ts';
import { EXIT, Failure } from '../../domain/failures.ts';
import { failoverWorkflowId } from '../../domain/run-names.ts';
import { type FailOverInput, type FailOverResult, siteQueue } from '../../workflows/messages.ts';
import type { Call, CommandGroup, OptionSpec } from '../command.ts';
import { briefOf, lookAtMeasured } from '../failover-brief.ts';
import { accountText, type Objectives, objectivesOf } from '../output/account.ts';
import { briefText } from '../output/failover-brief.ts';
import { visible } from '../output/human.ts';
import { blocks, exitOf, restoredText } from '../output/report.ts';
import { systemsNamed, WISH_OPTIONS, wishOf } from '../recovery-wish.ts';
import { planText } from '../temporal/decide.ts';
import { conclude, follow } from '../temporal/follow.ts';
import { type Platform, runContext, withPlatform } from '../temporal/platform.ts';
import { startRun } from '../temporal/start.ts';

const TO: OptionSpec = { flags: '--to <site>', description: 'the site that takes over' };
const EXITS = ['warnings', 'refused', 'locked', 'notFound', 'noTemporal', 'cannotDecrypt', 'toolMissing'] as const;

export const spec: CommandGroup = {
  name: 'failover',
  summary: 'let another site take over from a dead one',
  commands: [
    {
      name: 'plan',
      summary: 'show what would be lost and done, and change nothing',
      args: '[system...]',
      options: [TO, ...WISH_OPTIONS],
      examples: [['dr failover plan --to east', 'what is lost if now, which backups, which steps, who must approve']],
      exits: [...EXITS, 'detached'],
      run: (call) => run(call, true),
    },
    {
      name: 'run',
      summary: 'plan, wait for the signed approvals, fence, restore, open',
      args: '[system...]',
      options: [TO, ...WISH_OPTIONS],
      examples: [
        ['dr failover run --to east', 'the newest proven backups, at the other site'],
        ['dr failover run --to east --unproven', 'stored backups too: less is lost, less is certain'],
      ],
      exits: [...EXITS, 'undone', 'stuck', 'detached'],
      notes: `Nothing is touched before enough people have signed the plan with 'dr approve'. Until it opens, everything can
be undone with 'dr runs abort'; from there on it only goes forward. Ctrl-C detaches: the run goes on.`,
      run: (call) => run(call, false),
    },
  ],
};

function run(call: Call, dryRun: boolean): Promise<number> {
  return withPlatform(call, async (platform) => {
    const input = failoverInput(call, platform, dryRun);
    const measured = dryRun ? await lookAtMeasured(call) : null;
    const started = await startRun(platform.temporal, {
      workflow: 'failOver',
      id: failoverWorkflowId(input.platform),
      input,
      summary: `${dryRun ? 'Plan of a failover' : 'Failover'} of ${input.platform} to ${input.site}`,
      queues: [siteQueue(input.site)],
    });
    const options = { platform: input.platform };
    const followed = await follow<FailOverResult>(platform.temporal, started, call.output, options);
    return conclude(call.output, followed, (result) =>
      measured === null
        ? told(call, objectivesOf(platform.configuration), input, result)
        : toldPlan(call, briefOf(call, platform.configuration, result.plan, measured), result),
    );
  });
}

function failoverInput({ args, options }: Call, platform: Platform, dryRun: boolean): FailOverInput {
  const { configuration } = platform;
  const site = requireSite(options.text('to'), Object.keys(configuration.sites));
  const protect = systemsOf(configuration, site).map((system) => ({
    system,
    kinds: kindsToTake(configuration, site, system),
  }));
  return {
    ...runContext(platform),
    site,
    systems: systemsNamed(args, configuration, site),
    ...wishOf(options),
    dryRun,
    movesNames: configuration.dns !== undefined,
    provisions: configuration.sites[site]?.terraform !== undefined,
    protect: protect.filter(({ kinds }) => kinds.length > 0),
  };
}

function requireSite(word: string | undefined, sites: readonly string[]): string {
  if (word === undefined) throw new Failure('USAGE', `which site takes over? --to one of ${sites.join(', ')}`);
  if (!sites.includes(word))
    throw new Failure('USAGE', `no site is called '${visible(word)}': known: ${sites.join(', ')}`);
  return word;
}

function told({ output }: Call, objectives: Objectives, { platform }: FailOverInput, result: FailOverResult): number {
  const { plan } = result;
  const next = `site '${plan.to}' serves now (epoch ${plan.epoch.next})\nNEXT: set activeSite of '${platform}' to ${plan.to}, restart the workers, then 'dr schedule apply'`;
  const account = result.record === null ? '' : accountText(result.record, objectives);
  output.answer(blocks(restoredText(result, output), account, next), result);
  return exitOf(result.report.outcome, result.findings);
}

function toldPlan({ output }: Call, brief: FailoverBrief, result: FailOverResult): number {
  // The last line is what is still on the screen when the plan is long.
  const end = `nothing was changed\nNEXT: ${visible(brief.next)}`;
  output.answer(blocks(briefText(brief), planText(result.plan), end), { ...result, brief });
  return EXIT.done;
}
