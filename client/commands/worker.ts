// dr worker
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { EXIT, Failure } from '../../domain/failures.ts';
import { CONTROL_QUEUE, siteQueue } from '../../workflows/messages.ts';
import type { Call, CommandSpec } from '../command.ts';
import { loadConfiguration } from '../configuration-file.ts';

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

const MAIN = fileURLToPath(new URL('../../workers/main.ts', import.meta.url));
// Node's default keeps up to three times 16 MiB resident for short-lived objects; what a worker streams lies outside of it.
const SMALL_YOUNG_GENERATION = '--max-semi-space-size=4';
const PASSED_ON = ['SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const;

async function run(call: Call): Promise<number> {
  const { file, site } = await loadConfiguration(call);
  const named = call.options.list('queue');
  const queues = named.length > 0 ? named : [CONTROL_QUEUE, siteQueue(site)];
  const args = [SMALL_YOUNG_GENERATION, MAIN, '--config', file, ...queues.flatMap((queue) => ['--queue', queue])];
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  for (const signal of PASSED_ON) process.on(signal, () => child.kill(signal));
  // A terminal sends Ctrl-C to the worker as well; without one it is passed on.
  process.on('SIGINT', () => (process.stdin.isTTY ? undefined : child.kill('SIGINT')));
  return new Promise((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new Failure('TOOL_FAILED', `the worker cannot be started: ${cause.message}`, {}, cause)),
    );
    child.once('exit', (code, signal) =>
      resolve(signal === null ? (code ?? EXIT.failed) : 128 + constants.signals[signal]),
    );
  });
}
