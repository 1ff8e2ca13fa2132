// How long `dr status` looks at two sites and a repository of a thousand backups; then with the other site silent.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import type { ConfigurationInput } from '../../local/platform.ts';
import type { Bench } from '../measurement.ts';
import type { Stage } from '../stage.ts';

const run = promisify(execFile);
const MANY = fileURLToPath(new URL('./many-backups-process.ts', import.meta.url));
const BACKUPS = 1000;

export async function measureStatusSpeed({ stage, samples, runs, small, say }: Bench): Promise<void> {
  const configuration = parse(await readFile(stage.platform.configurationFile, 'utf8')) as ConfigurationInput;
  const count = small ? 10 : BACKUPS;
  say(`storing ${count} backups`);
  // A process of its own trusts the S3 server from its start on.
  await run(process.execPath, [MANY, stage.platform.configurationFile, String(count)]);
  const silent = createServer(() => undefined).listen(0, '127.0.0.1'); // It takes connections and says nothing.
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  try {
    const both = await secondsOf(stage, configuration, 'two-sites', {});
    const half = await secondsOf(stage, configuration, 'silent-site', { host: '127.0.0.1', port });
    for (let round = 1; round <= runs; round++) {
      const [whole, without] = [await both(), await half()];
      say(`round ${round}: ${whole.toFixed(2)} s, ${without.toFixed(2)} s`);
      samples.add('status-two-sites', whole);
      samples.add('status-silent-site', without);
    }
  } finally {
    silent.close();
  }
}

/** `dr status` of the active site, beside which another one has the same stores, or stores at `elsewhere`. */
async function secondsOf(
  { directory, product }: Stage,
  configuration: ConfigurationInput,
  name: string,
  elsewhere: { readonly host?: string; readonly port?: number },
): Promise<() => Promise<number>> {
  const site = configuration.sites[configuration.activeSite];
  if (!site?.postgres || !site.redis || !site.rabbitmq) throw new Error('the bench has every store');
  const { host, port } = elsewhere;
  const management = port === undefined ? {} : { management: `http://${host}:${port}` };
  const other = {
    ...site,
    postgres: { ...site.postgres, ...elsewhere },
    redis: { ...site.redis, ...elsewhere },
    rabbitmq: { ...site.rabbitmq, ...elsewhere, ...management },
  };
  const file = join(directory, `${name}.yaml`);
  const changed = { ...configuration, sites: { ...configuration.sites, other } };
  await writeFile(file, stringify(changed, { aliasDuplicateObjects: false }), { mode: 0o600 });
  return async () => {
    const started = performance.now();
    // What it shows is another matter: a warning of the machine's disk is no failure here.
    await product.watch(['status', '--json', '--config', file], () => undefined);
    return (performance.now() - started) / 1000;
  };
}
