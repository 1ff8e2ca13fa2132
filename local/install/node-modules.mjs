// The Node packages of the lock file, among them the Node that runs everything else.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandFailed, runLong } from './long-command.mjs';
import { Missing } from './missing.mjs';

const ROOT = join(import.meta.dirname, '..', '..');

export function nodeModules() {
  return {
    missing: () =>
      isComplete() ? [] : ["node modules of package-lock.json (npm ci): the project's libraries and its Node"],
    present: () => (isComplete() ? ['node modules of package-lock.json'] : []),
    refuseWhenImpossible: () => undefined,
    install,
  };
}

/** True when every package that the lock file asks for is there in that version, by npm's own record. */
function isComplete() {
  const wanted = packagesOf('package-lock.json');
  const found = packagesOf(join('node_modules', '.package-lock.json'));
  if (wanted === null || found === null) return false;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || found[path]?.version === version || (optional && !found[path]),
  );
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(join(ROOT, file), 'utf8')).packages;
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

async function install() {
  try {
    await runLong('npm ci', 'npm', ['ci', '--prefix', ROOT, '--no-audit', '--no-fund']);
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    const what = "the node modules could not be installed with 'npm ci'";
    throw new Missing(
      what,
      'nothing of this project can run',
      "look at npm's words above, then run it again",
      error.words,
    );
  }
}
