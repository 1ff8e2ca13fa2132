// Where programs are found. Those that Debian does not have: on PATH, else in the cache that the installer builds into.
// Those of the stores: the machine's own, or with HOLDFAST_STORES=current those of a newer release.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Folder that `local/install.mjs` builds what Debian does not have into. */
export function builtPrograms(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'holdfast', 'bin');
}

/** Absolute path of `name`: first on PATH, else built. @throws {Error} when neither has it. */
export function findProgram(name: string): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), builtPrograms()].filter((folder) => folder !== '');
  const found = folders.map((folder) => join(folder, name)).find(isExecutable);
  if (found === undefined) throw new Error(`'${name}' is not on this machine; run: node local/install.mjs`);
  return found;
}

/** Terraform or OpenTofu, 1.11 or newer: on PATH, else built. @throws {Error} when there is none. */
export function findTerraform(): string {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const named = ['terraform', 'tofu'].flatMap((name) => folders.map((folder) => join(folder, name)));
  const found = [...named, join(builtPrograms(), 'tofu')].filter(isExecutable).find(isTerraformNewEnough);
  if (found === undefined) throw new Error('no Terraform 1.11 on this machine; run: node local/install.mjs');
  return found;
}

function isTerraformNewEnough(path: string): boolean {
  const env = { PATH: process.env.PATH, HOME: '/nonexistent', CHECKPOINT_DISABLE: '1' };
  const text = execFileSync(path, ['version', '-json'], { encoding: 'utf8', env });
  const [major = 0, minor = 0] = (JSON.parse(text) as { terraform_version: string }).terraform_version
    .split('.')
    .map(Number);
  return major > 1 || minor >= 11;
}

/** Folder that `local/install.mjs current` sets up: `usr` with programs that start anywhere, `root` with the whole release. */
const CURRENT_STORES = '/var/cache/holdfast/current';

const BROKER = '/usr/lib/rabbitmq/bin';

export interface StorePrograms {
  /** Folders, as the configuration's `binDirectory` has them; null: on PATH. */
  readonly postgres: string;
  readonly redis: string | null;
  readonly rabbitmq: string;
  /** Erlang's port mapper. */
  readonly epmd: string;
}

/** Programs of the stores that demo and tests start. @throws {Error} when there are none, or the variable is no word of ours. */
export function storePrograms(which = process.env.HOLDFAST_STORES ?? 'machine'): StorePrograms {
  if (which === 'machine')
    return { postgres: newestPostgres('/usr/lib/postgresql'), redis: null, rabbitmq: BROKER, epmd: 'epmd' };
  if (which !== 'current') throw new Error(`HOLDFAST_STORES is '${which}'; known are 'machine' and 'current'`);
  if (!existsSync(join(CURRENT_STORES, 'recipe.json')))
    throw new Error('the stores of the newer release are not on this machine; run: node local/install.mjs current');
  const below = (path: string) => join(CURRENT_STORES, path);
  return {
    postgres: newestPostgres(below('usr/lib/postgresql')),
    redis: below('usr/bin'),
    rabbitmq: below(BROKER),
    epmd: below('usr/lib/erlang/bin/epmd'),
  };
}

/** The whole root of the newer release, as Debian made it. */
export const currentRoot = (): string => join(CURRENT_STORES, 'root');

function newestPostgres(folder: string): string {
  const versions = existsSync(folder) ? readdirSync(folder).filter((name) => /^\d+$/.test(name)) : [];
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0];
  if (newest === undefined)
    throw new Error(`no PostgreSQL below ${folder}; install it with: apt-get install postgresql`);
  return join(folder, newest, 'bin');
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
