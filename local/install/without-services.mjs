// Around an installation of packages: no service is started, none is left to start at the next boot, and PostgreSQL's
// packages make no cluster. Everything that this changes on the machine is put back, also when the installation fails.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onPath } from './programs.mjs';

const POLICY = '/usr/sbin/policy-rc.d';
const CLUSTER_SETTINGS = '/etc/postgresql-common/createcluster.conf';
const UNIT_LINKS = '/etc/systemd/system';
const UNIT_FOLDERS = ['/lib/systemd/system', '/etc/init.d'];
// Where the services of our packages are called like this; others that apt brings along are ours as little as before.
const OURS = /^(postgresql|redis|rabbitmq|epmd|podman)[^/]*$/;

/** @param {() => Promise<void>} install */
export async function withoutServices(install) {
  const putBack = [forbidStarts(), forbidClusters()];
  const before = new Set(units());
  const restore = () => {
    while (putBack.length > 0) putBack.pop()();
  };
  const onSignal = (signal) => {
    restore();
    process.kill(process.pid, signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, onSignal);
  try {
    await install();
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, onSignal);
    for (const unit of units().filter((name) => !before.has(name))) disable(unit);
    restore();
  }
}

// Debian's own way to say "do not start services": respected by every package. One that exists is the machine's.
function forbidStarts() {
  if (existsSync(POLICY)) return () => undefined;
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' });
  return () => rmSync(POLICY, { force: true });
}

function forbidClusters() {
  if (!existsSync(CLUSTER_SETTINGS)) return () => undefined;
  const kept = `${CLUSTER_SETTINGS}.before-holdfast`;
  copyFileSync(CLUSTER_SETTINGS, kept);
  writeFileSync(CLUSTER_SETTINGS, `${readFileSync(kept, 'utf8')}\ncreate_main_cluster = false\n`);
  return () => renameSync(kept, CLUSTER_SETTINGS);
}

const units = () =>
  UNIT_FOLDERS.filter(existsSync)
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((path) => OURS.test(path.split('/').at(-1)));

// A service that came with this installation: ended if the machine's own policy let it start, and not started at boot.
function disable(path) {
  const name = path.split('/').at(-1);
  if (name.includes('@')) return;
  const hasSystemd = existsSync('/run/systemd/system');
  if (path.startsWith('/etc/init.d')) {
    if (!hasSystemd) quietly(path, ['stop']);
    quietly(onPath('update-rc.d'), [name, 'disable']);
    return;
  }
  quietly(onPath('systemctl'), ['disable', ...(hasSystemd ? ['--now'] : []), name]);
  // Where the machine has no systemctl (yet), packages make the links all the same.
  for (const wants of bootLinks(name)) rmSync(wants, { force: true });
}

const bootLinks = (name) =>
  (existsSync(UNIT_LINKS) ? readdirSync(UNIT_LINKS) : [])
    .filter((folder) => folder.endsWith('.wants'))
    .map((folder) => join(UNIT_LINKS, folder, name));

// A service that was not running or not enabled makes these commands complain, and then there is nothing to do.
function quietly(command, args) {
  if (command === undefined) return;
  try {
    execFileSync(command, args, { stdio: 'ignore', timeout: 60_000 });
  } catch {
    return;
  }
}
