// dr worker
import { CONTROL_QUEUE, siteQueue } from '../../workflows/messages.ts';
import type { Call, CommandSpec } from '../command.ts';
import { loadConfiguration } from '../configuration-file.ts';
import { serve } from '../serve.ts';

export const spec: CommandSpec = {
  name: 'worker',
  summary: 'run a worker until it is told to stop (Ctrl-C or SIGTERM)',
  options: [
    {
      flags: '--queue <name>',
      description: 'control, or site.NAME (may be repeated; default: control and the site)',
      repeatable: true,
    },
  ],
  examples: [
    ['dr worker', 'one process for everything, on one machine'],
    ['dr worker --queue control', 'at the witness'],
    ['dr worker --queue site.west', "beside that site's stores"],
  ],
  exits: ['noTemporal', 'cannotDecrypt', 'toolMissing'],
  notes: 'Run it under a supervisor (systemd, docker). More workers on one queue share its work.',
  run,
};

async function run(call: Call): Promise<number> {
  const { file, site } = await loadConfiguration(call);
  const named = call.options.list('queue');
  const queues = named.length > 0 ? named : [CONTROL_QUEUE, siteQueue(site)];
  return serve('main', ['--config', file, ...queues.flatMap((queue) => ['--queue', queue])]);
}
