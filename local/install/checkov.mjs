// The scanner of infra/, in a virtual environment of its own: it pins what other programs need in other versions.
import { mkdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CommandFailed, runLong } from './long-command.mjs';
import { Missing } from './missing.mjs';
import { isExecutable, onPath } from './programs.mjs';

const VERSION = '3.3.30';
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'holdfast');

/** Where `local/check-infra.ts` looks too. */
const FOLDER = join(CACHE, 'checkov');

export function checkov() {
  const isThere = () => isExecutable(join(FOLDER, 'bin', 'checkov'));
  return {
    missing: () => (isThere() ? [] : [`checkov (PyPI ${VERSION}): what infra/ is scanned with; about half a minute`]),
    present: () => (isThere() ? [`checkov: ${FOLDER}`] : []),
    refuseWhenImpossible,
    install,
  };
}

function refuseWhenImpossible() {
  if (onPath('python3')) return;
  throw new Missing("'python3' is not on this machine", 'nothing was installed', 'apt-get install python3-venv');
}

// A virtual environment knows its own path, so it is made in place; one that was cut off has no program yet.
async function install() {
  mkdirSync(CACHE, { recursive: true, mode: 0o700 });
  rmSync(FOLDER, { recursive: true, force: true });
  try {
    await runLong('making a place for checkov', 'python3', ['-m', 'venv', FOLDER]);
    const pip = join(FOLDER, 'bin', 'pip');
    await runLong('installing checkov', pip, ['install', '--quiet', '--no-input', `checkov==${VERSION}`]);
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    rmSync(FOLDER, { recursive: true, force: true });
    const action = 'look at the words above; apt-get install python3-venv when that is missing';
    throw new Missing("'checkov' could not be installed", 'infra/ cannot be scanned', action, error.words);
  }
}
