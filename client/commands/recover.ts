// dr recover [SYSTEM…]
import { EXIT } from '../../domain/failures.ts';
import { recoverWorkflowId } from '../../domain/run-names.ts';
import { type RecoverPlatformInput, type RecoverPlatformResult, siteQueue } from '../../workflows/messages.ts';
import type { Call, CommandSpec } from '../command.ts';
import { refuseWrongName } from '../confirm.ts';
import { blocks, exitOf, restoredText } from '../output/report.ts';
import { identitiesOf, systemsNamed, WISH_OPTIONS, wishOf } from '../recovery-wish.ts';
import { planText } from '../temporal/decide.ts';
import { conclude, follow } from '../temporal/follow.ts';
import { type Platform, runContext, withPlatform } from '../temporal/platform.ts';
import { startRun } from '../temporal/start.ts';

export const spec: CommandSpec = {
  name: 'recover',
  summary: 'restore the whole platform, or the systems that are named, from one recovery set and in order',
  args: '[system...]',
  options: [
    ...WISH_OPTIONS,
    {
      flags: '--target <system=identity>',
      description: 'what a store is now that was built anew, as its refusal names it (may be repeated)',
      repeatable: true,
    },
    { flags: '--test', description: 'into scratch, every system at once: validated, reported, removed' },
    { flags: '--dry-run', description: 'choose the set, make and show the plan, then stop' },
    { flags: '--confirm <platform>', description: "the platform's name, in place of typing it" },
  ],
  examples: [
    ['dr recover --dry-run', 'which backups, how far apart, what would be done'],
    ['dr recover', 'everything from the newest proven backups'],
    ['dr recover --at 2026-11-23T04:00Z', 'as it was before the accident'],
    ['dr recover postgres redis', 'two systems that must agree'],
    ['dr recover --test', 'prove that the set restores'],
  ],
  exits: [
    ...(['warnings', 'refused', 'locked', 'notFound', 'noTemporal', 'verificationFailed', 'cannotDecrypt'] as const),
    ...(['toolMissing', 'undone', 'stuck', 'detached'] as const),
  ],
  notes: `One approval covers all; each system keeps what it replaces. A step that fails waits for a person (retry, skip,
abort); aborting undoes every system that was restored. Ctrl-C detaches: the run goes on.`,
  run,
};

function run(call: Call): Promise<number> {
  return withPlatform(call, async (platform) => {
    const input = recoverInput(call, platform);
    const confirm = call.options.text('confirm');
    refuseWrongName(confirm, input.platform);
    const started = await startRun(platform.temporal, {
      workflow: 'recoverPlatform',
      id: recoverWorkflowId(input.platform),
      input,
      summary: `${input.target === 'live' ? 'Recovery' : 'Test of the recovery'} of ${input.systems.join(', ')}`,
      queues: [siteQueue(platform.site)],
    });
    const options = { platform: input.platform, confirm };
    const followed = await follow<RecoverPlatformResult>(platform.temporal, started, call.output, options);
    return conclude(call.output, followed, (result) => told(call, input, result));
  });
}

function recoverInput({ args, options }: Call, platform: Platform): RecoverPlatformInput {
  return {
    ...runContext(platform),
    systems: systemsNamed(args, platform.configuration, platform.site),
    ...wishOf(options, platform.configuration),
    identities: identitiesOf(options.list('target')),
    target: options.flag('test') ? 'scratch' : 'live',
    dryRun: options.flag('dryRun'),
  };
}

function told({ output }: Call, { dryRun }: RecoverPlatformInput, result: RecoverPlatformResult): number {
  const text = dryRun ? blocks(planText(result.plan), 'nothing was changed') : restoredText(result, output);
  output.answer(text, result);
  return dryRun ? EXIT.done : exitOf(result.report.outcome, result.findings);
}
