// The operating system's packages (Debian and its kin): stores, and the tools that the stores' backups are made with.
// Installing starts nothing and leaves nothing that would start by itself; what was there before is not touched.
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CommandFailed, runLong } from './long-command.mjs';
import { Missing } from './missing.mjs';
import { isExecutable, onPath } from './programs.mjs';
import { withoutServices } from './without-services.mjs';

const POSTGRES = '/usr/lib/postgresql';

const PYTHONS = '/usr/lib';

/** Debian keeps what makes a virtual environment apart from Python itself. */
function hasVenv() {
  const versions = readdirSync(PYTHONS).filter((name) => /^python3\.\d+$/.test(name));
  return versions.some((name) => existsSync(join(PYTHONS, name, 'ensurepip')));
}

/** A package is there when its programs are, whoever installed them. */
const PACKAGES = [
  { name: 'postgresql', has: () => postgresHas('pg_verifybackup', 'pg_amcheck', 'initdb'), why: 'a protected store' },
  {
    name: 'redis-server',
    has: () => allOnPath('redis-server', 'redis-cli', 'redis-check-rdb'),
    why: 'a protected store',
  },
  { name: 'rabbitmq-server', has: () => allOnPath('rabbitmq-server', 'rabbitmqctl'), why: 'a protected store' },
  { name: 'zstd', has: () => allOnPath('zstd'), why: 'reads a backup without this software' },
  { name: 'python3-venv', has: hasVenv, why: 'runs what the runbook says', for: ['test'] },
  { name: 'attr', has: () => allOnPath('getfattr'), why: 'tells what a backup of files does not hold' },
  { name: 'openssl', has: () => allOnPath('openssl'), why: 'makes the certificates of the site' },
  { name: 'iproute2', has: () => allOnPath('ip'), why: 'brings up the loopback of isolated scratch servers' },
  { name: 'procps', has: () => allOnPath('ps'), why: 'finds what a killed worker left' },
  {
    name: 'git',
    has: () => allOnPath('git'),
    why: 'lists the sources that the architecture rules must see',
    for: ['test', 'current'],
  },
  {
    name: 'chromium',
    has: () => allOnPath('chromium'),
    why: 'tests answer a gate in the Web UI',
    for: ['test', 'current'],
  },
  { name: 'strace', has: () => allOnPath('strace'), why: 'tests break system calls with it', for: ['test', 'current'] },
  {
    name: 'pgbackrest',
    has: () => allOnPath('pgbackrest'),
    why: 'what the benchmark compares with',
    for: ['bench', 'test', 'current'],
  },
  {
    name: 'debootstrap',
    has: () => allOnPath('debootstrap'),
    why: "sets up a newer release's stores",
    for: ['current'],
  },
  {
    name: 'patchelf',
    has: () => allOnPath('patchelf'),
    why: "lets a newer release's programs start",
    for: ['current'],
  },
  { name: 'podman', has: () => allOnPath('podman'), why: 'runs stores in containers', for: ['current'] },
  { name: 'runc', has: () => allOnPath('runc'), why: 'what podman runs containers with', for: ['current'] },
];

const allOnPath = (...names) => names.every((name) => onPath(name) !== undefined);

function postgresHas(...names) {
  const versions = existsSync(POSTGRES) ? readdirSync(POSTGRES) : [];
  const folders = versions.map((version) => join(POSTGRES, version, 'bin'));
  return allOnPath(...names) || folders.some((folder) => names.every((name) => isExecutable(join(folder, name))));
}

/** @param {'demo' | 'test' | 'bench' | 'current'} purpose */
export function systemPackages(purpose) {
  const needed = PACKAGES.filter((one) => one.for === undefined || one.for.includes(purpose));
  const absent = () => needed.filter(({ has }) => !has());
  return {
    missing: () => absent().map(({ name, why }) => `${name} (Debian package): ${why}`),
    present: () => needed.filter(({ has }) => has()).map(({ name }) => `${name} (Debian package)`),
    refuseWhenImpossible: () => refuseWhenImpossible(purpose, absent()),
    install: () => installPackages(absent().map(({ name }) => name)),
  };
}

function refuseWhenImpossible(purpose, absent) {
  const names = absent.map(({ name }) => `'${name}'`).join(', ');
  if (!onPath('apt-get'))
    throw new Missing(
      `${names} not installed, and this machine has no apt-get`,
      'nothing was installed',
      "install what these packages have with this system's own means, then run it again",
    );
  if (process.getuid() !== 0)
    throw new Missing(
      `${names} not installed, and only root can install`,
      'nothing was installed or started',
      `run as root: ${process.execPath} ${resolve(process.argv[1])} ${purpose} --packages`,
    );
}

async function installPackages(names) {
  try {
    await withoutServices(async () => {
      // The package that sets up clusters comes first, so that it can be told to make none.
      if (names.includes('postgresql')) await aptInstall(['postgresql-common']);
    });
    await withoutServices(() => aptInstall(names));
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    const action = `look at the words above, then run: apt-get install --no-install-recommends ${names.join(' ')}`;
    throw new Missing('packages could not be installed', 'nothing was started', action, error.words);
  }
}

let listsAreNew = false;

// Lists that are missing or too old for the mirror are fetched once; a second failure is told.
async function aptInstall(names) {
  if (!readdirSync('/var/lib/apt/lists').some((file) => file.endsWith('_Packages') || file.endsWith('.lz4')))
    await updateLists();
  try {
    await apt(names);
  } catch (error) {
    if (listsAreNew) throw error;
    await updateLists();
    await apt(names);
  }
}

async function updateLists() {
  await runLong('apt-get update', 'apt-get', ['-q', 'update']);
  listsAreNew = true;
}

// Another installation on this machine is waited for.
const QUIET = ['-q', '-y', '-o', 'DPkg::Lock::Timeout=300'];

const apt = (names) =>
  runLong('apt-get install', 'apt-get', [...QUIET, '--no-install-recommends', 'install', ...names], {
    DEBIAN_FRONTEND: 'noninteractive',
  });
