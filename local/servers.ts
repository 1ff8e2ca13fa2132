// Starting real servers on this machine for the demo and the tests: free ports, own folders, ended by process id.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { createServer, type ListenOptions, type Server } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

export interface ServerSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** User to run as when this process is root. */
  readonly user?: string | undefined;
  readonly logFile: string;
  /** Resolves when the server answers; called until then. Rejecting means "not yet". */
  readonly ready: () => Promise<unknown>;
  readonly readyWithinMs?: number;
}

export interface RunningServer {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Ends it with `signal` and waits until it is gone. Safe to call twice. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** The user that stores run as when this process is root: PostgreSQL refuses root, and nothing else needs it. */
export function storeUser(): string | undefined {
  return process.getuid?.() === 0 ? 'postgres' : undefined;
}

// Below the range from which Linux takes the ports of outgoing connections (32768 and up): a server that is restarted
// finds its port as it left it.
const PORTS = { first: 15_000, count: 17_000 };

/**
 * A TCP port on loopback that is free now, and is given to nobody else while this process lives: the reservation is an
 * abstract socket of that name, which goes with the process.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + randomInt(PORTS.count);
    const reservation = await listenOn({ path: `\0holdfast-port-${port}` });
    const probe = reservation && (await listenOn({ port, host: '127.0.0.1' }));
    if (!probe) reservation?.close();
    else return new Promise((resolve) => probe.close(() => resolve(port)));
  }
}

/** A listening socket that keeps nobody alive; null when the place is taken. */
function listenOn(place: ListenOptions): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(null) : reject(error),
    );
    server.listen(place, () => resolve(server.unref()));
  });
}

/** Starts a server and waits until it answers. @throws when it ends or stays silent for `readyWithinMs` (60 s). */
export async function startServer(spec: ServerSpec): Promise<RunningServer> {
  const log = openSync(spec.logFile, 'a', 0o600);
  const drop = spec.user ? ['setpriv', `--reuid=${spec.user}`, `--regid=${spec.user}`, '--clear-groups', '--'] : [];
  const [command, ...args] = [...drop, spec.command, ...spec.args];
  const child = spawn(command as string, args, {
    stdio: ['ignore', log, log],
    detached: true,
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: spec.cwd ?? '/tmp', ...spec.env },
    ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
  });
  closeSync(log);
  const server = runningServer(spec, child);
  await waitUntilReady(spec, child).catch(async (error) => {
    await server.stop('SIGKILL');
    throw error;
  });
  return server;
}

function runningServer(spec: ServerSpec, child: ChildProcess): RunningServer {
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode === null && child.signalCode === null && child.pid) process.kill(-child.pid, signal);
    await gone;
  };
  return { name: spec.name, pid: child.pid ?? -1, logFile: spec.logFile, stop };
}

async function waitUntilReady(spec: ServerSpec, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + (spec.readyWithinMs ?? 60_000);
  for (let last: unknown; ; await wait(50)) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
      throw new Error(`${spec.name} ended before it was ready; see ${spec.logFile}`, { cause: last });
    }
    try {
      await spec.ready();
      return;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline)
      throw new Error(`${spec.name} was not ready in time; see ${spec.logFile}`, { cause: last });
  }
}
