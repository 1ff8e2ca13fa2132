// Stops and starts a local RabbitMQ node, as a service manager would: `rabbitmq-service.ts DIRECTORY start|stop`.
// Everything it needs is in DIRECTORY/service.json, so it works from any process and any number of times.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { listens } from './listens.ts';

export interface NodeService {
  readonly nodeName: string;
  readonly user: string | null;
  readonly server: string;
  readonly epmd: string;
  readonly epmdPort: number;
  readonly amqpPort: number;
  readonly managementPort: number;
  readonly pidFile: string;
  readonly environment: Readonly<Record<string, string>>;
}

const START_WITHIN_MS = 90_000;
const STOP_WITHIN_MS = 30_000;

/** Starts epmd and the node, and returns when both listeners answer. Finds a running node and leaves it alone. */
export async function startNode(directory: string): Promise<void> {
  const service = readService(directory);
  if (alivePid(service.pidFile) !== null) return;
  const epmdFile = join(directory, 'epmd.pid');
  if (alivePid(epmdFile) === null) {
    const args = ['-port', String(service.epmdPort), '-address', '127.0.0.1'];
    writeFileSync(epmdFile, String(startDetached(directory, service, service.epmd, args).pid), { mode: 0o600 });
  }
  rmSync(service.pidFile, { force: true });
  const child = startDetached(directory, service, service.server, []);
  await answers(service, () => child.exitCode !== null || child.signalCode !== null);
}

/** Stops the node gracefully, then its epmd. Nothing happens when they are not running. */
export async function stopNode(directory: string): Promise<void> {
  const { pidFile } = readService(directory);
  await end(pidFile, STOP_WITHIN_MS);
  await end(join(directory, 'epmd.pid'), 5000);
}

/** Ends the node and its epmd at once: for folders that are thrown away. */
export async function killNode(directory: string): Promise<void> {
  await end(readService(directory).pidFile, 0);
  await end(join(directory, 'epmd.pid'), 0);
}

function readService(directory: string): NodeService {
  return JSON.parse(readFileSync(join(directory, 'service.json'), 'utf8')) as NodeService;
}

function startDetached(directory: string, service: NodeService, command: string, args: readonly string[]) {
  const log = openSync(join(directory, 'log', 'console.log'), 'a', 0o600);
  const drop = service.user
    ? ['setpriv', `--reuid=${service.user}`, `--regid=${service.user}`, '--clear-groups', '--']
    : [];
  const [program, ...rest] = [...drop, command, ...args] as [string, ...string[]];
  const child = spawn(program, rest, {
    cwd: directory,
    detached: true,
    stdio: ['ignore', log, log],
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8', ...service.environment },
  });
  closeSync(log);
  child.unref();
  return child;
}

async function answers(service: NodeService, ended: () => boolean): Promise<void> {
  const deadline = Date.now() + START_WITHIN_MS;
  while (Date.now() < deadline) {
    if (ended()) throw new Error(`node ${service.nodeName} ended before it was ready`);
    const open = (await listens(service.amqpPort)) && (await listens(service.managementPort));
    if (open && alivePid(service.pidFile) !== null) return;
    await wait(100);
  }
  throw new Error(`node ${service.nodeName} did not start in time`);
}

// The node removes its pid file long before it is gone, so the process itself is watched.
async function end(pidFile: string, withinMs: number): Promise<void> {
  const pid = alivePid(pidFile);
  if (pid === null) return;
  const deadline = Date.now() + withinMs;
  process.kill(pid, 'SIGCONT');
  process.kill(pid, 'SIGTERM');
  while (isServer(pid)) {
    if (Date.now() >= deadline) process.kill(pid, 'SIGKILL');
    await wait(50);
  }
  rmSync(pidFile, { force: true });
}

/** The process a pid file names, or null when there is none. */
function alivePid(pidFile: string): number | null {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8').trim());
    return isServer(pid) ? pid : null;
  } catch {
    return null;
  }
}

// A zombie has no command line, and a number that was used again has another one.
function isServer(pid: number): boolean {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return command.includes('epmd') || command.includes('rabbit');
  } catch {
    return false;
  }
}

const [directory, action] = import.meta.main ? process.argv.slice(2) : [];
if (directory !== undefined) await (action === 'start' ? startNode(directory) : stopNode(directory));
