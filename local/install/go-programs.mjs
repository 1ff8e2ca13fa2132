// Programs that Debian does not package and that are not downloaded as binaries: built with Go into a cache of ours.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CommandFailed, runLong } from './long-command.mjs';
import { Missing } from './missing.mjs';
import { isExecutable, onPath } from './programs.mjs';

const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'holdfast', 'bin');

const PROGRAMS = [
  {
    name: 'temporal',
    module: 'github.com/temporalio/cli/cmd/temporal@v1.5.1',
    why: "Temporal's server and Web UI, on which every workflow runs; about 4 minutes on two cores",
  },
  {
    name: 'versitygw',
    module: 'github.com/versity/versitygw/cmd/versitygw@v1.8.0',
    why: 'a real S3 server for the second tier; about 1 minute on two cores',
  },
  {
    name: 'tofu',
    module: 'github.com/opentofu/opentofu/cmd/tofu@v1.12.6',
    // Its own go.mod replaces a library, which 'go install' of another module's program refuses.
    fromSource: true,
    why: 'OpenTofu, which makes the site that takes over; about 5 minutes on two cores; not needed where Terraform 1.11 is on PATH',
    for: ['demo', 'test', 'current', 'infra'],
  },
  {
    name: 'tflint',
    module: 'github.com/terraform-linters/tflint@v0.64.0',
    why: 'what infra/ is checked with; about 2 minutes on two cores',
    for: ['infra'],
  },
];

const RUNNING = ['demo', 'test', 'bench', 'current'];

const wantedFor = (purpose) => PROGRAMS.filter(({ for: only = RUNNING }) => only.includes(purpose));

/** @param {'demo' | 'test' | 'bench' | 'current' | 'infra'} purpose */
export function goPrograms(purpose) {
  const choices = () => wantedFor(purpose).map((program) => ({ program, chosen: choose(program.name, purpose) }));
  return {
    missing: () =>
      choices()
        .filter(({ chosen }) => chosen === null)
        .map(({ program }) => `${program.name} (go install ${program.module}): ${program.why}`),
    present: () =>
      choices()
        .filter(({ chosen }) => chosen !== null)
        .map(({ program, chosen }) => `${program.name}: ${chosen}`),
    refuseWhenImpossible,
    install: () => buildAll(choices().filter(({ chosen }) => chosen === null)),
  };
}

/** What stands for a program and why; null when it must be built. Tests start servers of their own, whatever is set. */
function choose(name, purpose) {
  if (name === 'temporal' && purpose === 'demo' && process.env.TEMPORAL_ADDRESS)
    return `the server at ${process.env.TEMPORAL_ADDRESS}, because TEMPORAL_ADDRESS is set`;
  const found = name === 'tofu' ? terraformOnPath() : onPath(name);
  if (found) return `${found}, because it is on PATH`;
  const built = join(CACHE, name);
  return isExecutable(built) ? `${built}, because it was built before` : null;
}

/** Terraform or OpenTofu when it is 1.11 or newer: from that version on a bucket alone can hold the state's lock. */
function terraformOnPath() {
  return ['terraform', 'tofu'].map(onPath).find((path) => path !== undefined && isNewEnough(path));
}

function isNewEnough(path) {
  const env = { PATH: process.env.PATH, HOME: '/nonexistent', CHECKPOINT_DISABLE: '1' };
  try {
    const { terraform_version: version } = JSON.parse(execFileSync(path, ['version', '-json'], { env }));
    const [major, minor] = version.split('.').map(Number);
    return major > 1 || minor >= 11;
  } catch {
    return false; // What does not tell its version is not used.
  }
}

function refuseWhenImpossible() {
  if (onPath('go')) return;
  const what = "'go' is not on this machine, and what is missing above must be built with it";
  throw new Missing(what, 'nothing was built', 'install Go 1.22 or newer, or put those programs on PATH');
}

async function buildAll(choices) {
  for (const { program } of choices) await build(program);
}

// Built aside and renamed: a build that is cut off never looks like a program.
async function build({ name, module, fromSource = false }) {
  mkdirSync(CACHE, { recursive: true, mode: 0o700 });
  const aside = mkdtempSync(join(CACHE, 'build-'));
  try {
    if (fromSource) await buildFromSource(name, module, aside);
    else await runLong(`building ${name}`, 'go', ['install', module], { GOBIN: aside });
    renameSync(join(aside, name), join(CACHE, name));
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    const action = `look at the words above, then run: ${process.execPath} ${process.argv[1]}`;
    throw new Missing(`'${name}' could not be built`, `nothing that needs ${name} can run`, action, error.words);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

// The module's own folder in Go's cache, with its own go.mod and go.sum.
async function buildFromSource(name, module, folder) {
  const [path, version] = module.split('@');
  const root = path.split('/').slice(0, 3).join('/');
  await runLong(`fetching ${name}`, 'go', ['mod', 'download', `${root}@${version}`]);
  const known = execFileSync('go', ['mod', 'download', '-json', `${root}@${version}`], { encoding: 'utf8' });
  const words = ['build', '-C', JSON.parse(known).Dir, '-o', join(folder, name), path];
  await runLong(`building ${name}`, 'go', words);
}
