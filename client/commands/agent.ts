// dr agent
import { Failure } from '../../domain/failures.ts';
import type { Call, CommandSpec } from '../command.ts';
import { loadConfiguration } from '../configuration-file.ts';
import { serve } from '../serve.ts';

export const spec: CommandSpec = {
  name: 'agent',
  summary: "start a site's services once it is the active one, and stop them when another site takes over",
  examples: [['dr agent --site west', "on the machine that starts the site's stores and services, under a supervisor"]],
  notes: `Nothing of sites.NAME.agent.start runs before the epochs at the witness say that the site is the active one and is
open. When a failover's fence is ordered, the site is stopped by agent.fence, also when it was away and comes back later.
While the witness cannot be reached, what runs goes on; with agent.lease it stops when neither store of the lease was
reached for its whole length. Take the services out of the machine's own start at boot: the agent starts them.`,
  run,
};

async function run(call: Call): Promise<number> {
  const { file, configuration } = await loadConfiguration(call);
  const site = call.options.text('site');
  if (site === undefined) throw new Failure('USAGE', 'which site is this machine of?', { mend: 'name it with --site' });
  if (configuration.sites[site]?.agent === undefined)
    throw new Failure('USAGE', `sites.${site} has no agent`, { mend: `say in sites.${site}.agent what it starts` });
  return serve('agent', ['--config', file, '--site', site], {});
}
