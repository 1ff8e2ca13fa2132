// dr failback plan|run
import type { Call, CommandGroup } from '../command.ts';
import { CHOICE_OPTIONS } from '../recovery-wish.ts';
import { handOver, requireSite, TAKEOVER_EXITS, TO } from '../takeover.ts';
import { withPlatform } from '../temporal/platform.ts';

// A failback takes its own backups: which of the stored ones are wanted is not asked.
const OPTIONS = [TO, ...CHOICE_OPTIONS];

export const spec: CommandGroup = {
  name: 'failback',
  summary: 'return to a site that was the active one before, losing nothing',
  commands: [
    {
      name: 'plan',
      summary: 'show what would be done, and change nothing',
      args: '[system...]',
      options: OPTIONS,
      examples: [['dr failback plan --to west', 'is the old site ready to be restored over, and what is done']],
      exits: [...TAKEOVER_EXITS, 'detached'],
      run: (call) => run(call, true),
    },
    {
      name: 'run',
      summary: 'plan, wait for the signed approvals, hand over to the old site, open it',
      args: '[system...]',
      options: OPTIONS,
      examples: [['dr failback run --to west', 'clients out, final backups, fence, go or no-go, restore, open']],
      exits: [...TAKEOVER_EXITS, 'undone', 'stuck', 'detached'],
      notes: `Start the stores of the old site first, with RabbitMQ empty; what diverged in the others is kept by each restore
and told at the end. Nothing is touched before enough people have signed the plan with 'dr approve'; until it opens,
'dr runs abort' gives the platform back to the site that serves now. Ctrl-C detaches: the run goes on.`,
      run: (call) => run(call, false),
    },
  ],
};

function run(call: Call, dryRun: boolean): Promise<number> {
  return withPlatform(call, (platform) => {
    const site = requireSite(call.options.text('to'), Object.keys(platform.configuration.sites));
    const how = { workflow: 'failBack', what: 'Failback', command: 'dr failback run' } as const;
    return handOver(call, platform, { ...how, site, dryRun });
  });
}
