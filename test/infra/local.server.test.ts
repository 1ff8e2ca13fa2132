// What the demo applies, on real stores, and the form of everything that Terraform reads.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { createTerraform } from '../../activities/terraform/index.ts';
import { configurationSchema } from '../../domain/configuration/schema.ts';
import type { TerraformActivities } from '../../domain/contracts/terraform.ts';
import { makePassage } from '../../local/folders.ts';
import { listens } from '../../local/listens.ts';
import { type RunningPostgres, startPostgres } from '../../local/postgres.ts';
import { findTerraform } from '../../local/programs.ts';
import { type LocalRedis, startRedis } from '../../local/redis.ts';
import type { LocalS3 } from '../../local/s3.ts';
import { startStateStore } from '../activities/terraform/ground.ts';

const run = promisify(execFile);
const root = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const RUN = { site: 'east', run: 'failover/orders/1' };

let directory: string;
let s3: LocalS3;
let postgres: RunningPostgres;
let redis: LocalRedis;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-infra-'));
  const below = (name: string) => join(directory, name);
  await Promise.all(['', 'postgres', 'redis'].map((name) => makePassage(below(name))));
  await mkdir(below('s3'), { mode: 0o700 });
  [s3, postgres, redis] = await Promise.all([
    startStateStore(below('s3')),
    startPostgres({ directory: below('postgres') }),
    startRedis({ directory: below('redis') }),
  ]);
  await Promise.all([postgres.stop(), redis.stop()]);
  const sites = { east: { postgres: postgres.configuration, redis: redis.configuration } };
  await writeFile(below('stores.yaml'), stringify({ sites }));
});
afterAll(async () => {
  await Promise.all([postgres?.stop(), redis?.stop(), s3?.stop()]);
  await rm(directory, { recursive: true, force: true });
});

const bothStand = async () => [await listens(postgres.port), await listens(redis.port)];

async function terraform(): Promise<TerraformActivities> {
  const configuration = join(directory, 'infra');
  await cp(root('infra/local'), configuration, { recursive: true });
  await writeFile(join(directory, 'access'), s3.accessKeyId, { mode: 0o600 });
  await writeFile(join(directory, 'key'), s3.secretAccessKey, { mode: 0o600 });
  const stores = (act: string) => [
    process.execPath,
    root('local/stores.ts'),
    act,
    join(directory, 'stores.yaml'),
    'east',
  ];
  const listens = ({ port }: { readonly port: number }) => ({ host: '127.0.0.1', port });
  const sites = configurationSchema.shape.sites.parse({
    east: {
      workDirectory: directory,
      terraform: {
        ...{ directory: configuration, program: findTerraform(), stateful: ['terraform_data.stores'] },
        backend: {
          ...{ kind: 's3', bucket: 'terraform', key: 'east.tfstate', endpoint: s3.endpoint },
          accessKeyId: `\${file:${join(directory, 'access')}}`,
          secretAccessKey: `\${file:${join(directory, 'key')}}`,
        },
        variables: {
          ...{ site: 'east', start: stores('start'), stop: stores('stop') },
          stores: { postgres: listens(postgres), redis: listens(redis) },
        },
      },
    },
  });
  return createTerraform({ sites, witness: { directory: join(directory, 'witness') } });
}

// No activity of ours destroys: this is what a person would type.
async function destroy(): Promise<void> {
  const endpoints = { s3: s3.endpoint };
  const backend = { bucket: 'terraform', key: 'east.tfstate', region: s3.region, endpoints, use_lockfile: true };
  const skips = ['credentials_validation', 'requesting_account_id', 'metadata_api_check', 's3_checksum'];
  const options = Object.fromEntries(skips.map((name) => [`skip_${name}`, true]));
  const file = join(directory, 'by-hand.tfbackend.json');
  await writeFile(file, JSON.stringify({ ...backend, ...options, use_path_style: true }));
  const env = {
    ...{ PATH: process.env.PATH, HOME: directory, TF_DATA_DIR: join(directory, 'by-hand'), CHECKPOINT_DISABLE: '1' },
    ...{ AWS_ACCESS_KEY_ID: s3.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.secretAccessKey },
  };
  const call = (...words: string[]) =>
    run(findTerraform(), [`-chdir=${join(directory, 'infra')}`, ...words, '-input=false'], { env });
  await call('init', `-backend-config=${file}`);
  const nothing = ['site=east', 'start=["true","x"]', 'stop=["true","x"]', 'stores={}'];
  await call('destroy', '-auto-approve', ...nothing.map((value) => `-var=${value}`));
}

describe('infra', () => {
  it('is formatted', async () => {
    const { stdout } = await run(findTerraform(), ['fmt', '-check', '-recursive', '-list=true', root('infra')], {
      env: { PATH: process.env.PATH, HOME: directory, CHECKPOINT_DISABLE: '1' },
    });
    expect(stdout).toBe('');
  });

  it('starts the stores of a site, tells where they listen, and is done when they stand', async () => {
    const ground = await terraform();
    const { digest, changes } = await ground.planChanges(RUN);
    expect(changes).toEqual([
      { address: 'terraform_data.stores', type: 'terraform_data', action: 'create', isStateful: true },
    ]);
    expect(await bothStand()).toEqual([false, false]);
    const { outputs } = await ground.applyPlan({ ...RUN, digest });
    expect(await bothStand()).toEqual([true, true]);
    expect(JSON.parse(outputs.stores ?? '')).toMatchObject({ redis: { host: '127.0.0.1', port: redis.port } });
    expect(await ground.look({ ...RUN, run: 'doctor' })).toMatchObject([
      { subject: 'program', level: 'ok' },
      { subject: 'state and providers', level: 'ok' },
      { message: "Terraform has nothing to change at 'east'", level: 'ok' },
    ]);
  });

  it('stops them when it is destroyed, by hand', async () => {
    await destroy();
    expect(await bothStand()).toEqual([false, false]);
  });
});
