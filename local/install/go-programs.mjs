// Programs that Debian does not package and that are not downloaded as binaries: built with Go into a cache of ours.
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
];

/** @param {'demo' | 'test' | 'bench' | 'current'} purpose */
export function goPrograms(purpose) {
  const choices = () => PROGRAMS.map((program) => ({ program, chosen: choose(program.name, purpose) }));
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
  const found = onPath(name);
  if (found) return `${found}, because it is on PATH`;
  const built = join(CACHE, name);
  return isExecutable(built) ? `${built}, because it was built before` : null;
}

function refuseWhenImpossible() {
  if (onPath('go')) return;
  const what = "'go' is not on this machine, and 'temporal' or 'versitygw' must be built with it";
  throw new Missing(what, 'nothing was built', 'install Go 1.22 or newer, or put both programs on PATH');
}

async function buildAll(choices) {
  for (const { program } of choices) await build(program);
}

// Built aside and renamed: a build that is cut off never looks like a program.
async function build({ name, module }) {
  mkdirSync(CACHE, { recursive: true, mode: 0o700 });
  const aside = mkdtempSync(join(CACHE, 'build-'));
  try {
    await runLong(`building ${name}`, 'go', ['install', module], { GOBIN: aside });
    renameSync(join(aside, name), join(CACHE, name));
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    const action = `look at the words above, then run: GOBIN='${CACHE}' go install ${module}`;
    throw new Missing(`'${name}' could not be built`, `nothing that needs ${name} can run`, action, error.words);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}
