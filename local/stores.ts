// Starts or stops the stores of a site by the commands that its configuration names: what infra/local runs.
//
//   node local/stores.ts start|stop FILE SITE
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { listens } from './listens.ts';
import type { ConfigurationInput } from './platform.ts';

const run = promisify(execFile);
const STORES = ['postgres', 'redis', 'rabbitmq'] as const;

const [act, file = '', name = ''] = process.argv.slice(2);
if (act !== 'start' && act !== 'stop') throw new Error('node local/stores.ts start|stop FILE SITE');
const { sites } = parse(await readFile(file, 'utf8')) as Pick<ConfigurationInput, 'sites'>;
const site = sites[name];
if (site === undefined) throw new Error(`'${file}' has no site '${name}'`);
await Promise.all(STORES.map(carryOut));

async function carryOut(store: (typeof STORES)[number]): Promise<void> {
  const settings = site?.[store];
  if (settings === undefined) return;
  const { host, port = 0, service } = settings;
  if (service === undefined) throw new Error(`${store} of '${name}' has no service`);
  if ((await listens(port, host)) === (act === 'start')) return;
  const [command = '', ...args] = service[act === 'start' ? 'start' : 'stop'];
  await run(command, args);
}
