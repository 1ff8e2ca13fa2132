#!/usr/bin/env node
// The command's first step: plain JavaScript without dependencies, for whatever Node the machine has. It finds a Node
// that runs our sources as they are (22.18 or newer), and hands over.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as modules from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const MAIN = new URL('./main.ts', import.meta.url);
// Without it every start strips the types of the same sources again, which takes longer than all the rest. Node compares
// each entry with the source; where the folder cannot be written, nothing is kept and nothing is said.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../node_modules/.cache/holdfast/compiled', import.meta.url));
const OWN_NODE = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));

const runsSources = (version) => {
  const [major, minor] = version.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 18);
};

if (runsSources(process.versions.node)) {
  // Notices about Node itself would stand between a command's lines, and mean nothing to its reader.
  process.noDeprecation = true;
  process.removeAllListeners('warning');
  modules.enableCompileCache?.(process.env.NODE_COMPILE_CACHE);
  await import(MAIN.href);
} else if (existsSync(OWN_NODE)) {
  handOver();
} else {
  console.error(`this is Node ${process.versions.node}, and the project's own is not installed
MEANS: nothing was started
DO: run 'npm ci' in the project's folder, or use Node 22.18 or newer`);
  process.exitCode = 11;
}

function handOver() {
  const quiet = ['--disable-warning=ExperimentalWarning', '--disable-warning=DeprecationWarning'];
  const child = spawn(OWN_NODE, [...quiet, fileURLToPath(MAIN), ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends Ctrl-C to both of us: passing it on would make two of one.
  const passOn = (signal) => () => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']) process.on(signal, passOn(signal));
  child.on('error', (error) => {
    console.error(`'${OWN_NODE}' cannot be started: ${error.message}
MEANS: nothing was started
DO: run 'npm ci' in the project's folder`);
    process.exitCode = 11;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = signal === null ? code : 128 + constants.signals[signal];
  });
}
