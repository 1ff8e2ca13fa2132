// The stores of Debian's newer release on a machine of an older one: PostgreSQL 17, Redis 8, RabbitMQ 4 and pgBackRest
// that start like ordinary programs. A whole root of that release is made (an image of a container is made from it
// too); copies of its programs are told to take the loader and the libraries of that root, wherever they are started.
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { CommandFailed, runLong } from './long-command.mjs';
import { Missing } from './missing.mjs';

/** Open to the user that the stores run as, which a folder below root's home is not. `local/programs.ts` knows it too. */
const FOLDER = '/var/cache/holdfast/current';
const SUITE = 'trixie';
const PACKAGES = ['postgresql-17', 'redis-server', 'rabbitmq-server', 'pgbackrest'];
/** What the folder was made by: another recipe makes it again. */
const RECIPE = JSON.stringify({ suite: SUITE, packages: PACKAGES, version: 1 });

const COPIED = ['usr/lib/postgresql', 'usr/share/postgresql', 'usr/lib/erlang', 'usr/lib/rabbitmq'];
const PROGRAMS = /^(redis-.*|pgbackrest)$/;

export function currentStores() {
  return {
    missing: () =>
      isThere()
        ? []
        : [`${PACKAGES.join(', ')} (Debian ${SUITE}): stores that the suite also runs on; about 2 minutes`],
    present: () => (isThere() ? [`stores of Debian ${SUITE}: ${FOLDER}`] : []),
    refuseWhenImpossible,
    install,
  };
}

function isThere() {
  const stamp = join(FOLDER, 'recipe.json');
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === RECIPE;
}

function refuseWhenImpossible() {
  if (process.getuid() === 0) return;
  const action = `run as root: ${process.execPath} ${process.argv[1]} current --packages`;
  throw new Missing(`stores of Debian ${SUITE} can only be set up by root`, 'nothing was installed', action);
}

// Made aside and renamed, so that one that was cut off is never taken for a whole one.
async function install() {
  mkdirSync(dirname(FOLDER), { recursive: true, mode: 0o755 });
  const aside = mkdtempSync(`${FOLDER}-`);
  try {
    await makeRoot(join(aside, 'root'));
    copyPrograms(aside);
    useOwnLibraries(aside);
    useOwnErlang(aside);
    writeFileSync(join(aside, 'recipe.json'), RECIPE);
    chmodSync(aside, 0o755); // Made for us alone; the stores run as another user.
    putInPlace(aside);
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    const what = `the stores of Debian ${SUITE} could not be set up`;
    throw new Missing(what, 'nothing of it was kept', 'look at the words above, then run it again', error.words);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

async function makeRoot(root) {
  const options = ['--variant=minbase', `--include=${PACKAGES.join(',')}`];
  await runLong(`setting up Debian ${SUITE}`, 'debootstrap', [...options, SUITE, root, ...machineRepository()]);
  for (const leftover of ['var/cache/apt/archives', 'var/lib/apt/lists'])
    rmSync(join(root, leftover), { recursive: true, force: true });
}

// The machine's own mirror of Debian; without one, debootstrap's default.
function machineRepository() {
  const { stdout } = spawnSync('apt-get', ['indextargets', '--format', '$(LABEL)\t$(REPO_URI)'], { encoding: 'utf8' });
  const lines = (stdout ?? '').split('\n').map((line) => line.split('\t'));
  return lines
    .filter(([label]) => label === 'Debian')
    .flatMap(([, uri]) => uri)
    .slice(0, 1);
}

function copyPrograms(folder) {
  const copy = (path) =>
    cpSync(join(folder, 'root', path), join(folder, path), { recursive: true, verbatimSymlinks: true });
  for (const path of COPIED) copy(path);
  for (const name of readdirSync(join(folder, 'root/usr/bin'))) if (PROGRAMS.test(name)) copy(`usr/bin/${name}`);
}

// Those of Debian look for their loader and libraries in the machine's own folders, where an older release is.
function useOwnLibraries(folder) {
  const architecture = readdirSync(join(folder, 'root/usr/lib')).find((name) => name.endsWith('-linux-gnu'));
  const libraries = join(FOLDER, 'root/usr/lib', architecture);
  for (const program of executablesBelow(join(folder, 'usr'))) {
    const loader = patchelf('--print-interpreter', program);
    if (loader === null) continue; // A script or a library.
    // DT_RPATH, not RUNPATH: it holds for what the program's libraries need and for what is loaded later as well.
    const words = ['--set-interpreter', join(FOLDER, 'root', loader), '--force-rpath', '--set-rpath', libraries];
    if (patchelf(...words, program) === null)
      throw new CommandFailed('patchelf', `patchelf could not change ${program}`);
  }
}

const executablesBelow = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((path) => (statSync(path).mode & 0o111) !== 0);

function patchelf(...args) {
  const { status, stdout, error } = spawnSync('patchelf', args, { encoding: 'utf8' });
  if (error) throw new CommandFailed('patchelf', error.message);
  return status === 0 ? stdout.trim() : null;
}

// The start script of Erlang has its folder written into it, and the broker's scripts take the first `erl` on PATH.
function useOwnErlang(folder) {
  const [runtime] = readdirSync(join(folder, 'usr/lib/erlang')).filter((name) => name.startsWith('erts-'));
  for (const script of ['bin/erl', `${runtime}/bin/erl`].map((path) => join(folder, 'usr/lib/erlang', path)))
    writeFileSync(
      script,
      readFileSync(script, 'utf8').replaceAll(/=\/usr\/lib\/erlang$/gm, `=${FOLDER}/usr/lib/erlang`),
    );
  const defaults = realpathSync(join(folder, 'usr/lib/rabbitmq/bin/rabbitmq-defaults'));
  appendFileSync(defaults, `\nPATH='${FOLDER}/usr/lib/erlang/bin':"$PATH"\nexport PATH\n`);
}

function putInPlace(aside) {
  if (existsSync(FOLDER)) renameSync(FOLDER, join(aside, 'before'));
  renameSync(aside, FOLDER);
  rmSync(join(FOLDER, 'before'), { recursive: true, force: true });
}
